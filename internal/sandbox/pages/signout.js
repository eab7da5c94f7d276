// Goes on when every application has been told, or after two seconds.
const go = () => location.replace(document.getElementById("continue").href);
const frames = [...document.querySelectorAll("iframe")];
if (document.readyState === "complete") {
  go();
} else {
  // The page's own load event waits for its frames.
  addEventListener("load", go, { once: true });
  setTimeout(go, frames.length ? 2000 : 0);
}
