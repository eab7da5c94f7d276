package results

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// segmentVersion is the first byte of a segment.
const segmentVersion = 1

// Limits of a segment, far above what the writer makes: what is decoded was
// sealed by us, so beyond them there is a defect, not a large set.
const (
	maxSegmentRows  = 1 << 20
	maxColumnsBytes = 128 << 20
	maxBlockBytes   = 4 << 20
)

var errSegment = errors.New("results: a segment cannot be read")

var packers = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, 5) // what is higher takes longer than it is worth; lower unpacks more slowly
	if err != nil {
		panic(err) // only for levels that do not exist
	}
	return w
}}

// pack appends data, compressed, to out.
func pack(out *bytes.Buffer, data []byte) error {
	w := packers.Get().(*flate.Writer)
	defer packers.Put(w)
	w.Reset(out)
	if _, err := w.Write(data); err != nil {
		return err
	}
	return w.Close()
}

// unpacker holds what unpacking needs over and over.
type unpacker struct {
	in     bytes.Reader
	reader io.ReadCloser
	buffer []byte
}

var unpackers = sync.Pool{New: func() any { return &unpacker{reader: flate.NewReader(nil)} }}

// unpack returns the size bytes that packed holds, valid until the next call.
func (u *unpacker) unpack(packed []byte, size int) ([]byte, error) {
	u.in.Reset(packed)
	if err := u.reader.(flate.Resetter).Reset(&u.in, nil); err != nil {
		return nil, err
	}
	if cap(u.buffer) < size {
		u.buffer = make([]byte, size)
	}
	data := u.buffer[:size]
	if _, err := io.ReadFull(u.reader, data); err != nil {
		return nil, fmt.Errorf("%w: %w", errSegment, err)
	}
	return data, nil
}

// done gives the unpacker back, unless its buffer grew beyond what most need.
func (u *unpacker) done() {
	if cap(u.buffer) <= maxBlockBytes {
		u.in.Reset(nil)
		unpackers.Put(u)
	}
}

// encode returns the segment in the form that is sealed.
func (d *delta) encode() ([]byte, error) {
	var columns []byte
	columns = binary.AppendUvarint(columns, uint64(len(d.names)))
	size := 0
	for _, name := range d.names {
		size += len(name) + 1
	}
	columns = binary.AppendUvarint(columns, uint64(size))
	for _, name := range d.names {
		columns = append(append(columns, name...), 0)
	}
	columns = appendCodes(columns, d.folds)
	for t, width := range tableWidths {
		columns = binary.AppendUvarint(columns, uint64(len(d.tables[t][0])))
		for f := range width {
			columns = appendCodes(columns, d.tables[t][f])
		}
	}
	columns = binary.AppendUvarint(columns, uint64(len(d.rows[0])))
	for _, column := range d.rows {
		columns = appendCodes(columns, column)
	}
	var packed bytes.Buffer
	if err := pack(&packed, columns); err != nil {
		return nil, fmt.Errorf("results: segment: %w", err)
	}
	out := []byte{segmentVersion}
	out = binary.AppendUvarint(out, uint64(len(columns)))
	out = binary.AppendUvarint(out, uint64(packed.Len()))
	out = append(out, packed.Bytes()...)
	out = binary.AppendUvarint(out, uint64(len(d.blocks)))
	for i := range d.blocks {
		b := &d.blocks[i]
		for _, v := range []int{int(b.first), int(b.count), b.size, len(b.packed)} {
			out = binary.AppendUvarint(out, uint64(v))
		}
		out = append(out, b.packed...)
	}
	return out, nil
}

// appendCodes writes codes with as many bytes each as the largest needs.
func appendCodes(out []byte, codes []uint32) []byte {
	all := uint32(0)
	for _, c := range codes {
		all |= c
	}
	switch {
	case all < 1<<8:
		out = append(out, 1)
		for _, c := range codes {
			out = append(out, byte(c))
		}
	case all < 1<<16:
		out = append(out, 2)
		for _, c := range codes {
			out = binary.LittleEndian.AppendUint16(out, uint16(c))
		}
	default:
		out = append(out, 4)
		for _, c := range codes {
			out = binary.LittleEndian.AppendUint32(out, c)
		}
	}
	return out
}

// input reads what encode wrote. After a failure it reads nothing more.
type input struct {
	data []byte
	bad  bool
}

func (in *input) number(limit int) int {
	v, n := binary.Uvarint(in.data)
	if n <= 0 || v > uint64(limit) {
		in.data, in.bad = nil, true
		return 0
	}
	in.data = in.data[n:]
	return int(v)
}

func (in *input) bytes(n int) []byte {
	if n > len(in.data) {
		in.data, in.bad = nil, true
		return nil
	}
	out := in.data[:n:n]
	in.data = in.data[n:]
	return out
}

// codes appends n codes to out.
func (in *input) codes(out []uint32, n int) []uint32 {
	width := in.bytes(1)
	if in.bad {
		return out
	}
	data := in.bytes(n * int(width[0]))
	if in.bad {
		return out
	}
	switch width[0] {
	case 1:
		for _, c := range data {
			out = append(out, uint32(c))
		}
	case 2:
		for i := 0; i+2 <= len(data); i += 2 {
			out = append(out, uint32(binary.LittleEndian.Uint16(data[i:])))
		}
	case 4:
		for i := 0; i+4 <= len(data); i += 4 {
			out = append(out, binary.LittleEndian.Uint32(data[i:]))
		}
	default:
		in.data, in.bad = nil, true
	}
	return out
}

// names appends n strings that share one piece of memory.
func (in *input) names(out []string, n, size int) []string {
	all := string(in.bytes(size))
	for range n {
		end := strings.IndexByte(all, 0)
		if end < 0 {
			in.data, in.bad = nil, true
			return out
		}
		out = append(out, all[:end])
		all = all[end+1:]
	}
	if all != "" {
		in.data, in.bad = nil, true
	}
	return out
}

// segment is an encoded segment, taken apart and unpacked but not looked through.
type segment struct {
	blocks  []block
	columns []byte // the unpacker's: valid until done
	*unpacker
}

// decodeSegment takes an encoded segment apart. Its blocks go on using data.
func decodeSegment(data []byte) (*segment, error) {
	in := &input{data: data}
	if version := in.bytes(1); in.bad || version[0] != segmentVersion {
		return nil, errSegment
	}
	size := in.number(maxColumnsBytes)
	packed := in.bytes(in.number(maxColumnsBytes))
	if in.bad {
		return nil, errSegment
	}
	s := &segment{}
	for range in.number(maxSegmentRows) {
		b := block{first: uint32(in.number(1 << 30)), count: uint32(in.number(maxSegmentRows)), size: in.number(maxBlockBytes)}
		b.packed = in.bytes(in.number(maxBlockBytes))
		if in.bad || b.count == 0 || int(b.count) > b.size {
			return nil, errSegment
		}
		s.blocks = append(s.blocks, b)
	}
	if in.bad || len(in.data) > 0 {
		return nil, errSegment
	}
	s.unpacker = unpackers.Get().(*unpacker)
	var err error
	if s.columns, err = s.unpack(packed, size); err != nil {
		s.done()
		return nil, err
	}
	return s, nil
}

// join puts a segment behind what the set has. After an error the set is of no use.
func (s *Set) join(next *segment) error {
	for _, b := range next.blocks {
		if b.first != s.texts {
			return errSegment
		}
		s.texts += b.count
	}
	s.blocks = append(s.blocks, next.blocks...)
	return s.addColumns(&input{data: next.columns})
}

func (s *Set) addColumns(in *input) error {
	n := in.number(maxColumnsBytes)
	s.names = in.names(s.names, n, in.number(maxColumnsBytes))
	s.folds = in.codes(s.folds, n)
	if in.bad || len(s.folds) != len(s.names) {
		return errSegment
	}
	for t, width := range tableWidths {
		n := in.number(maxColumnsBytes)
		for f := range width {
			s.tables[t][f] = in.codes(s.tables[t][f], n)
		}
	}
	rows := in.number(maxSegmentRows)
	for c := range s.rows {
		s.rows[c] = in.codes(s.rows[c], rows)
	}
	if in.bad || len(in.data) > 0 {
		return errSegment
	}
	return s.check(n, rows)
}

// check holds the last names, and all entries and rows, to what they may point at.
func (s *Set) check(names, rows int) error {
	for i := len(s.folds) - names; i < len(s.folds); i++ {
		if s.folds[i] > uint32(i) {
			return errSegment
		}
	}
	for t, width := range tableWidths {
		for f := range width {
			limit := len(s.names)
			switch {
			case f == keyFields[t]:
				limit = len(s.tables[t][f]) + 1
			case isText(t, f):
				limit = int(s.texts)
			}
			if above(s.tables[t][f][s.checked[t]:], limit) {
				return errSegment
			}
		}
		s.checked[t] = len(s.tables[t][0])
	}
	for c, column := range s.rows {
		limit := int(s.texts)
		if c < tableCount {
			limit = len(s.tables[c][0])
		}
		if above(column[len(column)-rows:], limit) {
			return errSegment
		}
	}
	return nil
}

func isText(table, field int) bool {
	for _, f := range textFields[table] {
		if f == field {
			return true
		}
	}
	return false
}

// above reports whether a code is limit or more.
func above(codes []uint32, limit int) bool {
	for _, c := range codes {
		if int(c) >= limit {
			return true
		}
	}
	return false
}
