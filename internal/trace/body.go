package trace

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// capture is a body while it is read, and what is kept of it afterwards.
type capture struct {
	media    string // Content-Type
	encoding string // Content-Encoding
	raw      []byte // the first maxText bytes, until it is settled
	size     int64
	settled  bool
	noted    noted
	note     string
}

func newCapture(header http.Header) *capture {
	c := &capture{}
	for name, values := range header {
		switch {
		case len(values) == 0:
		case strings.EqualFold(name, "Content-Type"):
			c.media = values[0]
		case strings.EqualFold(name, "Content-Encoding"):
			c.encoding = strings.ToLower(strings.TrimSpace(strings.Join(values, ",")))
		}
	}
	return c
}

func (c *capture) write(p []byte) {
	if c.settled {
		return
	}
	c.size += int64(len(p))
	c.raw = append(c.raw, p[:min(len(p), maxText-len(c.raw))]...)
}

// noteBody learns the secrets of a body and returns it as text, with a word on
// what is missing.
func (r *Redactor) noteBody(c *capture) (n noted, missing string, size int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	size = c.size
	if size == 0 {
		return noted{}, "", 0
	}
	text, err := decompressed(c.encoding, c.raw)
	if err != nil {
		return noted{}, fmt.Sprintf("not shown: %d bytes, %v", size, err), size
	}
	media, params, err := mime.ParseMediaType(c.media)
	f := loose
	switch {
	case err != nil:
		media = ""
	case media == "application/x-www-form-urlencoded":
		f = formBody
	case strings.HasPrefix(media, "multipart/") && params["boundary"] != "":
		text = withoutFiles(text, params["boundary"])
	}
	for i := 0; i < utf8.UTFMax && len(text) > 0 && size > int64(len(c.raw)) && !utf8.Valid(text[len(text)-1:]); i++ {
		text = text[:len(text)-1] // a character that was cut
	}
	if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
		// Secrets of neighbours may be in it, so it is searched nevertheless.
		r.note(text, loose)
		return noted{}, fmt.Sprintf("not shown: %d bytes that are no text", size), size
	}
	n = r.note(text, f)
	n.cut = n.cut || size > int64(len(c.raw))
	return n, "", size
}

// decompressed undoes Content-Encoding, as far as there is data.
func decompressed(encoding string, raw []byte) ([]byte, error) {
	var reader io.Reader
	var err error
	switch encoding {
	case "", "identity":
		return raw, nil
	case "gzip", "x-gzip":
		reader, err = gzip.NewReader(bytes.NewReader(raw))
	case "deflate":
		reader, err = zlib.NewReader(bytes.NewReader(raw))
	default:
		return nil, errors.New("compressed in a way that is not read here")
	}
	if err != nil {
		return nil, errors.New("not compressed as they say")
	}
	// What is damaged or cut is searched and shown as far as it goes.
	text, _ := io.ReadAll(io.LimitReader(reader, maxText+1))
	return text, nil
}

// withoutFiles returns a multipart body with a word in place of each file, a
// certificate for example: its bytes are no part of a conversation.
func withoutFiles(raw []byte, boundary string) []byte {
	const maxParts = 50
	var out bytes.Buffer
	reader := multipart.NewReader(bytes.NewReader(raw), boundary)
	for range maxParts {
		p, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			fmt.Fprintf(&out, "--%s--\r\n", boundary)
			return out.Bytes()
		}
		if err != nil {
			break
		}
		fmt.Fprintf(&out, "--%s\r\n", boundary)
		keys := make([]string, 0, len(p.Header))
		for key := range p.Header {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		for _, key := range keys {
			fmt.Fprintf(&out, "%s: %s\r\n", key, strings.Join(p.Header[key], ", "))
		}
		content, err := io.ReadAll(p)
		switch {
		case p.FileName() != "" || !utf8.Valid(content):
			content = fmt.Appendf(nil, "‹file of %d bytes›", len(content))
		}
		fmt.Fprintf(&out, "\r\n%s\r\n", content)
		if err != nil {
			break
		}
	}
	out.WriteString("‹the rest is no multipart body›\r\n")
	return out.Bytes()
}

// body returns what is shown of a settled body. r.mu is held.
func (r *Redactor) body(c *capture) Body {
	if c == nil {
		return Body{}
	}
	media, _, err := mime.ParseMediaType(c.media)
	if err != nil {
		media = ""
	}
	b := Body{Type: r.text(media), Size: c.size, Note: c.note}
	if len(c.noted.text) > 0 {
		b.Text = clip(r.clean(c.noted), MaxBody)
		if c.noted.cut && b.Note == "" {
			b.Note = fmt.Sprintf("cut: %d KB of %d KB", len(c.noted.text)>>10, c.size>>10)
		}
	}
	return b
}
