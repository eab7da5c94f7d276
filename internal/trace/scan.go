package trace

import "bytes"

// form is how parameters stand in a text.
type form uint8

const (
	loose      form = iota // anywhere: JSON, HTML, prose, headers
	formBody               // all of it name=value&name=value
	addressing             // an address with a query or a fragment
)

// emit is told of a secret's place and kind.
type emit func(start, end int, kind Kind)

// maxLooks is how often each byte of a text may be looked at for what it is a value
// of: names in values of names take long, and a text of nothing else takes hours.
const maxLooks = 64

// scan finds the secrets in a text by where they stand and by how they look. It
// parses nothing, so that what is malformed or cut off is searched as well. It is
// false for a text that it did not search to its end: one that was made to take
// long.
func scan(text []byte, f form, found emit) bool {
	switch f {
	case formBody:
		pairs(text, 0, found)
	case addressing:
		at := 0
		for at < len(text) {
			next := bytes.IndexAny(text[at:], "?#")
			if next < 0 {
				break
			}
			at += next + 1
			end := len(text)
			if hash := bytes.IndexByte(text[at:], '#'); hash >= 0 {
				end = at + hash
			}
			if !bytes.HasSuffix(text[:at-1], []byte("/error")) {
				pairs(text[at:end], at, found)
			}
			at = end
		}
	}
	if !assignments(text, found) {
		return false
	}
	markup(text, found)
	multipartFields(text, found)
	pemKeys(text, found)
	userinfo(text, found)
	jwts(text, found)
	entraOpaque(text, found)
	return true
}

// pairs finds parameters that are separated by & alone: a client that escapes
// too little may have anything else in its secret.
func pairs(text []byte, offset int, found emit) {
	var challenge [2]int
	hashed := false
	for at := 0; at <= len(text); {
		end := len(text)
		if and := bytes.IndexByte(text[at:], '&'); and >= 0 {
			end = at + and
		}
		if eq := bytes.IndexByte(text[at:end], '='); eq >= 0 {
			name, value := text[at:at+eq], text[at+eq+1:end]
			if bytes.IndexByte(name, '%') >= 0 {
				name = plain(name)
			}
			switch string(name) {
			case "code_challenge":
				challenge = [2]int{at + eq + 1, end}
			case "code_challenge_method":
				hashed = string(value) == "S256"
			}
			if kind, n := sensitive(name, parameter); redactable(value, n) {
				found(offset+at+eq+1, offset+end, kind)
			}
		}
		at = end + 1
	}
	if challenge[1] > challenge[0] && !hashed { // RFC 7636 §4.3: then it is plain
		found(offset+challenge[0], offset+challenge[1], Verifier)
	}
}

func nameChar(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.' || c == '$' || c == '[' || c == ']'
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// assignments finds name=value and name: value, either quoted or not. It is false
// where it gave up.
func assignments(text []byte, found emit) bool {
	looks := maxLooks * (len(text) + 1024)
	for i := 0; i < len(text); i++ {
		if text[i] != '=' && text[i] != ':' {
			continue
		}
		end := i
		for end > 0 && i-end < 4 && blank(text[end-1]) {
			end--
		}
		where := parameter
		if text[i] == ':' {
			where = prose
		}
		if end > 0 && (text[end-1] == '"' || text[end-1] == '\'') {
			end--
			where = member
		}
		start := end
		for start > 0 && end-start < maxName && nameChar(text[start-1]) {
			start--
		}
		kind, n := sensitive(text[start:end], where)
		if n == never {
			continue
		}
		at := i + 1
		for at < len(text) && at-i < 40 && blank(text[at]) {
			at++
		}
		if where == parameter && at > i+1 && end == i {
			continue // "name=" and then something else
		}
		if at < len(text) && kind == Code && afterErrorPath(text[:start]) {
			continue
		}
		end = value(text, at, assignment{where, kind, n, text[i] == '=', bytes.ContainsAny(text[start:end], "_-.")}, found)
		if looks -= end - at; looks < 0 {
			return false
		}
	}
	return true
}

// afterErrorPath: https://login.microsoftonline.com/error?code=70008 names an
// error, not a code (entra.md §2.4).
func afterErrorPath(before []byte) bool { return bytes.HasSuffix(before, []byte("/error?")) }

// assignment is what is known of a value before it is read.
type assignment struct {
	where    standing
	kind     Kind
	need     need
	equals   bool // = and not :
	composed bool // the name is no word that a sentence may have
}

// value tells of the value that begins at at, if it is a secret, and returns how far
// it looked.
func value(text []byte, at int, a assignment, found emit) (looked int) {
	where, kind, n := a.where, a.kind, a.need
	if at >= len(text) {
		return at
	}
	quoted := func(at int) (end int) {
		for end = at + 1; end < len(text) && text[end] != text[at]; end++ {
			if text[end] == '\\' {
				end++
			}
		}
		return min(end, len(text))
	}
	tell := func(start, end int) {
		if isFingerprint(text[start:end]) {
			return
		}
		if scheme := bytes.IndexByte(text[start:end], ' '); kind == Token && scheme > 0 && scheme < 12 && end-start-scheme > 1 {
			start += scheme + 1 // "Bearer "
		}
		if redactable(text[start:end], n) {
			found(start, end, kind)
		}
	}
	switch c := text[at]; c {
	case '"', '\'':
		if where == prose && n == ifOpaque && kind != Code && kind != State {
			n = always // token: 'abc'
		}
		end := quoted(at)
		tell(at+1, end)
		return end
	case '[':
		for at++; at < len(text) && text[at] != ']'; at++ {
			switch text[at] {
			case '"', '\'':
				end := quoted(at)
				tell(at+1, end)
				at = end
			case '{': // its members have names of their own
				return at
			}
		}
		return at
	case '{':
		return at
	default:
		// What was redacted before may have more of the value behind it.
		for length := fingerprintAt(text[at:]); length > 0; length = fingerprintAt(text[at:]) {
			at += length
		}
		end := at
		for end < len(text) && !blank(text[end]) && bytes.IndexByte([]byte("&\"'<>\\`"), text[end]) < 0 &&
			(a.equals && text[end] != '#' || !a.equals && bytes.IndexByte([]byte(",;}]"), text[end]) < 0) {
			end++
		}
		if where == prose && kind == Token && end < len(text) && text[end] == ' ' && end-at < 12 {
			// "Authorization: Bearer x" in one line of prose
			rest := end + 1
			for rest < len(text) && !blank(text[rest]) && text[rest] != '"' && text[rest] != '\'' && text[rest] != '\\' {
				rest++
			}
			at, end = end+1, rest
		}
		if where == prose && n == always && !a.composed && !opaque(text[at:end]) && !bytes.ContainsAny(text[at:end], "0123456789") {
			return end // "password: wrong", a word in a sentence
		}
		if redactable(text[at:end], n) {
			found(at, end, kind)
		}
		return end
	}
}

// markup finds <input name= value=>, whatever the quotes, and <Password>…</.
func markup(text []byte, found emit) {
	for at := 0; at < len(text); {
		open := bytes.IndexByte(text[at:], '<')
		if open < 0 {
			return
		}
		at += open + 1
		end := at
		for end < len(text) && (nameChar(text[end]) || text[end] == ':') {
			end++
		}
		tag := text[at:end]
		at = end
		if len(tag) == 0 {
			continue
		}
		if colon := bytes.LastIndexByte(tag, ':'); colon >= 0 {
			tag = tag[colon+1:]
		}
		input := bytes.EqualFold(tag, []byte("input")) || bytes.EqualFold(tag, []byte("button")) || bytes.EqualFold(tag, []byte("param"))
		area := bytes.EqualFold(tag, []byte("textarea"))
		var name []byte
		var val [2]int
		at = attributes(text, at, func(key []byte, start, end int) {
			switch {
			case bytes.EqualFold(key, []byte("name")):
				name = text[start:end]
			case bytes.EqualFold(key, []byte("value")):
				val = [2]int{start, end}
			}
		})
		switch {
		case input:
			if kind, n := sensitive(plain(name), parameter); redactable(text[val[0]:val[1]], n) {
				found(val[0], val[1], kind)
			}
			continue
		case area:
			tag = plain(name)
		}
		kind, n := sensitive(tag, member)
		if n == always {
			end := len(text)
			if closing := bytes.IndexByte(text[at:], '<'); closing >= 0 {
				end = at + closing
			}
			if redactable(bytes.TrimSpace(text[at:end]), n) {
				found(at, end, kind)
			}
		}
	}
}

// attributes tells of each attribute of the tag at at and returns its end.
func attributes(text []byte, at int, tell func(key []byte, start, end int)) int {
	for at < len(text) {
		for at < len(text) && (blank(text[at]) || text[at] == '/') {
			at++
		}
		start := at
		for at < len(text) && !blank(text[at]) && text[at] != '=' && text[at] != '>' && text[at] != '/' {
			at++
		}
		key := text[start:at]
		for at < len(text) && blank(text[at]) {
			at++
		}
		if at < len(text) && text[at] == '=' {
			for at++; at < len(text) && blank(text[at]); at++ {
			}
			if at >= len(text) {
				return at
			}
			if q := text[at]; q == '"' || q == '\'' {
				at++
				end := len(text)
				if closing := bytes.IndexByte(text[at:], q); closing >= 0 {
					end = at + closing
				}
				tell(key, at, end)
				at = min(end+1, len(text))
				continue
			}
			from := at
			at += fingerprintAt(text[at:])
			for at < len(text) && !blank(text[at]) && text[at] != '>' {
				at++
			}
			tell(key, from, at)
			continue
		}
		if at < len(text) && text[at] == '>' {
			return at + 1
		}
		if len(key) == 0 {
			at++
		}
	}
	return at
}
