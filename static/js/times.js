// Times in the reader's zone, ages that stay true, countdowns.

import { announce } from './page.js';

const exact = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', timeZoneName: 'short',
});
const ofDay = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit', timeZoneName: 'short' });
const warnAt = 300; // seconds

// The server's clock counts: one that is wrong here would show false ages and
// call a good token expired.
const answered = performance.getEntriesByType('navigation')[0]?.responseStart ?? 0;
const ahead = (Date.parse(document.body.dataset.now) || Date.now()) - (performance.timeOrigin + answered);

// now returns the server's time in milliseconds.
export const now = () => Date.now() + ahead;

// localize changes the times below root from UTC to local time, once.
export function localize(root) {
  for (const el of root.querySelectorAll('time[data-local]')) {
    el.title = el.textContent;
    el.textContent = exact.format(new Date(el.dateTime));
    el.removeAttribute('data-local');
  }
  for (const el of root.querySelectorAll('time[data-clock]')) {
    el.textContent = ofDay.format(new Date(el.dateTime));
    el.removeAttribute('data-clock');
  }
  for (const el of root.querySelectorAll('time[data-age]:not([data-utc])')) {
    const local = exact.format(new Date(el.dateTime));
    el.dataset.utc = el.title;
    el.title = `${local} (${el.title})`;
    if (el.nextElementSibling?.className === 'sr') el.nextElementSibling.textContent = `, ${local}`;
  }
}

// age is the words of the server's appendAge.
function age(seconds) {
  const past = Math.max(0, seconds);
  if (past < 60) return 'just now';
  const [n, unit] = past < 3600 ? [past / 60, 'minute'] : past < 86400 ? [past / 3600, 'hour'] : [past / 86400, 'day'];
  const whole = Math.floor(n);
  return `${whole} ${unit}${whole === 1 ? '' : 's'} ago`;
}

// clock writes a length of time: 1 h 05 min, or 54:12.
export function clock(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const two = (n) => String(n).padStart(2, '0');
  return s >= 3600 ? `${Math.floor(s / 3600)} h ${two(Math.floor(s / 60) % 60)} min` : `${Math.floor(s / 60)}:${two(s % 60)}`;
}

// took is the words of the server's took, for lengths under a day.
function took(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
}

function count(el) {
  const left = (Date.parse(el.dataset.countdown) - now()) / 1000;
  const stage = left <= 0 ? 'over' : left <= warnAt ? 'warn' : 'ok';
  el.textContent = left <= 0 ? 'Expired' : `Expires in ${clock(left)}`;
  if (el.dataset.stage === stage) return;
  el.classList.toggle('warn', stage === 'warn');
  el.classList.toggle('over', stage === 'over');
  // Silent at the first look: the page itself says it then.
  if (el.dataset.stage) announce(stage === 'over' ? 'The token expired.' : 'The token expires in 5 minutes.');
  el.dataset.stage = stage;
}

// tick brings countdowns and ages up to date.
export function tick() {
  for (const el of document.querySelectorAll('[data-countdown]')) count(el);
  for (const el of document.querySelectorAll('[data-since]')) el.textContent = took((now() - Date.parse(el.dataset.since)) / 1000);
  for (const el of document.querySelectorAll('time[data-age]')) {
    const words = age((now() - Date.parse(el.dateTime)) / 1000);
    if (el.textContent !== words) el.textContent = words;
  }
}

// start localizes the page and keeps it true each second.
export function start() {
  localize(document);
  tick();
  setInterval(() => { if (!document.hidden) tick(); }, 1000);
  document.addEventListener('visibilitychange', () => { if (!document.hidden) tick(); });
}
