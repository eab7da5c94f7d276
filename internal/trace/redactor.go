package trace

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

const (
	// maxSecrets and maxSecretBytes bound what one Redactor looks for. Beyond
	// them it shows no text at all: what it cannot look for it must not show.
	maxSecrets     = 2000
	maxSecretBytes = 512 << 10
	// maxText bounds how much of one text is searched.
	maxText = 512 << 10
	// maxDepth is how often base64 is looked for in base64.
	maxDepth = 3
)

// The words that stand for what is not shown.
const (
	withheldMany = "‹withheld: more secrets than can be looked for›"
	withheldDeep = "‹withheld: made to be hard to search›"
	withheldLong = "‹cut here›"
)

// mark is the fingerprint of one value.
type mark struct {
	kind  Kind
	name  string // random
	value string // without escapes
}

// Redactor learns secrets and takes them out of texts. It is safe for use by
// several goroutines.
type Redactor struct {
	mu        sync.Mutex
	random    io.Reader
	marks     []mark
	byValue   map[string]int
	taken     map[string]bool
	needles   needles
	full      bool
	apart     []notedToken
	public    map[string]bool
	apartSize int    // bytes in it
	nesting   int    // of tokens in claims of tokens, while learning
	folded    []byte // scratch
	decoded   [maxDepth][]byte
	inner     [maxDepth][]span
}

// NewRedactor returns a Redactor that names values by random, which is
// crypto/rand.Reader but in tests.
func NewRedactor(random io.Reader) *Redactor {
	if random == nil {
		panic("trace: no source of randomness")
	}
	return &Redactor{random: random, byValue: map[string]int{}, taken: map[string]bool{}}
}

// Secret tells that value is a secret. One of fewer than six characters is not
// looked for: its letters stand in every text.
func (r *Redactor) Secret(kind Kind, value string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.learn(kind, []byte(value))
}

// Public tells that value is known to everybody, though it may stand where a
// secret does: it is redacted there and left in other places. The password of a
// tenant for trying things is such a one, and a word that its addresses have too:
// by what is missing there one could read it.
func (r *Redactor) Public(value string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.public == nil {
		r.public = map[string]bool{}
	}
	r.public[value] = true
}

// Text returns text without its secrets: those that were learned before, and
// those that it has itself, which are learned. What is longer than 512 KB is cut.
func (r *Redactor) Text(text string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.clean(r.note([]byte(text), loose))
}

// Found returns how many different secrets were learned.
func (r *Redactor) Found() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.marks)
}

// learn returns the mark of a value, which is looked for from now on if it is
// long enough, or -1 where there are too many.
func (r *Redactor) learn(kind Kind, value []byte) int {
	bare := plain(value)
	at, known := r.byValue[string(bare)]
	if !known {
		if len(r.marks) >= maxSecrets || r.needles.size+len(bare) > maxSecretBytes {
			r.full = true
			return -1
		}
		at = len(r.marks)
		r.marks = append(r.marks, mark{kind, r.name(), string(bare)})
		r.byValue[string(bare)] = at
		if !vocabulary[strings.ToLower(string(bare))] && !r.public[string(bare)] {
			if len(bare) >= shortest {
				r.needles.add(bare, at)
			}
			if len(value) >= shortest && !bytes.Equal(bare, value) {
				r.needles.add(value, at)
			}
		}
	}
	if !known {
		r.learnToken(string(bare), at)
	}
	if m := &r.marks[at]; (m.kind == Token || m.kind == Secret) && kind != Token {
		m.kind = kind // what it is was told later
	}
	return at
}

const nameLetters = "23456789abcdefghjkmnpqrstuvwxyz0" // no i, l, o

// name returns a random name that is new to this Redactor. It has nothing of the
// value in it: a hash, and be it keyed, could be compared with guesses.
func (r *Redactor) name() string {
	for {
		var b [8]byte
		if _, err := io.ReadFull(r.random, b[:]); err != nil {
			panic("trace: " + err.Error()) // crypto/rand never fails
		}
		n := binary.LittleEndian.Uint64(b[:])
		name := make([]byte, 0, 8)
		for i := range 6 {
			if i == 4 {
				name = append(name, "·"...)
			}
			name = append(name, nameLetters[n>>(5*i)&31])
		}
		if !r.taken[string(name)] {
			r.taken[string(name)] = true
			return string(name)
		}
	}
}

// span is a stretch of a raw text to be replaced.
type span struct {
	start, end int
	mark       int
	how        how
}

// how says what of a secret stands at a span.
type how uint8

const (
	whole how = iota
	part
	in64 // the span is base64 of something with the secret in it
)

// noted is a text whose own secrets are known. Those that are learned later are
// found when it is cleaned.
type noted struct {
	text  []byte
	form  form
	spans []span
	deep  bool
	cut   bool
}

// note learns the secrets of a text, which it keeps.
func (r *Redactor) note(text []byte, f form) noted {
	n := noted{text: text, form: f}
	if len(text) > maxText {
		n.text, n.cut = text[:maxText], true
	}
	n.spans, n.deep = r.analyse(n.text, f, 0)
	return n
}

// analyse finds the secrets that a text shows by its structure, and learns them.
// deep is true for a text that was made to be hard to search.
func (r *Redactor) analyse(text []byte, f form, depth int) (spans []span, deep bool) {
	layers, deep := layersOf(text)
	covered := newCoverage(len(text), nil)
	for i, l := range layers {
		tell := func(start, end int, kind Kind) {
			s := span{start: l.raw(start), end: l.raw(end)}
			if r.full || s.start >= s.end || covered.has(s) {
				return
			}
			if s.mark = r.learn(kind, l.text[start:end]); s.mark >= 0 {
				spans = append(spans, s)
				covered.add(s)
			}
		}
		form := f
		if i > 0 && form == formBody {
			form = loose // & and = may be part of values now
		}
		if !scan(l.text, form, tell) {
			return spans, true
		}
		if f != loose && bytes.IndexByte(l.text, '+') >= 0 {
			// There a plus is a blank as well: of JSON, or of a sentence.
			if !scan(bytes.ReplaceAll(l.text, []byte("+"), []byte(" ")), loose, tell) {
				return spans, true
			}
		}
	}
	if depth < maxDepth {
		last := layers[len(layers)-1]
		runs(last.text, func(start, end int) {
			s := span{start: last.raw(start), end: last.raw(end), how: in64}
			if end-start < 2*minRun || covered.has(s) {
				return
			}
			for skip := range 4 {
				decoded := decode64(nil, last.text[start:end], skip)
				if !printable(decoded) {
					continue
				}
				inner, hard := r.analyse(decoded, loose, depth+1)
				deep = deep || hard
				if len(inner) > 0 {
					s.mark = inner[0].mark
					spans = append(spans, s)
					covered.add(s)
					return
				}
			}
		})
	}
	return spans, deep
}

// keep makes n as short as max bytes, and what its spans are of.
func (n *noted) keep(max int) {
	if len(n.text) > max {
		n.cut = true
		n.spans = slices.DeleteFunc(n.spans, func(s span) bool { return s.start >= max })
		n.text = n.text[:max]
	}
	n.text = bytes.Clone(n.text)
}

// clean returns a noted text without any secret that is known by now.
func (r *Redactor) clean(n noted) string {
	switch {
	case r.full:
		return withheldMany
	case n.deep:
		return withheldDeep
	}
	spans := slices.Clone(n.spans)
	r.search(n.text, 0, &spans)
	for i := range spans {
		spans[i].end = min(spans[i].end, len(n.text))
	}
	if n.cut {
		// A piece of a secret that is too short to be found may stand at the cut.
		spans = append(spans, span{start: max(0, len(n.text)-margin), end: len(n.text), mark: -1})
	}
	return r.replace(n.text, spans)
}

// margin is longer than any piece that is too short to be found, every
// character of it being an escape.
const margin = 12 * piece

// search adds to spans where known secrets stand in a text: as it is, without
// escapes, and in base64.
func (r *Redactor) search(text []byte, depth int, spans *[]span) {
	layers := []layer{{text: text}}
	readable := depth == 0 || printable(text)
	if readable { // else it is noise: what else base64 was taken for
		layers, _ = layersOf(text)
	}
	for _, l := range layers {
		r.folded = fold(r.folded, l.text)
		r.needles.find(r.folded, func(h hit) {
			s := span{start: l.raw(h.start), end: l.raw(h.end), mark: h.mark}
			if !h.whole {
				s.how = part
			}
			*spans = append(*spans, s)
		})
	}
	if depth >= maxDepth || !readable {
		return
	}
	last := layers[len(layers)-1]
	covered := newCoverage(len(text), *spans)
	runs(last.text, func(start, end int) {
		s := span{start: last.raw(start), end: last.raw(end), how: in64}
		if covered.has(s) {
			return
		}
		for skip := range 4 {
			r.decoded[depth] = decode64(r.decoded[depth], last.text[start:end], skip)
			inner := r.inner[depth][:0]
			r.search(r.decoded[depth], depth+1, &inner)
			r.inner[depth] = inner
			if len(inner) > 0 {
				s.mark = inner[0].mark
				*spans = append(*spans, s)
				return
			}
		}
	})
}

// replace writes text with fingerprints in place of spans. Of spans that
// overlap, the one that begins first and is longest names the whole.
func (r *Redactor) replace(text []byte, spans []span) string {
	slices.SortFunc(spans, func(a, b span) int {
		return cmp.Or(a.start-b.start, b.end-a.end, int(a.how)-int(b.how))
	})
	var out strings.Builder
	kept := 0
	for i := 0; i < len(spans); {
		s := spans[i]
		end := s.end
		for i++; i < len(spans) && spans[i].start < end; i++ {
			end = max(end, spans[i].end)
		}
		out.Write(text[kept:s.start])
		out.WriteString(r.label(s))
		kept = end
	}
	out.Write(text[kept:])
	return out.String()
}

func (r *Redactor) label(s span) string {
	if s.mark < 0 {
		return withheldLong
	}
	name := r.marks[s.mark].fingerprint()
	switch s.how {
	case part:
		return "‹part of " + name + "›"
	case in64:
		return "‹base64 with " + name + "›"
	}
	return "‹" + name + "›"
}

// fingerprint is how a text names the value, without its brackets.
func (m mark) fingerprint() string { return fmt.Sprintf("%s %s", m.kind, m.name) }
