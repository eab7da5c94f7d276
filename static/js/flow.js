// Flows: what cannot be broken at the tenant is not offered there, keys turn the pages
// of a run, and a script that waits for its person asks as long as its page is open.

import { localize, tick } from './times.js';

// start takes whether single keys are wanted.
export function start(keysWanted) {
  const form = document.querySelector('form[data-flow]');
  if (form) choices(form);
  if (document.querySelector('.run-steps')) turn(keysWanted);
  const waiting = document.querySelector('form[data-poll]');
  if (waiting) ask(waiting);
}

function choices(form) {
  const labOnly = [...form.querySelectorAll('option[data-lab]')];
  const update = () => {
    const lab = form.elements.where.value === 'lab';
    for (const option of labOnly) option.disabled = !lab;
    if (form.elements.failure?.selectedOptions[0]?.disabled) form.elements.failure.value = '';
  };
  form.elements.where.addEventListener('change', update);
  addEventListener('pageshow', update); // the browser may restore what was chosen
  update();
}

function turn(keysWanted) {
  const keys = { ArrowRight: '.run-steps a[rel=next]', ArrowLeft: '.run-steps a[rel=prev]', Escape: '[data-end-presenting]' };
  document.addEventListener('keydown', (e) => {
    if (!keysWanted() || e.ctrlKey || e.metaKey || e.altKey || e.shiftKey || e.defaultPrevented) return;
    if (e.target.closest('input, textarea, select, dialog, .diagram, pre')) return;
    document.querySelector(keys[e.key])?.click();
  });
  document.querySelector('[data-keys]').hidden = !keysWanted();
}

// ask asks once an interval. That is no sign of its own person.
function ask(form) {
  let timer;
  async function once() {
    let fresh;
    try {
      const answer = await fetch(form.action, { method: 'POST', headers: { Accept: 'text/html', 'X-Portal-Pull': '1' }, cache: 'no-store' });
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      fresh = answer.ok && page.querySelector('form[data-poll]');
      if (!fresh) return location.reload(); // it is over, one way or the other
    } catch {
      return wait(); // the network is away
    }
    const hint = fresh.parentElement.querySelector('.hint');
    localize(hint);
    form.parentElement.querySelector('.hint').replaceWith(hint);
    tick();
    form.dataset.poll = fresh.dataset.poll;
    wait();
  }
  function wait() { timer = setTimeout(once, Math.max(1, form.dataset.poll) * 1000); }
  wait();
  addEventListener('pagehide', () => clearTimeout(timer));
  // Out of the back cache comes a page that shows what was true when it left.
  addEventListener('pageshow', (e) => { if (e.persisted) location.reload(); });
}
