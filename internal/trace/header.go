package trace

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
)

// notedField is a header field with its secrets.
type notedField struct{ name, value noted }

// interest is the order in which headers are shown; others follow by name.
var interest = []string{"host", "content-type", "authorization", "dpop", "cookie", "metadata", "x-identity-header", "origin", "referer",
	"location", "www-authenticate", "set-cookie", "retry-after", "cache-control", "pragma", "client-request-id", "request-id",
	"x-ms-request-id", "x-ms-correlation-request-id"}

func rank(name string) int {
	if i := slices.Index(interest, name); i >= 0 {
		return i
	}
	return len(interest)
}

// noteHeader learns the secrets of a header and returns its fields in the order
// of interest.
func (r *Redactor) noteHeader(header http.Header) []notedField {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := make([]string, 0, len(header))
	for name := range header {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		a, b = strings.ToLower(a), strings.ToLower(b)
		return cmp.Or(rank(a)-rank(b), strings.Compare(a, b))
	})
	var fields []notedField
	for _, name := range names {
		for _, value := range header[name] {
			// Also of fields that are not kept, the secrets are learned.
			f := notedField{name: r.note([]byte(name), loose), value: r.field(strings.ToLower(name), []byte(value))}
			if len(fields) < maxFields {
				f.name.keep(maxName * 2)
				f.value.keep(maxField)
				fields = append(fields, f)
			}
		}
	}
	return fields
}

// field notes the value of one field by what its name says of it.
func (r *Redactor) field(name string, value []byte) noted {
	switch name {
	case "authorization", "proxy-authorization":
		return r.credentials(value)
	case "cookie":
		n := noted{text: value}
		for at := 0; at <= len(value); {
			end := len(value)
			if stop := bytes.IndexByte(value[at:], ';'); stop >= 0 {
				end = at + stop
			}
			r.cookie(&n, at, end)
			at = end + 1
		}
		return n
	case "set-cookie":
		end := len(value)
		if stop := bytes.IndexByte(value, ';'); stop >= 0 {
			end = stop
		}
		n := r.note(value[end:], loose)
		for i := range n.spans {
			n.spans[i].start += end
			n.spans[i].end += end
		}
		n.text = value
		r.cookie(&n, 0, end)
		return n
	case "location", "content-location", "referer":
		return r.note(value, addressing)
	}
	if kind, need := sensitive([]byte(name), parameter); redactable(value, need) {
		return r.all(kind, value)
	}
	return r.note(value, loose)
}

// all is a value that is a secret as a whole.
func (r *Redactor) all(kind Kind, value []byte) noted {
	n := noted{text: value}
	if mark := r.learn(kind, value); mark >= 0 {
		n.spans = []span{{start: 0, end: len(value), mark: mark}}
	}
	return n
}

// cookie adds the pair at value[start:end] to n. One without a name is its value.
func (r *Redactor) cookie(n *noted, start, end int) {
	if eq := bytes.IndexByte(n.text[start:end], '='); eq >= 0 {
		start += eq + 1
	}
	for start < end && (n.text[start] == ' ' || n.text[start] == '"') {
		start++
	}
	for end > start && (n.text[end-1] == ' ' || n.text[end-1] == '"') {
		end--
	}
	if start == end {
		return
	}
	if mark := r.learn(Cookie, n.text[start:end]); mark >= 0 {
		n.spans = append(n.spans, span{start: start, end: end, mark: mark})
	}
}

// credentials notes an Authorization header. Of Basic it learns the secret by
// itself, so that it is known elsewhere. Both its parts are form-encoded (RFC 6749
// §2.3.1), which needs no care here.
func (r *Redactor) credentials(value []byte) noted {
	start := bytes.IndexByte(value, ' ') + 1
	for start < len(value) && value[start] == ' ' {
		start++
	}
	if start == 0 || start == len(value) {
		return r.all(Token, value)
	}
	scheme := strings.TrimSpace(string(value[:start]))
	n := noted{text: value}
	s := span{start: start, end: len(value)}
	if strings.EqualFold(scheme, "Basic") {
		s.mark = -1
		if pair, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(string(value[start:]), "= ")); err == nil {
			if _, secret, ok := bytes.Cut(pair, []byte(":")); ok && len(secret) > 0 {
				s.mark, s.how = r.learn(ClientSecret, secret), in64
			}
		}
		if s.mark < 0 {
			s.mark = r.learn(ClientSecret, value[start:])
		}
	} else {
		kind := Secret
		switch strings.ToLower(scheme) {
		case "bearer":
			kind = AccessToken
		case "dpop", "pop":
			kind = AccessToken
		}
		s.mark = r.learn(kind, value[start:])
	}
	if s.mark >= 0 {
		n.spans = []span{s}
	}
	return n
}

// fields returns what is shown of a header. r.mu is held.
func (r *Redactor) fields(noted []notedField) []Field {
	fields := make([]Field, 0, len(noted))
	for _, f := range noted {
		fields = append(fields, Field{clip(r.clean(f.name), 2*maxName), clip(r.clean(f.value), maxField)})
	}
	return fields
}
