// A script waits for its person at another device: the page asks for it, once an
// interval, as long as it is open. That is no sign of its own person.

export function start() {
  const form = document.querySelector('form[data-poll]');
  let timer;
  async function ask() {
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
    form.parentElement.querySelector('.hint').replaceWith(hint);
    form.dataset.poll = fresh.dataset.poll;
    wait();
  }
  function wait() { timer = setTimeout(ask, Math.max(1, form.dataset.poll) * 1000); }
  wait();
  addEventListener('pagehide', () => clearTimeout(timer));
  // Out of the back cache comes a page that shows what was true when it left.
  addEventListener('pageshow', (e) => { if (e.persisted) location.reload(); });
}
