package trace

import (
	"bytes"
	"html"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxPasses is how often a text is unescaped. A text that can be unescaped more
// often was made for that and is withheld as a whole.
const maxPasses = 10

// layer is a text after some rounds of unescaping, and where each of its bytes
// began in the raw text. pos is nil where nothing was escaped, else it has one
// entry more than text.
type layer struct {
	text []byte
	pos  []int32
}

// raw returns where the byte at i began in the raw text.
func (l layer) raw(i int) int {
	if l.pos == nil {
		return i
	}
	return int(l.pos[i])
}

// layersOf returns text as it is and after each round of unescaping, the last
// one having nothing left to unescape. deep is true where that took too long.
//
// Which escapes a text uses is not asked: strangers mix them, nest them and
// escape letters that need it not. Looking for a secret in the text without any
// escapes finds it whatever was done.
func layersOf(text []byte) (layers []layer, deep bool) {
	layers = append(layers, layer{text: text})
	for range maxPasses {
		next, changed := unescaped(layers[len(layers)-1])
		if !changed {
			return layers, false
		}
		layers = append(layers, next)
	}
	return layers, true
}

// plain returns text without any escapes.
func plain(text []byte) []byte {
	layers, _ := layersOf(text)
	return layers[len(layers)-1].text
}

func unescaped(in layer) (out layer, changed bool) {
	rest := in.text
	at := bytes.IndexAny(rest, `%\&`)
	var char [utf8.UTFMax]byte
	for at >= 0 && at < len(rest) {
		if n, _ := unescape(rest[at:], &char); n > 0 {
			break
		}
		next := bytes.IndexAny(rest[at+1:], `%\&`)
		if next < 0 {
			return in, false
		}
		at += 1 + next
	}
	if at < 0 {
		return in, false
	}
	out.text = make([]byte, 0, len(rest))
	out.pos = make([]int32, 0, len(rest)+1)
	add := func(b byte, from int) {
		out.text = append(out.text, b)
		out.pos = append(out.pos, int32(in.raw(from)))
	}
	for i := 0; i < len(rest); {
		c := rest[i]
		if c == '%' || c == '\\' || c == '&' {
			if n, size := unescape(rest[i:], &char); n > 0 {
				for _, b := range char[:size] {
					add(b, i)
				}
				i += n
				continue
			}
		}
		add(c, i)
		i++
	}
	out.pos = append(out.pos, int32(in.raw(len(rest))))
	return out, true
}

// unescape reads the escape at the beginning of text: of addresses, of HTML, of
// JSON or of scripts. It returns how long it is, or 0, and how many bytes of char
// it stands for.
func unescape(text []byte, char *[utf8.UTFMax]byte) (length, size int) {
	if len(text) < 2 {
		return 0, 0
	}
	switch text[0] {
	case '%':
		if b, ok := hexadecimal(text[1:], 2); ok {
			char[0] = byte(b)
			return 3, 1
		}
		if text[1] == 'u' { // of old scripts and servers
			if r, ok := hexadecimal(text[2:], 4); ok {
				return 6, utf8.EncodeRune(char[:], r)
			}
		}
	case '\\':
		return backslash(text, char)
	case '&':
		return entity(text, char)
	}
	return 0, 0
}

func backslash(text []byte, char *[utf8.UTFMax]byte) (length, size int) {
	switch c := text[1]; c {
	case '"', '\'', '\\', '/':
		char[0] = c
	case 'n':
		char[0] = '\n'
	case 'r':
		char[0] = '\r'
	case 't':
		char[0] = '\t'
	case 'b':
		char[0] = '\b'
	case 'f':
		char[0] = '\f'
	case 'x':
		r, ok := hexadecimal(text[2:], 2)
		if !ok {
			return 0, 0
		}
		return 4, utf8.EncodeRune(char[:], r)
	case 'u':
		r, ok := hexadecimal(text[2:], 4)
		if !ok {
			return 0, 0
		}
		if utf16.IsSurrogate(r) && len(text) >= 12 && text[6] == '\\' && text[7] == 'u' {
			if low, ok := hexadecimal(text[8:], 4); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
				return 12, utf8.EncodeRune(char[:], utf16.DecodeRune(r, low))
			}
		}
		return 6, utf8.EncodeRune(char[:], r)
	default:
		return 0, 0
	}
	return 2, 1
}

// entity reads a character reference. A number may lack its semicolon, as in
// browsers; a name may not, or every parameter called "copy" were a sign.
func entity(text []byte, char *[utf8.UTFMax]byte) (length, size int) {
	if text[1] == '#' {
		base, from := 10, 2
		if len(text) > 2 && (text[2] == 'x' || text[2] == 'X') {
			base, from = 16, 3
		}
		end := from
		for end < len(text) && end < from+8 && (text[end] >= '0' && text[end] <= '9' || base == 16 && hexDigit(text[end]) >= 0) {
			end++
		}
		n, err := strconv.ParseInt(string(text[from:end]), base, 32)
		if err != nil {
			return 0, 0
		}
		if end < len(text) && text[end] == ';' {
			end++
		}
		return end, utf8.EncodeRune(char[:], rune(n))
	}
	end := bytes.IndexByte(text[:min(len(text), 12)], ';')
	if end < 2 {
		return 0, 0
	}
	name := string(text[:end+1])
	sign := html.UnescapeString(name)
	if len(sign) > utf8.UTFMax || len(sign) >= len(name) || sign[0] == '&' && name != "&amp;" && name != "&AMP;" {
		return 0, 0
	}
	return end + 1, copy(char[:], sign)
}

func hexadecimal(text []byte, digits int) (rune, bool) {
	if len(text) < digits {
		return 0, false
	}
	var n rune
	for _, c := range text[:digits] {
		d := hexDigit(c)
		if d < 0 {
			return 0, false
		}
		n = n<<4 | d
	}
	return n, true
}

func hexDigit(c byte) rune {
	switch {
	case c >= '0' && c <= '9':
		return rune(c - '0')
	case c >= 'a' && c <= 'f':
		return rune(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return rune(c-'A') + 10
	}
	return -1
}

// minRun is the shortest text in base64 that is looked into: six bytes.
const minRun = 8

// sextets are the values of the characters of both alphabets of base64 plus one;
// 0 is for what is none.
var sextets = func() (t [256]byte) {
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		t[c] = byte(i) + 1
	}
	t['-'], t['_'] = t['+'], t['/']
	return t
}()

// runs calls visit for each stretch of text that may be base64. One that is
// broken into lines, as PEM and MIME do, is one.
func runs(text []byte, visit func(start, end int)) {
	for i := 0; i < len(text); i++ {
		if sextets[text[i]] == 0 {
			continue
		}
		start, line := i, i
		for ; i < len(text); i++ {
			if sextets[text[i]] != 0 {
				continue
			}
			next := i + 1
			if text[i] == '\r' && next < len(text) && text[next] == '\n' {
				next++
			} else if text[i] != '\n' {
				break
			}
			if i-line < 60 || next >= len(text) || sextets[text[next]] == 0 {
				break
			}
			i, line = next-1, next
		}
		if i-start >= minRun {
			visit(start, i)
		}
	}
}

// decode64 decodes run, from the character at skip on, into buf. What is encoded
// need not begin where the run does: a path may lead up to it.
func decode64(buf, run []byte, skip int) []byte {
	buf = buf[:0]
	var bits uint32
	n := 0
	run = run[skip:]
	for len(run) >= 4 {
		a, b, c, d := sextets[run[0]], sextets[run[1]], sextets[run[2]], sextets[run[3]]
		if a == 0 || b == 0 || c == 0 || d == 0 {
			break
		}
		bits := uint32(a-1)<<18 | uint32(b-1)<<12 | uint32(c-1)<<6 | uint32(d-1)
		buf = append(buf, byte(bits>>16), byte(bits>>8), byte(bits))
		run = run[4:]
	}
	for _, c := range run { // lines that are broken, and the end
		v := sextets[c]
		if v == 0 {
			continue // the end of a line
		}
		bits = bits<<6 | uint32(v-1)
		if n++; n == 4 {
			buf = append(buf, byte(bits>>16), byte(bits>>8), byte(bits))
			n = 0
		}
	}
	switch n {
	case 2:
		buf = append(buf, byte(bits>>4))
	case 3:
		buf = append(buf, byte(bits>>10), byte(bits>>2))
	}
	return buf
}

// printable reports whether text is what people or programs write, and not noise.
// A few odd bytes are left to a longer one: of letters that stood beside the base64.
func printable(text []byte) bool {
	odd := 0
	for i := 0; i < len(text); {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(text[i:])
		}
		if r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == 0x7f || r == utf8.RuneError {
			odd++
		}
		i += size
	}
	return odd == 0 || len(text) >= 24 && odd*4 <= len(text)+8
}
