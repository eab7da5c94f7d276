package results

import (
	"bytes"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
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

// searchEntries returns for each entry of a table which words are in one of the
// fields given.
func (s *Set) searchEntries(table int, words [][]byte, fields ...int) []uint8 {
	out := make([]uint8, len(s.tables[table][0]))
	var buffer []byte
	for _, f := range fields {
		last, bits := uint32(0), uint8(0) // neighbours often share a name
		for i, code := range s.tables[table][f] {
			if code == 0 {
				continue
			}
			if code != last {
				buffer = lower(buffer[:0], s.names[code])
				last, bits = code, found(buffer, words)
			}
			out[i] |= bits
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
	if !lowerASCII(data) {
		// Letters of other scripts may change their length: one text at a time.
		for i := range out {
			end := bytes.IndexByte(data, 0)
			if end < 0 {
				return
			}
			out[i] = found(bytes.ToLower(data[:end]), words)
			data = data[end+1:]
		}
		return
	}
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

// lowerASCII writes data in lower case and reports whether it was ASCII; if not
// it may have written the first part of it.
func lowerASCII(data []byte) bool {
	for i, c := range data {
		if c >= utf8.RuneSelf {
			return false
		}
		if 'A' <= c && c <= 'Z' {
			data[i] = c + 'a' - 'A'
		}
	}
	return true
}
