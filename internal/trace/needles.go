package trace

import (
	"encoding/binary"
	"slices"
)

const (
	// shortest is the shortest value that is looked for everywhere: letters of
	// shorter ones stand in every text. Those are redacted where they stand.
	shortest = 6
	// piece is how many bytes of a secret in a row are taken out wherever they are.
	piece = 12
	// window is what the index knows of a secret, at every stride-th place. A
	// piece of window+stride-1 bytes has a whole window in it.
	window = 8
	stride = 4
	// maxChain bounds how many secrets are compared where windows are the same,
	// as the headers of one tenant's tokens are.
	maxChain = 32
)

// secret is a value to be taken out, in one of its forms.
type secret struct {
	text []byte // folded
	mark int    // of Redactor.marks
}

type place struct {
	secret, at int32
}

// needles finds secrets and pieces of them. A filter of bits answers for nearly
// all places of a text, so that it costs about a nanosecond a byte.
type needles struct {
	secrets []secret
	size    int // of all secrets, in bytes
	filter  [1 << 12]uint64
	windows map[uint64][]place
	shorts  map[uint64][]place // of 6 and 7 bytes, by their first 6
}

// folds makes one of what encodings use for one another: the alphabets of
// base64, and the blank, which forms write as a plus.
var folds = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
	}
	t['-'], t[' '], t['_'] = '+', '+', '/'
	return t
}()

// fold returns text folded, in buf, with zeros behind its end to read over.
func fold(buf, text []byte) []byte {
	if cap(buf) < len(text)+window {
		buf = make([]byte, 0, len(text)+window+len(text)/4)
	}
	buf = buf[:len(text)+window]
	for i, c := range text {
		buf[i] = folds[c]
	}
	clear(buf[len(text):])
	return buf[:len(text)]
}

func bucket(key uint64) (word, bit uint64) {
	h := (key * 0x9e3779b97f4a7c15) >> 46 // 18 bits
	return h >> 6, 1 << (h & 63)
}

const sixBytes = 1<<48 - 1

func (n *needles) add(text []byte, mark int) {
	if n.windows == nil {
		n.windows, n.shorts = map[uint64][]place{}, map[uint64][]place{}
	}
	folded := slices.Clip(fold(nil, text))
	id := int32(len(n.secrets))
	n.secrets = append(n.secrets, secret{folded, mark})
	n.size += len(folded)
	put := func(in map[uint64][]place, key uint64, at int) {
		chain := in[key]
		if len(chain) >= maxChain || len(chain) > 0 && chain[len(chain)-1].secret == id {
			return
		}
		in[key] = append(chain, place{id, int32(at)})
		word, bit := bucket(key)
		n.filter[word] |= bit
	}
	if len(folded) < window {
		var first [8]byte
		copy(first[:], folded[:shortest])
		put(n.shorts, binary.LittleEndian.Uint64(first[:]), 0)
		return
	}
	last := len(folded) - window
	if len(folded) < piece {
		last = 0 // it counts only as a whole
	}
	for at := 0; at <= last; at += stride {
		put(n.windows, binary.LittleEndian.Uint64(folded[at:at+window]), at)
	}
}

// hit is a stretch of a text in which a secret stands, or a piece of it.
type hit struct {
	start, end int
	mark       int
	whole      bool
}

// find calls visit for each hit in folded text, which must come from fold.
func (n *needles) find(folded []byte, visit func(hit)) {
	if len(n.secrets) == 0 {
		return
	}
	padded := folded[:len(folded)+window]
	for i := 0; i+shortest <= len(folded); i++ {
		key := binary.LittleEndian.Uint64(padded[i : i+window])
		word, bit := bucket(key)
		var best hit
		if n.filter[word]&bit != 0 {
			for _, p := range n.windows[key] {
				n.extend(folded, i, p, &best)
			}
		}
		if len(n.shorts) > 0 {
			key &= sixBytes
			if word, bit = bucket(key); n.filter[word]&bit != 0 {
				for _, p := range n.shorts[key] {
					n.extend(folded, i, p, &best)
				}
			}
		}
		if best.end > 0 {
			visit(best)
			// The next secret may begin before this one ends.
			i = max(i, best.end-window)
		}
	}
}

// extend makes best the stretch around i that is the same in the text as around
// p in its secret, if that is longer.
func (n *needles) extend(text []byte, i int, p place, best *hit) {
	s := n.secrets[p.secret].text
	from, start := int(p.at), i
	for from > 0 && start > 0 && s[from-1] == text[start-1] {
		from, start = from-1, start-1
	}
	to, end := int(p.at), i
	for to < len(s) && end < len(text) && s[to] == text[end] {
		to, end = to+1, end+1
	}
	whole := to-from == len(s)
	if !whole && end-start < piece || end-start < best.end-best.start {
		return
	}
	if end-start > best.end-best.start || whole {
		*best = hit{start, end, n.secrets[p.secret].mark, whole}
	}
}
