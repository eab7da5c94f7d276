// The pages work without this script. It makes them nicer.

import { announce, copy } from './page.js';
import * as live from './live.js';
import * as times from './times.js';
import * as tokens from './tokens.js';

// Storage may be forbidden; then nothing is remembered.
function remember(name, value) {
  try {
    if (value !== undefined) localStorage.setItem(name, value);
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

document.addEventListener('click', (e) => {
  const el = e.target.closest?.('[data-copy], [data-open]');
  if (!el) return;
  if (el.dataset.copy !== undefined) copy(el.dataset.copy, el);
  else document.getElementById(el.dataset.open).showModal();
});

// Single keys disturb people who speak to their computer: they can be turned
// off (WCAG 2.1.4).
const keysOn = document.getElementById('keys-on');
keysOn.checked = remember('keys') !== 'off';
keysOn.addEventListener('change', () => remember('keys', keysOn.checked ? 'on' : 'off'));
document.addEventListener('keydown', (e) => {
  if (!keysOn.checked || e.ctrlKey || e.metaKey || e.altKey || e.target.closest('input, textarea, select, dialog')) return;
  if (e.key === '?') document.getElementById('keys').showModal();
  const search = e.key === '/' && document.querySelector('input[type="search"]');
  if (search) {
    e.preventDefault();
    search.focus();
    search.select();
  }
});

// A form is sent once: until its answer is there, the same button does nothing more.
const patience = 60000; // the answer may never come
document.addEventListener('submit', (e) => {
  const form = e.target;
  const button = e.submitter;
  if (!button || form.getAttribute('method') !== 'post') return;
  const release = () => {
    delete form.dataset.sent;
    button.disabled = false;
  };
  // Later, since a script that answers the form itself says so only after this one
  // was asked, and what the button says is sent with the form.
  setTimeout(() => {
    if (e.defaultPrevented) return;
    form.dataset.sent = '';
    button.disabled = true;
  });
  setTimeout(release, patience);
  addEventListener('pageshow', release, { once: true }); // the person came back
});

// The choice of subscriptions.
const all = document.querySelector('[data-select-all]');
const count = document.querySelector('[data-count]');
if (count) {
  const boxes = [...document.querySelectorAll('input[name="subscription"][type="checkbox"]')];
  const listed = boxes.filter((box) => box.closest('table'));
  const update = () => {
    const on = listed.filter((box) => box.checked).length;
    count.textContent = `${boxes.filter((box) => box.checked).length} chosen`;
    if (!all) return;
    all.checked = on > 0 && on === listed.length;
    all.indeterminate = on > 0 && on < listed.length;
  };
  document.addEventListener('change', (e) => {
    if (e.target === all) {
      for (const box of listed) box.checked = all.checked;
    } else if (!boxes.includes(e.target)) return;
    update();
    announce(count.textContent);
  });
  // The browser may restore the boxes when the person comes back.
  addEventListener('pageshow', update);
  update();
}

// The kind of commands that the person opened last.
const kinds = [...document.querySelectorAll('details[data-remember]')];
const last = kinds.find((el) => el.dataset.remember === remember('commands'));
if (last) last.open = true;
for (const el of kinds) el.addEventListener('toggle', () => { if (el.open) remember('commands', el.dataset.remember); });

// One page needs each, so the others do not load it.
if (document.getElementById('inspect')) import('./inspect.js').then((inspector) => inspector.start());
if (document.querySelector('form[data-flow], form[data-poll], .run-steps')) import('./flow.js').then((flow) => flow.start(() => keysOn.checked));
if (document.querySelector('[data-schedule]')) import('./schedule.js').then((form) => form.start());

// Who wants to be told of a scan's end is told on every page.
if (document.querySelector('[data-tell]') || remember('tell')) import('./scan.js').then((scans) => scans.start(remember));

times.start();
tokens.start();
live.start();

// What is typed into a field with a limit is counted below it.
for (const field of document.querySelectorAll('[data-counted]')) {
  const count = () => {
    document.getElementById(field.dataset.counted).textContent = `${field.value.length} of ${field.maxLength} characters`;
  };
  field.addEventListener('input', count);
  count();
}
