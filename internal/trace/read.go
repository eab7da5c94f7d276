package trace

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
)

// maxRead is how many fields of an address or a form are set apart; what is
// beyond them stays together in the last one.
const maxRead = 60

// Address returns the address of a request up to its query or fragment, and
// separately the fields that stand there. Both are redacted, as the address is.
// One that ends in # had fields in the fragment, which the browser alone sees.
func (r Request) Address() (address string, fields []Field) {
	before, fragment, _ := strings.Cut(r.URL, "#")
	address, query, _ := strings.Cut(before, "?")
	fields = readForm(query)
	if strings.Contains(fragment, "=") {
		fields, address = append(fields, readForm(fragment)...), address+"#"
	}
	if len(fields) == 0 {
		return r.URL, nil
	}
	return address, fields
}

// Fields returns the fields of a body that is a form; nil for any other.
func (b Body) Fields() []Field {
	if b.Type != "application/x-www-form-urlencoded" {
		return nil
	}
	return readForm(b.Text)
}

// Indented returns the text of a body as people read it: JSON with one member a
// line, anything else, and JSON that was cut, as it came.
func (b Body) Indented() string {
	if b.Type != "application/json" && !strings.HasSuffix(b.Type, "+json") {
		return b.Text
	}
	var out bytes.Buffer
	if err := json.Indent(&out, []byte(b.Text), "", "  "); err != nil || out.Len() > 2*MaxBody {
		return b.Text
	}
	return out.String()
}

// readForm takes a form apart. What is not escaped as it should be stays as it is.
func readForm(text string) []Field {
	if text == "" {
		return nil
	}
	var fields []Field
	for _, pair := range strings.SplitN(text, "&", maxRead) {
		name, value, _ := strings.Cut(pair, "=")
		fields = append(fields, Field{Name: plainText(name), Value: plainText(value)})
	}
	return fields
}

func plainText(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}
