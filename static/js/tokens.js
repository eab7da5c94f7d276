// The token: copied without being shown, shown for a minute.

import { announce, copy } from './page.js';

const shownFor = 60000;
const mask = '•'.repeat(32);
let timer;

// ask posts a form and returns the token. It travels in a body only.
async function ask(form) {
  const answer = await fetch(form.action, {
    method: 'POST', body: new URLSearchParams(new FormData(form)), headers: { Accept: 'application/json' }, redirect: 'manual',
  });
  if (answer.status === 401) document.dispatchEvent(new Event('session-check'));
  if (!answer.ok) throw new Error(`answer ${answer.status}`);
  const token = (await answer.json()).access_token;
  if (!token) throw new Error('no token');
  return token;
}

const text = () => document.getElementById('token-text');
const button = () => document.querySelector('[data-reveal] button');

function show(token) {
  text().textContent = token;
  shown();
  announce('The token is shown. It hides again in 60 seconds.');
}

function shown() {
  button().textContent = 'Hide';
  text().dataset.revealed = '';
  document.querySelector('[data-hide]')?.remove();
  clearTimeout(timer);
  timer = setTimeout(() => {
    hide();
    announce('The token is hidden.');
  }, shownFor);
}

function hide() {
  clearTimeout(timer);
  if (text()?.dataset.revealed === undefined) return;
  text().textContent = mask;
  delete text().dataset.revealed;
  button().textContent = 'Reveal';
}

// start takes over the forms of the token; without it they work as forms.
export function start() {
  if (!text()) return;
  if (text().dataset.revealed !== undefined) {
    shown();
    // Reloading the answer to a form would ask for the token once more.
    history.replaceState(null, '', '/tokens');
  }
  addEventListener('pagehide', hide);
  document.addEventListener('submit', async (e) => {
    const form = e.target;
    if (form.dataset.copyToken !== undefined) {
      e.preventDefault();
      copy(ask(form), form.querySelector('button'));
    }
    if (form.dataset.reveal !== undefined) {
      e.preventDefault();
      if (text().dataset.revealed !== undefined) {
        hide();
        announce('The token is hidden.');
        return;
      }
      try {
        show(await ask(form));
      } catch {
        form.submit(); // the server's page says why
      }
    }
  });
}
