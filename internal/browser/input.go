package browser

import (
	"fmt"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// place finds the point of an element that a person would click: within its
// first line, seen, and with nothing over it. null: not yet.
const place = `((el) => {
  if (!el || document.activeViewTransition) return null;
  el.scrollIntoView({ block: 'center', inline: 'nearest', behavior: 'instant' });
  const box = [...el.getClientRects()].find((r) => r.width > 0 && r.height > 0);
  if (!box || document.readyState === 'loading') return null;
  const x = box.left + box.width / 2, y = box.top + box.height / 2;
  const hit = document.elementFromPoint(x, y);
  return hit && (el === hit || el.contains(hit) || hit.contains(el) && hit.matches('label')) ? [x, y] : null;
})`

// labelled finds what a person would call by a text: a link, a button, a
// summary, or the box beside a label.
const labelled = `((text) => [...document.querySelectorAll('a[href], button, summary, label')].find((el) =>
  el.checkVisibility({ visibilityProperty: true }) && el.innerText.replace(/\s+/g, ' ').trim() === text))`

// Click clicks the first element of a selector, as soon as it can be clicked.
func (tab *Tab) Click(selector string) {
	tab.t.Helper()
	tab.click(selector, `document.querySelector(`+quote(selector)+`)`)
}

// Press clicks what is labelled with exactly this text.
func (tab *Tab) Press(label string) {
	tab.t.Helper()
	tab.click(fmt.Sprintf("%q", label), labelled+`(`+quote(label)+`)`)
}

func (tab *Tab) click(what, element string) {
	tab.t.Helper()
	var at []float64
	tab.until(patience, what+" to click", func() (bool, error) {
		at = nil
		err := tab.evaluate(place+`(`+element+`)`, &at, 0)
		return len(at) == 2, err
	})
	for _, event := range []input.DispatchMouseEventParams{
		{Type: input.DispatchMouseEventTypeMouseMoved},
		{Type: input.DispatchMouseEventTypeMousePressed, Button: input.MouseButtonLeft, Buttons: 1, ClickCount: 1},
		{Type: input.DispatchMouseEventTypeMouseReleased, Button: input.MouseButtonLeft, ClickCount: 1},
	} {
		event.X, event.Y = at[0], at[1]
		call(tab, input.DispatchMouseEvent, event)
	}
}

// Keys of a keyboard that have no letter.
const (
	TabKey = kb.Tab
	Enter  = kb.Enter
	Escape = kb.Escape
	Space  = " "
)

// Type presses keys, one after the other.
func (tab *Tab) Type(keys string) {
	tab.t.Helper()
	tab.do(chromedp.KeyEvent(keys))
}

// ShiftTab goes one step back.
func (tab *Tab) ShiftTab() {
	tab.t.Helper()
	tab.do(chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(kb.ModifierShift)))
}
