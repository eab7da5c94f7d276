package templates

import (
	"strings"

	"github.com/a-h/templ"
)

// Icons are lines on a grid of 16, in the colour of their text. They are for
// the eye only: the word beside an icon carries the meaning.
const (
	iconOpen  = `<svg class="i" viewBox="0 0 16 16" aria-hidden="true">`
	iconClose = `</svg>`

	iconCheck   markup = iconOpen + `<circle cx="8" cy="8" r="6.25"/><path d="m5.2 8.2 2 2 3.7-4.2"/>` + iconClose
	iconCross   markup = iconOpen + `<circle cx="8" cy="8" r="6.25"/><path d="m5.7 5.7 4.6 4.6m0-4.6-4.6 4.6"/>` + iconClose
	iconEye     markup = iconOpen + `<path d="M1.5 8S3.9 3.5 8 3.5 14.5 8 14.5 8 12.1 12.5 8 12.5 1.5 8 1.5 8Z"/><circle cx="8" cy="8" r="2"/>` + iconClose
	iconMinus   markup = iconOpen + `<circle cx="8" cy="8" r="6.25"/><path d="M5 8h6"/>` + iconClose
	iconOutside markup = iconOpen + `<path d="M6.5 3H3v10h10V9.5M9.5 2.5h4v4m0-4L7.5 8.5"/>` + iconClose
	iconShield  markup = iconOpen + `<path d="M8 1.7 13 3.5v4.2c0 3.1-2 5.3-5 6.6-3-1.3-5-3.5-5-6.6V3.5z"/>` + iconClose
	iconWarning markup = iconOpen + `<path d="M8 2.2 14.3 13.5H1.7zM8 6.5v3.2m0 1.9v.1"/>` + iconClose
	iconDashed  markup = iconOpen + `<circle cx="8" cy="8" r="6.25" stroke-dasharray="2.5 2.4"/>` + iconClose
	iconAsk     markup = iconOpen + `<circle cx="8" cy="8" r="6.25"/><path d="M6.2 6.3a1.8 1.8 0 1 1 2.6 1.6c-.5.3-.8.6-.8 1.3m0 1.9v.1"/>` + iconClose
	iconInfo    markup = iconOpen + `<circle cx="8" cy="8" r="6.25"/><path d="M8 7.3v3.5m0-5.9v.1"/>` + iconClose
	iconClock   markup = iconOpen + `<circle cx="8" cy="8" r="6.25"/><path d="M8 4.5V8l2.3 1.5"/>` + iconClose
	iconTurning markup = `<svg class="i turning" viewBox="0 0 16 16" aria-hidden="true"><path d="M8 1.75A6.25 6.25 0 1 1 1.75 8"/>` + iconClose
	iconRefused markup = iconOpen + `<circle cx="8" cy="8" r="6.25"/><path d="m3.7 3.7 8.6 8.6"/>` + iconClose
	iconPause   markup = iconOpen + `<circle cx="8" cy="8" r="6.25"/><path d="M6.3 5.5v5m3.4-5v5"/>` + iconClose
	iconPerson  markup = iconOpen + `<circle cx="8" cy="5" r="2.75"/><path d="M2.5 14c.4-3 2.6-4.5 5.5-4.5s5.1 1.5 5.5 4.5"/>` + iconClose
	iconSearch  markup = iconOpen + `<circle cx="7" cy="7" r="4.5"/><path d="m10.5 10.5 3.5 3.5"/>` + iconClose

	// productMark is the shield of the top bar.
	productMark markup = `<svg class="mark" viewBox="0 0 32 32" aria-hidden="true"><path class="mark-a" d="M16 1.5 28 6v9.5C28 22.8 23 28.2 16 30.5 9 28.2 4 22.8 4 15.5V6z"/><path class="mark-b" d="M16 1.5v29C9 28.2 4 22.8 4 15.5V6z"/><path class="mark-c" d="m10.5 16 4 4 7.5-8.5"/></svg>`
)

// sign is how a status looks everywhere: a word, an icon and a colour class.
type sign struct {
	word  string
	class string
	icon  markup
}

// controlSigns are the statuses of controls (azts.md, get scan results).
var controlSigns = map[string]sign{
	"Passed":        {"Passed", "s-passed", iconCheck},
	"Failed":        {"Failed", "s-failed", iconCross},
	"Verify":        {"Verify", "s-verify", iconEye},
	"NotApplicable": {"Not applicable", "s-neutral", iconMinus},
	"ExtScanned":    {"Scanned elsewhere", "s-ext", iconOutside},
	"Exempted":      {"Exempted", "s-exempt", iconShield},
	"Error":         {"Error", "s-error", iconWarning},
	"NotScanned":    {"Not scanned", "s-neutral", iconDashed},
}

var scanSigns = map[ScanState]sign{
	ScanQueued:    {"Queued", "s-neutral", iconClock},
	ScanRunning:   {"Running", "s-running", iconTurning},
	ScanCompleted: {"Completed", "s-passed", iconCheck},
	ScanPartial:   {"Completed in part", "s-verify", iconWarning},
	ScanRefused:   {"Refused", "s-error", iconRefused},
	ScanFailed:    {"Failed", "s-failed", iconCross},
	ScanStalled:   {"Stalled", "s-verify", iconPause},
	ScanWaiting:   {"Waiting for you", "s-exempt", iconPerson},
}

func (s sign) component(shown string) templ.Component {
	b := append(make([]byte, 0, 320), `<span class="status `...)
	b = append(b, s.class...)
	b = append(b, `">`...)
	b = append(b, s.icon...)
	b = appendText(b, shown)
	return fragment(append(b, `</span>`...))
}

// signOf returns the sign of a status in whatever letter case it came: results
// are filtered and counted without regard to it.
func signOf(status string) (sign, bool) {
	if s, ok := controlSigns[status]; ok {
		return s, true
	}
	folded := strings.ToLower(status) // no EqualFold: for that "ſ" is an "s"
	for known, s := range controlSigns {
		if strings.ToLower(known) == folded {
			return s, true
		}
	}
	return sign{}, false
}

// controlStatus shows the status of a control; an unknown one as AzTS wrote it, in
// quotes.
func controlStatus(status string) templ.Component {
	s, ok := signOf(status)
	if !ok {
		s = sign{"“" + Plain(status) + "”", "s-unknown", iconAsk}
		if status == "" {
			s.word = "Unknown"
		}
	}
	return s.component(s.word)
}

// scanStatus shows the state of a scan; an unknown one as it came.
func scanStatus(state ScanState) templ.Component {
	s, ok := scanSigns[state]
	if !ok {
		s = sign{string(state), "s-unknown", iconAsk}
	}
	return s.component(s.word)
}

var severityClasses = map[string]string{"Critical": "sev-4", "High": "sev-3", "Medium": "sev-2", "Low": "sev-1"}

// severity shows one to four strokes and the word; an unknown one as it came.
func severity(s string) templ.Component {
	if s == "" {
		return blank
	}
	class, ok := severityClasses[s]
	if !ok {
		return fragment(appendText(nil, s))
	}
	b := append(make([]byte, 0, 256), `<span class="sev `...)
	b = append(b, class...)
	b = append(b, `"><svg viewBox="0 0 16 12" aria-hidden="true"><path d="M1.5 8v3"/><path d="M5.8 6v5"/><path d="M10.1 3.5V11"/><path d="M14.4 1v10"/></svg>`...)
	b = append(b, s...)
	return fragment(append(b, `</span>`...))
}

func toneIcon(t Tone) markup {
	switch t {
	case ToneSuccess:
		return iconCheck
	case ToneInfo:
		return iconInfo
	case ToneWarning:
		return iconWarning
	}
	return iconCross
}

// toneClass returns the class of a panel; the zero value is an error.
func toneClass(t Tone) string {
	switch t {
	case ToneInfo, ToneSuccess, ToneWarning:
		return "tone-" + string(t)
	}
	return "tone-error"
}
