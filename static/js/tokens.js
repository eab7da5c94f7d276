// The tokens: each copied without being shown, shown for a minute.

import { announce, copy } from './page.js';

const shownFor = 60000;
const mask = '•'.repeat(32);
const timers = new WeakMap();

// ask posts a form and returns the token. It travels in a body only.
async function ask(form, use) {
  const fields = new URLSearchParams(new FormData(form));
  fields.set('use', use);
  const answer = await fetch(form.action, { method: 'POST', body: fields, headers: { Accept: 'application/json' }, redirect: 'manual' });
  if (answer.status === 401) document.dispatchEvent(new Event('session-check'));
  if (!answer.ok) throw new Error(`answer ${answer.status}`);
  const token = (await answer.json()).access_token;
  if (!token) throw new Error('no token');
  return token;
}

const text = (card) => card.querySelector('.token-text');
const open = (card) => text(card).dataset.revealed !== undefined;

function shown(card) {
  card.querySelector('[data-reveal] button').textContent = 'Hide';
  text(card).dataset.revealed = '';
  card.querySelector('[data-hide]')?.remove();
  clearTimeout(timers.get(card));
  timers.set(card, setTimeout(() => {
    hide(card);
    announce('The token is hidden.');
  }, shownFor));
}

function hide(card) {
  clearTimeout(timers.get(card));
  if (!open(card)) return;
  text(card).textContent = mask;
  delete text(card).dataset.revealed;
  card.querySelector('[data-reveal] button').textContent = 'Reveal';
}

// start takes over the forms of the tokens; without it they work as forms.
export function start() {
  const cards = [...document.querySelectorAll('[data-token]')];
  if (!cards.length) return;
  for (const card of cards) {
    if (!open(card)) continue;
    shown(card);
    // Reloading the answer to a form would ask for the token once more.
    history.replaceState(null, '', location.pathname.replace(/\/reveal$/, ''));
  }
  addEventListener('pagehide', () => cards.forEach(hide));
  document.addEventListener('submit', async (e) => {
    const form = e.target;
    const card = form.closest('[data-token]');
    if (!card) return;
    if (form.dataset.copyToken !== undefined) {
      e.preventDefault();
      copy(ask(form, 'copy'), form.querySelector('button'));
    }
    if (form.dataset.reveal !== undefined) {
      e.preventDefault();
      if (open(card)) {
        hide(card);
        announce('The token is hidden.');
        return;
      }
      try {
        text(card).textContent = await ask(form, 'reveal');
        shown(card);
        announce('The token is shown. It hides again in 60 seconds.');
      } catch {
        form.submit(); // the server's page says why
      }
    }
  });
}
