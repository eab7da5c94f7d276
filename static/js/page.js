// What every other module needs: saying something aloud, and copying.

let speaking;

// announce tells screen readers. The region is emptied first, so that the
// same sentence is heard a second time.
export function announce(text) {
  const region = document.getElementById('live');
  region.textContent = '';
  clearTimeout(speaking);
  speaking = setTimeout(() => { region.textContent = text; }, 60);
}

// copy puts text, or what a promise of text brings, on the clipboard and says
// so on the button and aloud.
export async function copy(text, button) {
  try {
    await write(Promise.resolve(text));
  } catch {
    flash(button, 'Not copied');
    announce('Could not copy.');
    return;
  }
  flash(button, 'Copied');
  announce('Copied.');
}

async function write(text) {
  // Safari allows a copy only within the click itself: it takes the promise.
  if (navigator.clipboard.write && globalThis.ClipboardItem) {
    const blob = text.then((s) => new Blob([s], { type: 'text/plain' }));
    blob.catch(() => {}); // reported below
    try {
      const done = navigator.clipboard.write([new ClipboardItem({ 'text/plain': blob })]);
      done.catch(() => {});
      await text;
      return await done;
    } catch { /* an older browser: the plain way follows */ }
  }
  await navigator.clipboard.writeText(await text);
}

// flash shows word on a button for two seconds without moving its neighbours.
function flash(button, word) {
  if (button.dataset.flashing !== undefined) return;
  button.dataset.flashing = '';
  const icon = button.classList.contains('copy');
  const label = button.textContent;
  button.classList.toggle('done', word === 'Copied');
  if (!icon) {
    button.style.minWidth = `${button.offsetWidth}px`;
    button.textContent = word;
  }
  setTimeout(() => {
    button.classList.remove('done');
    if (!icon) {
      button.textContent = label;
      button.style.minWidth = '';
    }
    delete button.dataset.flashing;
  }, 2000);
}
