package templates

import (
	"context"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/a-h/templ"
)

// The parts here stand in every row of long tables, so they write themselves
// instead of going through generated code: no closure, one write each.

// markup is trusted HTML of this package. It never holds text from outside.
type markup string

// Render writes the markup.
func (m markup) Render(_ context.Context, w io.Writer) error {
	_, err := io.WriteString(w, string(m))
	return err
}

// fragment is HTML built by append, with outside text escaped by its builder.
type fragment []byte

// Render writes the fragment.
func (f fragment) Render(_ context.Context, w io.Writer) error {
	_, err := w.Write(f)
	return err
}

// appendBreakable writes an identifier that may break after an underscore.
func appendBreakable(b []byte, s string) []byte {
	for part := range strings.SplitAfterSeq(s, "_") {
		b = append(appendText(b, part), "<wbr>"...)
	}
	return b
}

// breakable shows text that may be one long identifier.
func breakable(s string) templ.Component { return fragment(appendBreakable(nil, s)) }

// escapes are the characters that html.EscapeString escapes, with what it
// writes; empty for all others.
var escapes = [256]string{'&': "&amp;", '<': "&lt;", '>': "&gt;", '"': "&#34;", '\'': "&#39;"}

// appendText writes outside text, escaped for content and for attributes in
// double quotes.
func appendText(b []byte, s string) []byte {
	start := 0
	for i := range len(s) {
		if escaped := escapes[s[i]]; escaped != "" {
			b = append(append(b, s[start:i]...), escaped...)
			start = i + 1
		}
	}
	return append(b, s[start:]...)
}

const (
	exactLayout = "2 Jan 2006, 15:04 MST"
	// blank stands where there is no value; screen readers get the word.
	blank markup = `<span class="muted" aria-hidden="true">–</span><span class="sr">none</span>`
)

// timestamp shows a time in UTC; the script changes it to local time.
func timestamp(t time.Time) templ.Component {
	if t.IsZero() {
		return blank
	}
	return fragment(appendTimestamp(make([]byte, 0, 96), t))
}

func appendTimestamp(b []byte, t time.Time) []byte {
	t = t.UTC()
	b = append(b, `<time data-local datetime="`...)
	b = t.AppendFormat(b, time.RFC3339)
	b = append(b, `">`...)
	b = t.AppendFormat(b, exactLayout)
	return append(b, `</time>`...)
}

// ago shows how long ago t was, the exact time on hover and for screen readers.
func ago(now, t time.Time) templ.Component {
	if t.IsZero() {
		return markup(`<span class="muted">never</span>`)
	}
	t = t.UTC()
	b := append(make([]byte, 0, 224), `<time data-age datetime="`...)
	b = t.AppendFormat(b, time.RFC3339)
	b = append(b, `" title="`...)
	b = t.AppendFormat(b, exactLayout)
	b = append(b, `">`...)
	b = appendAge(b, now.Sub(t))
	b = append(b, `</time><span class="sr">, `...)
	b = t.AppendFormat(b, exactLayout)
	return fragment(append(b, `</span>`...))
}

// appendAge writes "3 minutes ago", or "in 3 minutes" for what is to come.
func appendAge(b []byte, d time.Duration) []byte {
	future := d < 0
	d = max(d, -d)
	n, unit := 0, ""
	switch {
	case d < time.Minute:
		if future {
			return append(b, "in a moment"...)
		}
		return append(b, "just now"...)
	case d < time.Hour:
		n, unit = int(d/time.Minute), "minute"
	case d < 24*time.Hour:
		n, unit = int(d/time.Hour), "hour"
	default:
		n, unit = int(d/(24*time.Hour)), "day"
	}
	if future {
		b = append(b, "in "...)
	}
	b = strconv.AppendInt(b, int64(n), 10)
	b = append(b, ' ')
	b = append(b, unit...)
	if n != 1 {
		b = append(b, 's')
	}
	if !future {
		b = append(b, " ago"...)
	}
	return b
}

// countdown shows the time left until t; the script keeps it running and warns
// five minutes before.
func countdown(now, t time.Time) templ.Component {
	b := append(make([]byte, 0, 128), `<span class="count" data-countdown="`...)
	b = t.UTC().AppendFormat(b, time.RFC3339)
	b = append(b, `">`...)
	if !t.After(now) {
		b = append(b, "Expired"...)
	} else {
		b = append(append(b, "Expires in "...), took(t.Sub(now))...)
	}
	return fragment(append(b, `</span>`...))
}

// took tells a length of time in its two largest units: "1 h 5 min".
func took(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	s := int64(d / time.Second)
	switch {
	case s < 60:
		return strconv.FormatInt(s, 10) + " s"
	case s < 600:
		return strconv.FormatInt(s/60, 10) + " min " + strconv.FormatInt(s%60, 10) + " s"
	case s < 3600:
		return strconv.FormatInt(s/60, 10) + " min"
	case s < 86400:
		return strconv.FormatInt(s/3600, 10) + " h " + strconv.FormatInt(s/60%60, 10) + " min"
	}
	return strconv.FormatInt(s/86400, 10) + " d " + strconv.FormatInt(s/3600%24, 10) + " h"
}

const copyIcon = `<svg class="i" viewBox="0 0 16 16" aria-hidden="true"><rect x="5.5" y="5.5" width="8" height="8" rx="1.5"/><path d="M10.5 5.5V4A1.5 1.5 0 0 0 9 2.5H4A1.5 1.5 0 0 0 2.5 4v5A1.5 1.5 0 0 0 4 10.5h1.5"/></svg>`

// identifier shows an id in monospace with a button that copies it. A long one
// is shortened in the middle for the eye only: selecting it, or hearing it,
// gives the whole.
func identifier(id string) templ.Component {
	if id == "" {
		return blank
	}
	return fragment(appendIdentifier(make([]byte, 0, 512), id))
}

func appendIdentifier(b []byte, id string) []byte {
	b = append(b, `<span class="id"><code>`...)
	if len(id) > 18 {
		head, tail := 8, len(id)-4
		for !utf8.RuneStart(id[head]) {
			head++
		}
		for tail < len(id) && !utf8.RuneStart(id[tail]) {
			tail++
		}
		b = appendText(b, id[:head])
		b = append(b, `<span class="mid">`...)
		b = appendText(b, id[head:tail])
		b = append(b, `</span>`...)
		b = appendText(b, id[tail:])
	} else {
		b = appendText(b, id)
	}
	b = append(b, `</code>`...)
	b = appendCopy(b, id, "Copy id")
	return append(b, `</span>`...)
}

// copyButton copies text; label says what, for those who do not see the icon.
func copyButton(text, label string) templ.Component {
	return fragment(appendCopy(make([]byte, 0, 384+len(text)), text, label))
}

func appendCopy(b []byte, text, label string) []byte {
	b = append(b, `<button type="button" class="copy js" data-copy="`...)
	b = appendText(b, text)
	b = append(b, `" aria-label="`...)
	b = appendText(b, label)
	b = append(b, ' ')
	if len(text) <= 64 {
		b = appendText(b, text)
	}
	b = append(b, `">`...)
	b = append(b, copyIcon...)
	return append(b, `</button>`...)
}

// percentText writes "93.3 %".
func percentText(c Compliance) string {
	if !c.Known {
		return "–"
	}
	return strconv.FormatFloat(clampPercent(c.Percent), 'f', 1, 64) + " %"
}

func clampPercent(p float64) float64 {
	if !(p > 0) { // NaN too
		return 0
	}
	return min(p, 100)
}

// complianceBar shows a percentage as a bar with the number beside it. The
// number carries the meaning: the bar is hidden from screen readers.
func complianceBar(c Compliance) templ.Component {
	if !c.Known {
		return blank
	}
	width := strconv.FormatFloat(clampPercent(c.Percent), 'f', 1, 64)
	b := append(make([]byte, 0, 256), `<span class="bar"><svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect class="bar-no" width="100" height="6"/><rect class="bar-ok" width="`...)
	b = append(b, width...)
	b = append(b, `" height="6"/></svg><span class="num">`...)
	b = append(b, width...)
	return fragment(append(b, ` %</span></span>`...))
}

// number shows a count: 5,000.
func number(n int) string {
	s := strconv.Itoa(n)
	if n > -1000 && n < 1000 {
		return s
	}
	var b strings.Builder
	for i, c := range s {
		if rest := len(s) - i; i > 0 && rest%3 == 0 && s[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// plural returns "1 control" or "2 controls".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return number(n) + " " + noun + "s"
}

// failedCount is the number of failed controls, in the colour of failure when
// there are any.
func failedCount(s *Subscription) templ.Component {
	if !s.Compliance.Known || s.Failed < 0 {
		return blank
	}
	n := number(s.Failed)
	if s.Failed == 0 {
		return markup(n)
	}
	return markup(`<strong class="s-failed">` + n + `</strong>`)
}

// lastScan is when a subscription was scanned last; what AzTS wrote instead of a
// time is not "never".
func lastScan(now time.Time, s *Subscription) templ.Component {
	if s.LastScan.IsZero() && s.LastScanText != "" {
		return fragment(append(appendText([]byte(`<span class="muted wrap">`), s.LastScanText), `</span>`...))
	}
	return ago(now, s.LastScan)
}

// count is n, or a blank for a subscription that AzTS has no figures of.
func count(s *Subscription, n int) templ.Component {
	if !s.Compliance.Known || n < 0 {
		return blank
	}
	return markup(number(n))
}

func accessLevel(level string) templ.Component {
	if level == "" {
		return markup(`<span class="muted">not known to AzTS</span>`)
	}
	return fragment(appendText(nil, level))
}

// scansToday tells how much of AzTS's daily quota is used.
func scansToday(s *Subscription) templ.Component {
	if s.ScansLimit <= 0 {
		return blank
	}
	text := number(s.ScansToday) + " of " + number(s.ScansLimit)
	if !s.UsedUpUntil.IsZero() {
		b := append(make([]byte, 0, 192), `<span class="s-failed">`...)
		b = append(append(b, text...), `, used up until `...)
		return fragment(append(appendTimestamp(b, s.UsedUpUntil), `</span>`...))
	}
	return markup(text)
}
