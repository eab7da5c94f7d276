// A word of the browser's own when a scan ends. Nobody is asked for permission
// who has not pressed the button.

const most = 50; // scans that are remembered
const ends = { completed: 'The scan has ended.', partial: 'The scan has ended.', stalled: 'The scan has stalled.', refused: 'AzTS scanned nothing.', failed: 'The scan failed.', waiting: 'The scan is waiting for you.' };
let remember;

const wanted = () => {
  try {
    const list = JSON.parse(remember('tell') || '[]');
    return Array.isArray(list) ? list : [];
  } catch {
    return [];
  }
};
const want = (list) => remember('tell', list.length ? JSON.stringify(list.slice(-most)) : '');

// start needs a function that remembers a value under a name.
export function start(memory) {
  remember = memory;
  if (!globalThis.Notification) return; // the button stays hidden
  show();
  document.addEventListener('page-changed', show);
  document.addEventListener('click', (e) => {
    const button = e.target.closest?.('[data-tell]');
    if (button) press(button.dataset.tell);
  });
  document.addEventListener('scan-heard', (e) => {
    if (e.detail.id) tell(e.detail);
    else missed();
  });
}

// missed asks how the scans stand whose ends may have been told while nobody listened.
async function missed() {
  for (const id of wanted()) {
    try {
      const answer = await fetch(`/scans/${encodeURIComponent(id)}`, { headers: { Accept: 'text/html', 'X-Portal-Pull': '1' }, cache: 'no-store', redirect: 'manual' });
      if (answer.status === 404) want(wanted().filter((one) => one !== id));
      if (!answer.ok) continue;
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const state = page.getElementById('scan')?.dataset.state;
      if (state !== 'waiting') tell({ id, state }); // that is told when it begins
    } catch { /* offline: it is asked again at the next event */ }
  }
}

async function press(id) {
  const list = wanted();
  if (list.includes(id)) {
    want(list.filter((one) => one !== id));
  } else if (Notification.permission === 'granted' || await Notification.requestPermission() === 'granted') {
    want([...list, id]);
  }
  show();
}

// show gives the button the words for what it does, or why it does nothing.
function show() {
  const button = document.querySelector('[data-tell]');
  if (!button) return;
  const denied = Notification.permission === 'denied';
  const on = !denied && wanted().includes(button.dataset.tell);
  button.hidden = false;
  button.setAttribute('aria-disabled', denied);
  button.setAttribute('aria-pressed', on);
  button.textContent = denied ? 'Your browser does not allow notifications here' : on ? 'You will be told when it ends' : 'Tell me when it ends';
}

// tell notifies once, by the first tab to hear of it, and only who does not see
// the portal anyway.
async function tell({ id, state }) {
  const list = wanted();
  if (!ends[state] || !list.includes(id)) return;
  if (state !== 'waiting') want(list.filter((one) => one !== id));
  show();
  if (!document.hidden) return;
  if (await navigator.locks?.request('portal-seen', { ifAvailable: true }, (lock) => !lock)) return; // another page is in view
  try {
    const note = new Notification(ends[state], { tag: id, body: 'Open it in the portal.' });
    note.onclick = () => {
      window.focus();
      location.assign(`/scans/${encodeURIComponent(id)}`);
      note.close();
    };
  } catch { /* this browser's pages may not, only its workers */ }
}
