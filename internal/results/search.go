package results

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"
)

// Limits of a search.
const (
	maxWords    = 8   // what comes after them is not looked for
	maxWordSize = 256 // bytes; a longer word is cut
)

// words returns what is to be found, as fold has it, each at most once.
func words(text string) [][]byte {
	var out [][]byte
	for word := range strings.FieldsSeq(text) {
		if len(out) == maxWords {
			break
		}
		if word = fold(clean(word, maxWordSize)); word != "" {
			out = append(out, []byte(word))
		}
	}
	return out
}

// found returns which of the words (bit by bit) are in a name.
func found(name []byte, words [][]byte) (bits uint8) {
	for i, word := range words {
		if bytes.Contains(name, word) {
			bits |= 1 << i
		}
	}
	return bits
}

// searchNames returns for each entry of a table which words are in one of the
// fields given.
func (s *Set) searchNames(table int, words [][]byte, fields ...int) []uint8 {
	out := make([]uint8, len(s.tables[table][0]))
	bits, known := make([]uint8, len(s.names)), make([]bool, len(s.names)) // many entries share a name
	var buffer []byte
	for _, f := range fields {
		for i, code := range s.tables[table][f] {
			if !known[code] {
				buffer = foldInPlace(append(buffer[:0], s.names[code]...))
				bits[code], known[code] = found(buffer, words), true
			}
			out[i] |= bits[code]
		}
	}
	return out
}

// searchTexts returns for each text which words are in it.
func (s *Set) searchTexts(words [][]byte) ([]uint8, error) {
	out := make([]uint8, s.texts)
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), 4, len(s.blocks)) {
		workers.Go(func() {
			u := unpackers.Get().(*unpacker)
			defer u.done()
			for {
				i := int(next.Add(1)) - 1
				if i >= len(s.blocks) || failed.Load() != nil {
					return
				}
				b := &s.blocks[i]
				data, err := u.unpack(b.packed, b.size)
				if err != nil {
					failed.Store(&err)
					return
				}
				searchBlock(out[b.first:b.first+b.count], data, words)
			}
		})
	}
	workers.Wait()
	if err := failed.Load(); err != nil {
		return nil, *err
	}
	return out, nil
}

// searchBlock marks which of the texts in data, each ended by NUL, have which
// words. It changes data.
func searchBlock(out []uint8, data []byte, words [][]byte) {
	data = foldInPlace(data)
	for w, word := range words {
		rest, i := data, 0
		for i < len(out) {
			at := bytes.Index(rest, word)
			if at < 0 {
				break
			}
			i += bytes.Count(rest[:at], nul)
			if i >= len(out) {
				break
			}
			out[i] |= 1 << w
			end := bytes.IndexByte(rest[at:], 0)
			if end < 0 {
				break
			}
			rest = rest[at+end+1:]
			i++
		}
	}
}

var nul = []byte{0}

// foldInPlace returns valid UTF-8 as fold has it. It writes over data.
func foldInPlace(data []byte) []byte {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	to := 0 // never beyond from: few letters change their length
	for from := 0; from < len(data); {
		// Eight ASCII letters at once.
		for ; from+8 <= len(data); from, to = from+8, to+8 {
			v := binary.LittleEndian.Uint64(data[from:])
			if v&high != 0 {
				break
			}
			upper := (v + (0x80-'A')*ones) &^ (v + (0x80-'Z'-1)*ones) & high
			binary.LittleEndian.PutUint64(data[to:], v|upper>>2)
		}
		if from == len(data) {
			break
		}
		c, size := utf8.DecodeRune(data[from:])
		low := c
		if mayBeUpper(c) {
			low = unicode.ToLower(c)
		}
		if low == c {
			copy(data[to:], data[from:from+size])
			from, to = from+size, to+size
			continue
		}
		if to+utf8.RuneLen(low) > from+size {
			return append(bytes.Clone(data[:to]), bytes.ToLower(data[from:])...)
		}
		to += utf8.EncodeRune(data[to:], low)
		from += size
	}
	return data[:to]
}

// mayBeUpper tells quickly of most characters that they have no lower case:
// general punctuation, and the scripts of East Asia.
func mayBeUpper(c rune) bool { return !(0x2000 <= c && c < 0x2100 || 0x2E80 <= c && c < 0xA640) }
