// The token inspector: what is pasted is decoded here and sent nowhere. Only
// public keys are asked for, when the person wants the signature checked.

import { announce } from './page.js';
import { localize, now, tick } from './times.js';
import { compare, inspect, verify } from './jwt.js';

let data;
let parts;

const icon = (tone) => parts.querySelectorAll('.i')[['info', 'success', 'warning', 'error'].indexOf(tone)].cloneNode(true);

// el makes an element. Text comes in as text only, never as markup.
function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const word = (code) => data.words[code];
const fill = (text, about) => text.replaceAll('{about}', () => about);

function panel(code, about, kind, ...more) {
  const { tone, title, text } = word(code);
  return el('div', { class: `panel answer tone-${tone}`, 'data-inspect': kind }, icon(tone),
    el('div', { class: 'panel-body' }, el('h3', {}, title), el('p', {}, fill(text, about)), ...more));
}

// relative is the words of the server's appendAge.
function relative(at) {
  const past = now() / 1000 - at;
  const length = Math.abs(past);
  if (length < 60) return past < 0 ? 'in a moment' : 'just now';
  const [n, unit] = length < 3600 ? [length / 60, 'minute'] : length < 86400 ? [length / 3600, 'hour'] : [length / 86400, 'day'];
  const words = `${Math.floor(n)} ${unit}${Math.floor(n) === 1 ? '' : 's'}`;
  return past < 0 ? `in ${words}` : `${words} ago`;
}

const utc = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', timeZone: 'UTC', timeZoneName: 'short' });

function time(at) {
  const date = new Date(at * 1000);
  if (Number.isNaN(date.getTime())) return '';
  return el('span', {}, el('time', { 'data-local': '', datetime: date.toISOString() }, utc.format(date)), ' ', el('span', { class: 'muted' }, `(${relative(at)})`));
}

function table(columns, caption, kind, rows) {
  const heads = columns.map((name) => el('th', { role: 'columnheader', scope: 'col' }, name));
  const body = rows.map(([first, ...cells]) => el('tr', { role: 'row' }, el('th', { role: 'rowheader', scope: 'row' }, el('code', {}, first)),
    ...cells.map((cell, i) => el('td', { role: 'cell', 'data-label': columns[i + 1], ...(cell.muted ? { class: 'muted' } : {}) }, ...cell.content))));
  return el('div', { class: 'tbl' }, el('table', { role: 'table', class: `stack ${kind}` }, el('caption', { class: 'sr' }, caption),
    el('thead', {}, el('tr', { role: 'row' }, ...heads)), el('tbody', {}, ...body)));
}

const value = (text) => el('code', { class: 'wrap' }, text);

function claims(rows, caption) {
  return table(['Name', 'Value', 'Meaning'], caption, 'claims', rows.map((row) => [row.name,
    { content: [value(row.value), ...(row.time ? [el('br'), time(row.time)] : [])] },
    { content: [row.meaning || 'Not one of the usual names.'], muted: true }]));
}

function code(text, label) {
  const block = parts.querySelector('.code').cloneNode(true);
  block.querySelector('pre code').textContent = text;
  const button = block.querySelector('[data-copy]');
  button.dataset.copy = text;
  button.setAttribute('aria-label', label);
  return block;
}

function section(token, name, i) {
  const head = el('div', { class: 'card-head' }, el('h2', { id: `inspected-${i}` }, name));
  if (token.expires) {
    head.append(el('p', { class: 'expiry' }, el('span', { class: 'count', 'data-countdown': new Date(token.expires * 1000).toISOString() })));
  }
  const out = el('section', { class: 'card inspected', 'aria-labelledby': `inspected-${i}` }, head);
  if (token.problem) out.append(panel(token.problem, token.about, 'problem'));
  else out.append(signature(token));
  for (const note of token.notes) out.append(panel(note.code, note.about, 'note'));
  if (token.claims.length > 0) out.append(el('h3', { class: 'part' }, 'Claims'), claims(token.claims, `Claims of the ${name}`));
  if (token.header.length > 0) out.append(el('h3', { class: 'part' }, 'Header'), claims(token.header, `Header of the ${name}`));
  if (token.headerText) {
    const body = el('div', { class: 'more-body' }, el('h4', {}, 'Header'), code(token.headerText, 'Copy header'));
    if (token.payloadText) body.append(el('h4', {}, 'Content'), code(token.payloadText, 'Copy content'));
    out.append(el('details', { class: 'more' }, el('summary', {}, 'As it stands in the token'), body));
  }
  return out;
}

// signature says what alg alone tells, or offers to check.
function signature(token) {
  if (token.unverifiable) return panel(token.unverifiable, token.alg, 'signature');
  const button = el('button', { type: 'button', class: 'btn' }, 'Check the signature');
  const shown = panel('sig_unchecked', '', 'signature', el('div', { class: 'acts' }, button));
  button.addEventListener('click', async () => {
    button.disabled = true;
    const [verdict, about] = await check(token);
    const next = panel(verdict, about, 'signature');
    next.tabIndex = -1;
    shown.replaceWith(next);
    next.focus();
    announce(`${word(verdict).title}.`);
  });
  return shown;
}

// check asks the portal for the issuer's public keys; the token stays here.
async function check(token) {
  const query = new URLSearchParams({ issuer: token.issuer, tenant: token.tenant, kid: token.kid });
  try {
    const answer = await fetch(`${form().dataset.keys}?${query}`, { headers: { Accept: 'application/json' } });
    if (answer.status === 401) document.dispatchEvent(new Event('session-check'));
    if (!answer.ok) return ['sig_failed', ''];
    const { code: failed, keys } = await answer.json();
    if (failed) return [failed, token.issuer];
    return [await verify(token, keys) ? 'sig_good' : 'sig_wrong', token.issuer];
  } catch {
    return ['sig_failed', ''];
  }
}

const signs = { same: '=', changed: '≠', 'only in the first': '−', 'only in the second': '+' };

function comparison(first, second) {
  const rows = compare(first, second, data);
  const differ = rows.filter((row) => row.difference !== 'same').length;
  const words = differ === 0 ? 'All claims are the same.' : `${differ} of ${rows.length} claim${rows.length === 1 ? '' : 's'} differ.`;
  return el('section', { class: 'card', 'aria-labelledby': 'comparison-title' },
    el('div', { class: 'card-head' }, el('h2', { id: 'comparison-title' }, 'Side by side'), el('p', { class: 'muted' }, words)),
    table(['Name', 'Difference', 'First', 'Second'], 'Claims of both tokens', 'compared', rows.map((row) => [row.name,
      { content: [el('span', { class: row.difference === 'same' ? 'diff diff-same' : 'diff' }, el('span', { 'aria-hidden': 'true' }, signs[row.difference]), ` ${row.difference}`)] },
      { content: [value(row.first)] }, { content: [value(row.second)] }])));
}

const form = () => document.getElementById('inspect');

// decode shows what is in the fields.
function decode() {
  const out = document.getElementById('inspected');
  const [pasted, other] = ['token', 'second'].map((name) => form().elements.namedItem(name).value);
  const first = inspect(pasted, data);
  if (other.trim() === '') {
    out.replaceChildren(section(first, 'Token', 0));
  } else {
    const second = inspect(other, data);
    out.replaceChildren(section(first, 'First token', 0), section(second, 'Second token', 1));
    if (first.claims.length > 0 && second.claims.length > 0) out.prepend(comparison(first, second));
  }
  localize(out);
  tick();
  return first;
}

// start takes the inspector over; without it the form is sent.
export function start() {
  if (!form()) return;
  data = JSON.parse(document.getElementById('inspect-data').content.textContent);
  parts = document.getElementById('inspect-parts').content;
  const out = document.getElementById('inspected');
  let typing;
  form().addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      if (form().elements.namedItem('token').value.trim() !== '') decode();
      else out.replaceChildren();
    }, 200);
  });
  const button = form().querySelector('[data-decode]');
  button.disabled = false;
  button.addEventListener('click', () => {
    clearTimeout(typing);
    const { problem } = decode();
    out.focus();
    announce(problem ? `${word(problem).title}.` : 'Decoded.');
  });
  form().addEventListener('reset', () => {
    clearTimeout(typing);
    out.replaceChildren();
    announce('Cleared.');
  });
  // A browser keeps what was typed for the way back; a token is not to be kept.
  addEventListener('pagehide', () => {
    form().reset();
    out.replaceChildren();
  });
  // Pasted before this script was there.
  if (out.childElementCount === 0 && form().elements.namedItem('token').value.trim() !== '') decode();
  // Reloading the answer would send the token once more.
  if (out.childElementCount > 0) history.replaceState(null, '', form().action);
}
