package trace

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The parts of an HTTP Archive 1.2. All that the format demands is written, also
// where it is empty; what it does not know begins with an underscore.
type (
	har struct {
		Log harLog `json:"log"`
	}
	harLog struct {
		Version string     `json:"version"`
		Creator harCreator `json:"creator"`
		Entries []harEntry `json:"entries"`
		Comment string     `json:"comment"`
	}
	harCreator struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	harEntry struct {
		Started  string      `json:"startedDateTime"`
		Time     float64     `json:"time"` // milliseconds
		Request  harRequest  `json:"request"`
		Response harResponse `json:"response"`
		Cache    struct{}    `json:"cache"`
		Timings  harTimings  `json:"timings"`
		Comment  string      `json:"comment,omitempty"`
		From     string      `json:"_from"`
		To       string      `json:"_to"`
		Front    bool        `json:"_frontChannel,omitempty"`
	}
	harRequest struct {
		Method      string     `json:"method"`
		URL         string     `json:"url"`
		HTTPVersion string     `json:"httpVersion"`
		Cookies     []harField `json:"cookies"`
		Headers     []harField `json:"headers"`
		Query       []harField `json:"queryString"`
		Post        *harPost   `json:"postData,omitempty"`
		HeadersSize int        `json:"headersSize"`
		BodySize    int64      `json:"bodySize"`
	}
	harResponse struct {
		Status      int        `json:"status"`
		StatusText  string     `json:"statusText"`
		HTTPVersion string     `json:"httpVersion"`
		Cookies     []harField `json:"cookies"`
		Headers     []harField `json:"headers"`
		Content     harContent `json:"content"`
		RedirectURL string     `json:"redirectURL"`
		HeadersSize int        `json:"headersSize"`
		BodySize    int64      `json:"bodySize"`
		Error       string     `json:"_error,omitempty"`
	}
	harField struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	harPost struct {
		MimeType string `json:"mimeType"`
		Text     string `json:"text"`
		Comment  string `json:"comment,omitempty"`
	}
	harContent struct {
		Size     int64  `json:"size"`
		MimeType string `json:"mimeType"`
		Text     string `json:"text,omitempty"`
		Comment  string `json:"comment,omitempty"`
	}
	harTimings struct {
		Send    float64 `json:"send"`
		Wait    float64 `json:"wait"`
		Receive float64 `json:"receive"`
	}
)

// noHTTPVersion is written where the version is not known.
const noHTTPVersion = "unknown"

// WriteHAR writes t as an HTTP Archive 1.2, which browsers' developer tools
// open. creator and version name the program that does. Sizes of headers are
// not known (-1, as the format has it).
func (t Trace) WriteHAR(w io.Writer, creator, version string) error {
	log := harLog{Version: "1.2", Creator: harCreator{creator, version}, Entries: make([]harEntry, 0, len(t.Messages)),
		Comment: strings.TrimSpace(t.Flow + ". " + t.Outcome + " Secrets are replaced by fingerprints.")}
	for _, m := range t.Messages {
		log.Entries = append(log.Entries, harOf(m))
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(har{log})
}

func harOf(m Message) harEntry {
	took, wait := max(m.Took, m.Wait, 0), max(m.Wait, 0)
	e := harEntry{Started: m.StartedAt.UTC().Format("2006-01-02T15:04:05.000Z07:00"), Time: milliseconds(took),
		Timings: harTimings{Wait: milliseconds(wait), Receive: milliseconds(took - wait)},
		Comment: strings.TrimSpace(m.Name + " " + m.Note), From: m.From, To: m.To, Front: m.Front}
	address := harURL(m.Request.URL)
	e.Request = harRequest{Method: m.Request.Method, URL: address, HTTPVersion: noHTTPVersion, Query: harQuery(address),
		Headers: harFields(m.Request.Header), Cookies: harCookies(m.Request.Header, "Cookie"), HeadersSize: -1, BodySize: m.Request.Body.Size}
	if b := m.Request.Body; b.Size > 0 {
		e.Request.Post = &harPost{MimeType: b.Type, Text: b.Text, Comment: b.Note}
	}
	e.Response = harResponse{HTTPVersion: noHTTPVersion, Cookies: []harField{}, Headers: []harField{},
		Content: harContent{MimeType: "x-unknown"}, HeadersSize: -1, BodySize: -1, Error: m.Error}
	if a := m.Answer; a != nil {
		e.Request.HTTPVersion = cmp.Or(a.Proto, noHTTPVersion)
		e.Response.HTTPVersion = e.Request.HTTPVersion
		e.Response.Status, e.Response.StatusText = a.Status, http.StatusText(a.Status)
		e.Response.Headers, e.Response.Cookies = harFields(a.Header), harCookies(a.Header, "Set-Cookie")
		e.Response.Content = harContent{Size: a.Body.Size, MimeType: cmp.Or(a.Body.Type, "x-unknown"), Text: a.Body.Text, Comment: a.Body.Note}
		e.Response.BodySize = a.Body.Size
		for _, f := range a.Header {
			if strings.EqualFold(f.Name, "Location") {
				e.Response.RedirectURL = harURL(f.Value)
			}
		}
	}
	return e
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// harURL returns a redacted address as one that programs can read: the letters
// of fingerprints are none of an address.
func harURL(address string) string {
	var out strings.Builder
	for i := range len(address) {
		if c := address[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '<' || c == '>' {
			out.WriteString(url.PathEscape(string([]byte{c})))
		} else {
			out.WriteByte(c)
		}
	}
	return out.String()
}

func harQuery(address string) []harField {
	fields := []harField{}
	address, _, _ = strings.Cut(address, "#")
	_, query, _ := strings.Cut(address, "?")
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		fields = append(fields, harField{unquery(name), unquery(value)})
	}
	return fields
}

func unquery(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

func harFields(fields []Field) []harField {
	out := make([]harField, 0, len(fields))
	for _, f := range fields {
		out = append(out, harField(f))
	}
	return out
}

func harCookies(fields []Field, header string) []harField {
	out := []harField{}
	for _, f := range fields {
		if !strings.EqualFold(f.Name, header) {
			continue
		}
		pairs := []string{f.Value}
		if header == "Cookie" {
			pairs = strings.Split(f.Value, ";")
		} else {
			pairs[0], _, _ = strings.Cut(f.Value, ";")
		}
		for _, pair := range pairs {
			if name, value, ok := strings.Cut(strings.TrimSpace(pair), "="); ok {
				out = append(out, harField{name, value})
			}
		}
	}
	return out
}
