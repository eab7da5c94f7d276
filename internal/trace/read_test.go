package trace

import (
	"slices"
	"strings"
	"testing"
)

func TestAddress(t *testing.T) {
	for name, c := range map[string]struct {
		url, address string
		fields       []Field
	}{
		"nothing to read":   {"https://a.example/b", "https://a.example/b", nil},
		"an empty query":    {"https://a.example/b?", "https://a.example/b?", nil},
		"a place on a page": {"https://a.example/b#top", "https://a.example/b#top", nil},
		"a query":           {"https://a.example/b?scope=a+b%2Fc&state=‹state ab12·k2›&flag", "https://a.example/b", []Field{{"scope", "a b/c"}, {"state", "‹state ab12·k2›"}, {"flag", ""}}},
		"a fragment":        {"https://a.example/#access_token=‹access token ab12·k2›&expires_in=10", "https://a.example/#", []Field{{"access_token", "‹access token ab12·k2›"}, {"expires_in", "10"}}},
		"both":              {"https://a.example/?a=1#b=2", "https://a.example/#", []Field{{"a", "1"}, {"b", "2"}}},
		"a broken escape":   {"https://a.example/?a=%zz", "https://a.example/", []Field{{"a", "%zz"}}},
	} {
		address, fields := Request{URL: c.url}.Address()
		if address != c.address || !slices.Equal(fields, c.fields) {
			t.Errorf("%s: %q %v", name, address, fields)
		}
	}
	many, fields := Request{URL: "https://a.example/?" + strings.Repeat("a=b&", 5000)}.Address()
	if len(fields) != maxRead || many != "https://a.example/" || !strings.HasPrefix(fields[maxRead-1].Value, "b&a=b") {
		t.Errorf("%d fields of 5,000", len(fields))
	}
}

func TestBodyForPeople(t *testing.T) {
	form := Body{Type: "application/x-www-form-urlencoded", Text: "grant_type=password&scope=a+b"}
	if got := form.Fields(); !slices.Equal(got, []Field{{"grant_type", "password"}, {"scope", "a b"}}) {
		t.Errorf("a form: %v", got)
	}
	if got := (Body{Type: "text/plain", Text: "a=b"}).Fields(); got != nil {
		t.Errorf("a text is taken for a form: %v", got)
	}
	for text, want := range map[Body]string{
		{Type: "application/json", Text: `{"a":"‹code ab12·k2›","b":[]}`}: "{\n  \"a\": \"‹code ab12·k2›\",\n  \"b\": []\n}",
		{Type: "application/problem+json", Text: `{"a":1}`}:               "{\n  \"a\": 1\n}",
		{Type: "application/json", Text: `{"a":"cut o`}:                   `{"a":"cut o`,
		{Type: "text/html", Text: "<p>{}</p>"}:                            "<p>{}</p>",
		{Type: "application/json"}:                                        "",
	} {
		if got := text.Indented(); got != want {
			t.Errorf("%+v is shown as %q", text, got)
		}
	}
	deep := Body{Type: "application/json", Text: strings.Repeat("[", 9000) + strings.Repeat("]", 9000)}
	if got := deep.Indented(); got != deep.Text {
		t.Errorf("%d bytes of a body that is deep", len(got))
	}
}
