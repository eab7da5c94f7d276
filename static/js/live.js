// What changes by itself: scans, and the end of the session.
//
// A browser allows few connections to one host, so one tab, the holder of the
// lock, opens the stream and tells the others.

import { announce } from './page.js';
import { clock, localize, now, tick } from './times.js';

const body = document.body;
const lock = 'portal-events';
let ends = Date.parse(body.dataset.ends);
let over = false; // the session ended: nothing more is asked
let running = false;
let source, channel, release, waiting, retry, silent, unsee;
let pause = 5000;

// here is the address to come back to: not that of a form's answer.
const here = () => body.dataset.path || location.pathname + location.search;

// start follows the session; it does nothing on a page without one.
export function start() {
  if (body.dataset.signedIn === undefined) return;
  open();
  setInterval(watch, 1000);
  document.addEventListener('visibilitychange', () => {
    see();
    if (!document.hidden) check();
  });
  document.addEventListener('session-check', check);
  document.querySelector('[data-stay]')?.addEventListener('click', stay);
  document.getElementById('account-menu')?.addEventListener('toggle', (e) => { if (e.newState === 'open') warn(); });
  // A held lock or an open stream would keep the page out of the back cache.
  addEventListener('pagehide', close);
  addEventListener('pageshow', (e) => {
    if (!e.persisted || over) return;
    open();
    check();
  });
}

// see holds a lock while this page is in view, so that no other notifies of what
// the person sees.
function see() {
  unsee?.();
  unsee = undefined;
  if (document.hidden || !running) return;
  navigator.locks?.request('portal-seen', { mode: 'shared' }, () => new Promise((done) => {
    if (document.hidden || !running || unsee) return done();
    unsee = done;
  }));
}

function open() {
  if (running) return;
  running = true;
  see();
  if (globalThis.BroadcastChannel) {
    channel = new BroadcastChannel(lock);
    channel.onmessage = (e) => {
      if (e.data.type === 'session-ended') doubt();
      else hear(e.data);
    };
  }
  if (!navigator.locks || !channel) {
    connect();
    return;
  }
  waiting = new AbortController();
  navigator.locks.request(lock, { signal: waiting.signal }, () => new Promise((done) => {
    if (!running) return done();
    release = done;
    connect();
  })).catch(() => {}); // given up while waiting
}

function close() {
  running = false;
  see();
  waiting?.abort();
  release?.();
  release = undefined;
  clearTimeout(retry);
  clearTimeout(silent);
  source?.close();
  channel?.close();
}

function connect() {
  source = new EventSource('/events');
  source.onopen = () => {
    pause = 5000;
    clearTimeout(silent);
    tell({ type: 'open' }); // what changed while nobody listened
  };
  source.addEventListener('scan', (e) => {
    const { id, state } = JSON.parse(e.data);
    tell({ type: 'scan', id, state });
  });
  source.addEventListener('session-ended', () => {
    channel?.postMessage({ type: 'session-ended' });
    doubt();
  });
  source.onerror = () => {
    clearTimeout(silent);
    silent = setTimeout(() => tell({ type: 'lost' }), 3000);
    // The browser tries again by itself unless the server refused.
    if (source.readyState !== EventSource.CLOSED) return;
    check();
    retry = setTimeout(connect, pause);
    pause = Math.min(pause * 2, 60000);
  };
}

function tell(message) {
  channel?.postMessage(message);
  hear(message);
}

// hear takes what the tab that listens has heard. While the line is lost, pages
// show of what time they are.
function hear({ type, id, state }) {
  body.toggleAttribute('data-line-lost', type === 'lost');
  if (type === 'lost') return;
  document.dispatchEvent(new CustomEvent('scan-heard', { detail: { id, state } }));
  refresh(id);
}

// doubt follows the end of a session, which proves nothing: the stream may have
// been of an older one than this page, and a visit to the company sign-in puts a
// new session in its place, whose cookie may still be on its way.
async function doubt() {
  if (await ask() !== 'nobody') return;
  await new Promise((done) => { setTimeout(done, 1000); });
  check();
}

// check asks whether the session is still there.
async function check() {
  if (await ask() === 'nobody') ended();
}

// ask reads who is signed in now: 'nobody' stands for another person as well,
// and no answer proves nothing. A new session of the same person has other times
// and tokens than this page shows, so the page is opened again.
async function ask() {
  if (over) return '';
  let answer, session;
  try {
    answer = await fetch('/session', { headers: { Accept: 'application/json' }, cache: 'no-store', redirect: 'manual' });
    if (answer.ok) session = await answer.json();
  } catch {
    return '';
  }
  if (!session) return '';
  if (!session.signedIn) return 'nobody';
  const mark = body.dataset.mark;
  if (mark && session.mark && session.mark !== mark) {
    if (!person(mark) || person(session.mark) !== person(mark)) return 'nobody';
    // Not reload(), which would send the form again that this page answers.
    if (!over) location.replace(here());
    return '';
  }
  ends = Date.parse(session.endsAt) || ends;
  watch();
  return '';
}

// person is the part of a mark that two sessions of one person share.
const person = (mark) => mark.split('.')[1] ?? '';

let asked = 0;

// watch warns five minutes before the session ends, and looks when it should
// have ended.
function watch() {
  if (over || !ends) return;
  const left = (ends - now()) / 1000;
  const warning = document.getElementById('session-warning');
  const warn = left <= 300;
  if (warn && warning.hidden) announce('Your session ends in less than 5 minutes.');
  warning.hidden = !warn;
  if (warn) warning.querySelector('[data-session-left]').textContent = clock(left);
  if (left <= 0 && Date.now() - asked > 10000) {
    asked = Date.now();
    check();
  }
}

// stay uses the session, which moves its idle limit.
async function stay() {
  await fetch(here(), { redirect: 'manual' }).catch(() => {});
  await check();
  if (!over && ends - now() <= 300000) announce('This session cannot be made longer. Sign in again when it has ended.');
}

// warn says in the menu what will wait when the person signs out. Then they
// have been told, and need not be asked.
async function warn() {
  const note = document.getElementById('leave-note');
  let waiting, repeats;
  try {
    const answer = await fetch('/session?leaving=1', { headers: { Accept: 'application/json' }, cache: 'no-store', redirect: 'manual' });
    ({ waiting, repeats } = await answer.json());
  } catch {
    return; // they are asked instead
  }
  const sentences = [];
  if (waiting) sentences.push(`If you sign out, ${waiting === 1 ? '1 running scan waits' : `${waiting} running scans wait`} until you sign in again.`);
  if (repeats) sentences.push('Your repeated scans go on when you sign out.');
  note.hidden = !sentences.length;
  note.textContent = sentences.join(' ');
  const form = document.querySelector('form[data-leave]');
  form.querySelector('[name=anyway]')?.remove();
  if (!waiting) return;
  const told = document.createElement('input');
  Object.assign(told, { type: 'hidden', name: 'anyway', value: '1' });
  form.append(told);
}

// ended takes everything personal off the screen.
function ended() {
  if (over) return;
  over = true;
  close();
  for (const el of document.querySelectorAll('dialog[open]')) el.close();
  const main = document.getElementById('main');
  main.replaceChildren(document.getElementById('session-ended').content.cloneNode(true));
  main.querySelector('[data-sign-in]').href = `/auth/login?return_to=${encodeURIComponent(here())}`;
  for (const el of document.querySelectorAll('.who, .menu, .nav, .notice, .ref')) el.remove();
  const title = main.querySelector('h1');
  document.title = `${title.textContent} · ${document.title.split(' · ').pop()}`;
  title.focus();
  announce(title.textContent);
}

let fetching = false;
let again = false;

// refresh fetches this page once more if it shows that scan, or, without an
// id, anything that still runs.
function refresh(id) {
  const wanted = [...document.querySelectorAll('[data-live-scan]')].some((el) => (
    id ? [id, '*'].includes(el.dataset.liveScan) : el.dataset.running !== undefined
  ));
  if (!wanted || over) return;
  again = true;
  if (!fetching) pull();
}

// pull fetches the page anew. Its header says that no person asked: an open page
// alone must not keep a session alive.
async function pull() {
  fetching = true;
  while (again && !over) {
    again = false;
    try {
      const answer = await fetch(here(), { headers: { Accept: 'text/html', 'X-Portal-Pull': '1' }, cache: 'no-store', redirect: 'manual' });
      if (answer.ok) swap(new DOMParser().parseFromString(await answer.text(), 'text/html'));
      else await check();
    } catch { /* offline: the next event tries again */ }
    await new Promise((done) => { setTimeout(done, 500); }); // a burst of events is one fetch
  }
  fetching = false;
}

// key finds an element again after its region was replaced.
const key = (el) => el.id || el.getAttribute('href') || el.dataset.copy || (el.name ? `${el.name} ${el.value}` : el.textContent);

// typing reports whether somebody is filling in a field of a region, which must
// not be taken from under their hands.
const typing = (region) => region.contains(document.activeElement) && document.activeElement.matches('input:not([type=checkbox], [type=radio]), textarea, select');

function swap(fresh) {
  if (over) return;
  let said = '';
  for (const old of document.querySelectorAll('[data-live-scan][id]')) {
    const next = fresh.getElementById(old.id);
    if (!next || old.querySelector('form[data-sent]')) continue; // its answer is on the way
    if (typing(old)) {
      document.activeElement.addEventListener('blur', () => refresh(old.dataset.liveScan), { once: true });
      continue;
    }
    const focused = old.contains(document.activeElement) ? key(document.activeElement) : '';
    const opened = [...old.querySelectorAll('details[open] > summary')].map(key);
    const top = scrollY;
    localize(next);
    for (const el of next.querySelectorAll('details > summary')) el.parentElement.open ||= opened.includes(key(el));
    old.replaceWith(next);
    if (focused) [...next.querySelectorAll('a, button, input, summary')].find((el) => key(el) === focused)?.focus({ preventScroll: true });
    scrollTo({ top, behavior: 'instant' });
    if (next.dataset.announce && next.dataset.announce !== old.dataset.announce) said = next.dataset.announce;
  }
  document.title = fresh.title;
  tick();
  document.dispatchEvent(new Event('page-changed'));
  if (said) announce(said);
}
