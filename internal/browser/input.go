package browser

import (
	"fmt"

	"github.com/chromedp/cdproto/input"
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
	TabKey     = kb.Tab
	Enter      = kb.Enter
	ArrowLeft  = kb.ArrowLeft
	ArrowRight = kb.ArrowRight
	Escape     = kb.Escape
	Space      = " "
)

// Type presses keys, one after the other.
func (tab *Tab) Type(keys string) {
	tab.t.Helper()
	for _, key := range keys {
		tab.press(key, 0)
	}
}

// ShiftTab goes one step back.
func (tab *Tab) ShiftTab() {
	tab.t.Helper()
	tab.press([]rune(kb.Tab)[0], kb.ModifierShift)
}

// press sends the text with the key, not after it as chromedp does: a page that
// takes the key for itself must keep it from being typed.
func (tab *Tab) press(r rune, modifiers kb.Modifier) {
	tab.t.Helper()
	key, ok := kb.Keys[r]
	if !ok {
		tab.t.Fatalf("no key for %q", r)
	}
	if key.Shift {
		modifiers |= kb.ModifierShift
	}
	event := input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Modifiers: int64(modifiers), Key: key.Key, Code: key.Code,
		Text: key.Text, UnmodifiedText: key.Unmodified, WindowsVirtualKeyCode: key.Windows, NativeVirtualKeyCode: key.Native}
	if !key.Print || key.Text == "" {
		event.Type, event.Text, event.UnmodifiedText = input.DispatchKeyEventTypeRawKeyDown, "", ""
	}
	call(tab, input.DispatchKeyEvent, event)
	event.Type, event.Text, event.UnmodifiedText = input.DispatchKeyEventTypeKeyUp, "", ""
	call(tab, input.DispatchKeyEvent, event)
}
