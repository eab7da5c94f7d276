// A word of the browser's own when a scan ends. Nobody is asked for permission
// who has not pressed the button.

const most = 50; // scans that are remembered
const ends = { completed: 'The scan has ended.', stalled: 'The scan has stalled.', refused: 'AzTS scanned nothing.', failed: 'The scan failed.', waiting: 'The scan is waiting for you.' };
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
  document.addEventListener('scan-heard', (e) => tell(e.detail));
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
function tell({ id, state }) {
  const list = wanted();
  if (!ends[state] || !list.includes(id)) return;
  if (state !== 'waiting') want(list.filter((one) => one !== id));
  show();
  if (!document.hidden) return;
  try {
    const note = new Notification(ends[state], { tag: id, body: 'Open it in the portal.' });
    note.onclick = () => {
      window.focus();
      location.assign(`/scans/${encodeURIComponent(id)}`);
      note.close();
    };
  } catch { /* this browser's pages may not, only its workers */ }
}
