// A script waits for its person at another device: the page asks for it, once an
// interval, as long as it is open.

export function start() {
  const form = document.querySelector('form[data-poll]');
  const timer = setTimeout(() => form.requestSubmit(), Math.max(1, form.dataset.poll) * 1000);
  addEventListener('pagehide', () => clearTimeout(timer));
  // Out of the back cache comes a page that shows what was true when it left.
  addEventListener('pageshow', (e) => { if (e.persisted) location.reload(); });
}
