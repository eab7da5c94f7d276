package templates

import (
	"context"
	"io"
	"time"

	"github.com/a-h/templ"
)

// ClaimRows are the rows of a table of claims, rendered. They are the larger part
// of the account page and stay the same as long as the token does, so they can
// be kept.
type ClaimRows string

// RenderClaims renders the rows.
func RenderClaims(claims []Claim) ClaimRows {
	size := 0
	for i := range claims {
		size += 384 + len(claims[i].Name) + len(claims[i].Value) + len(claims[i].Meaning)
	}
	b := make([]byte, 0, size)
	for i := range claims {
		c := &claims[i]
		b = append(b, `<tr role="row"><th role="rowheader" scope="row"><code>`...)
		b = appendText(b, c.Name)
		b = append(b, `</code></th><td role="cell" data-label="Value"><code class="wrap">`...)
		b = appendText(b, c.Value)
		b = append(b, `</code>`...)
		if !c.Time.IsZero() {
			b = appendTimestamp(append(b, `<br>`...), c.Time)
		}
		b = append(b, `</td><td role="cell" data-label="Meaning" class="muted">`...)
		b = appendText(b, c.Meaning)
		b = append(b, `</td></tr>`...)
	}
	return ClaimRows(b)
}

// Render writes the rows.
func (rows ClaimRows) Render(_ context.Context, w io.Writer) error {
	_, err := io.WriteString(w, string(rows))
	return err
}

// fact is a line of a list of facts; an empty value is left out.
func fact(label, value string) templ.Component {
	if value == "" {
		return markup("")
	}
	b := appendLabel(make([]byte, 0, 128), label)
	b = appendText(b, value)
	return fragment(append(b, `</dd>`...))
}

// factID is a fact that is an identifier.
func factID(label, id string) templ.Component {
	if id == "" {
		return markup("")
	}
	b := appendLabel(make([]byte, 0, 640), label)
	b = appendIdentifier(b, id)
	return fragment(append(b, `</dd>`...))
}

// factTime is a fact that is a time.
func factTime(label string, t time.Time) templ.Component {
	b := appendLabel(make([]byte, 0, 160), label)
	if t.IsZero() {
		b = append(b, blank...)
	} else {
		b = appendTimestamp(b, t)
	}
	return fragment(append(b, `</dd>`...))
}

// factList is a fact with any number of values.
func factList(label string, values []string) templ.Component {
	b := appendLabel(make([]byte, 0, 256), label)
	if len(values) == 0 {
		b = append(b, `<span class="muted">none</span>`...)
	}
	for _, value := range values {
		b = append(b, `<span class="pill">`...)
		b = appendText(b, value)
		b = append(b, `</span>`...)
	}
	return fragment(append(b, `</dd>`...))
}

func appendLabel(b []byte, label string) []byte {
	b = append(b, `<dt>`...)
	b = appendText(b, label)
	return append(b, `</dt><dd>`...)
}
