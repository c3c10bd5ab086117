package batch

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"unicode/utf8"
)

// Items use five CBOR forms (RFC 8949): unsigned integers, byte strings, text
// strings, arrays and null, each of definite length and with the shortest
// head. They are read and written straight from and to the stream, so that
// every length is checked before anything is allocated for it.
const (
	majorUint  = 0
	majorBytes = 2
	majorText  = 3
	majorArray = 4
	null       = 0xf6
)

// compressor is what a zstd.Encoder does here; Flush ends a block.
type compressor interface {
	io.Writer
	Flush() error
}

// out writes items to the compressor. Its errors stick.
type out struct {
	zw    compressor
	b     []byte
	class int // of the last long plane
	err   error
}

const outBuffer = 64 << 10

func (o *out) head(major byte, v uint64) {
	if len(o.b) > outBuffer {
		o.flush()
	}
	m := major << 5
	switch {
	case v < 24:
		o.b = append(o.b, m|byte(v))
	case v < 1<<8:
		o.b = append(o.b, m|24, byte(v))
	case v < 1<<16:
		o.b = binary.BigEndian.AppendUint16(append(o.b, m|25), uint16(v))
	case v < 1<<32:
		o.b = binary.BigEndian.AppendUint32(append(o.b, m|26), uint32(v))
	default:
		o.b = binary.BigEndian.AppendUint64(append(o.b, m|27), v)
	}
}

func (o *out) uint(v uint64) { o.head(majorUint, v) }
func (o *out) array(n int)   { o.head(majorArray, uint64(n)) }
func (o *out) null()         { o.b = append(o.b, null) }

// list opens an array of a type or encoding number and its numeric fields, n
// elements in all.
func (o *out) list(n int, fields ...uint64) {
	o.array(n)
	for _, f := range fields {
		o.uint(f)
	}
}

func (o *out) text(s string) {
	o.head(majorText, uint64(len(s)))
	o.b = append(o.b, s...)
}

func (o *out) bytes(b []byte) {
	o.head(majorBytes, uint64(len(b)))
	o.raw(b)
}

// raw writes bytes whose head is out already; large ones are not copied.
func (o *out) raw(b []byte) {
	if len(b) < outBuffer {
		o.b = append(o.b, b...)
		return
	}
	o.flush()
	if o.err == nil {
		_, o.err = o.zw.Write(b)
	}
}

func (o *out) flush() {
	if o.err == nil && len(o.b) > 0 {
		_, o.err = o.zw.Write(o.b)
	}
	o.b = o.b[:0]
}

// in reads items. Its errors stick, and every method then returns zero.
type in struct {
	r       *bufio.Reader
	below   *source
	budget  int // bytes that the values of the present item may still have
	room    int // what that was when the item began
	numbers int // numbers in the series of the item
	err     error
}

// spend takes n bytes of values from the budget of the item.
func (d *in) spend(n int) {
	if d.budget -= n; d.budget < 0 {
		d.fail("%w", excessive("a block and the keys before it have more than %d bytes", MaxHeld))
	}
}

// size is about how many bytes the present item holds.
func (d *in) size() int { return 1024 + d.room - d.budget + 16*d.numbers }

func (d *in) fail(format string, args ...any) {
	if d.err == nil {
		d.err = corrupt(fmt.Errorf(format, args...))
	}
}

// corrupt makes an error an ErrCorrupt, unless it is one.
func corrupt(err error) error {
	if errors.Is(err, ErrCorrupt) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

// source remembers the error of a reader that a decompressor reads from.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// stop keeps an error of the stream: that of the file or its encryption if
// there was one, else what the decompressor found.
func (d *in) stop(err error) {
	switch {
	case d.err != nil:
	case d.below != nil && d.below.err != nil:
		d.err = fmt.Errorf("read batch: %w", d.below.err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		d.err = fmt.Errorf("%w: no end", ErrTruncated)
	default:
		d.err = corrupt(err)
	}
}

func (d *in) byte() byte {
	if d.err != nil {
		return 0
	}
	b, err := d.r.ReadByte()
	if err != nil {
		d.stop(err)
		return 0
	}
	return b
}

func (d *in) head(major byte) uint64 {
	first := d.byte()
	if d.err != nil {
		return 0
	}
	if first>>5 != major {
		d.fail("CBOR major type %d where %d is due", first>>5, major)
		return 0
	}
	info := first & 31
	if info < 24 {
		return uint64(info)
	}
	if info > 27 {
		d.fail("CBOR head 0x%02x is not of a definite length", first)
		return 0
	}
	n := 1 << (info - 24)
	var v uint64
	for range n {
		v = v<<8 | uint64(d.byte())
	}
	if shortest := [...]uint64{24, 1 << 8, 1 << 16, 1 << 32}[info-24]; v < shortest {
		d.fail("CBOR head longer than it need be")
		return 0
	}
	return v
}

// uint reads an integer that must not be above limit.
func (d *in) uint(what string, limit uint64) uint64 {
	v := d.head(majorUint)
	if v > limit {
		d.fail("%s %d is above %d", what, v, limit)
		return 0
	}
	return v
}

// array reads the head of an array of between lo and hi elements.
func (d *in) array(what string, lo, hi int) int {
	v := d.head(majorArray)
	if d.err == nil && (v < uint64(lo) || v > uint64(hi)) {
		d.fail("%s has %d elements, not %d to %d", what, v, lo, hi)
	}
	if d.err != nil {
		return 0
	}
	return int(v)
}

func (d *in) text(what string, limit int) string {
	n := d.head(majorText)
	if n > uint64(limit) {
		d.fail("%s is longer than %d bytes", what, limit)
	}
	b := d.read(int(min(n, uint64(limit))))
	if !utf8.Valid(b) {
		d.fail("%s is not UTF-8", what)
		return ""
	}
	return string(b)
}

// bytes reads a byte string that must have n bytes.
func (d *in) bytes(what string, n int) []byte {
	v := d.head(majorBytes)
	if v != uint64(n) {
		d.fail("%s has %d bytes, not %d", what, v, n)
	}
	return d.read(n)
}

// value reads a byte string of up to limit bytes, or null as nil.
func (d *in) value(what string, limit int) []byte {
	if d.null() {
		return nil
	}
	v := d.head(majorBytes)
	if v > uint64(limit) {
		d.fail("%s has %d bytes, more than %d", what, v, limit)
		return nil
	}
	return d.read(int(v))
}

// null reads a null if there is one.
func (d *in) null() bool {
	if d.err != nil {
		return false
	}
	b, err := d.r.Peek(1)
	if err != nil {
		d.stop(err)
		return false
	}
	if b[0] != null {
		return false
	}
	d.byte()
	return true
}

// readStep is what is allocated ahead of the bytes that fill it. A value that is longer than collectAbove is a good part of all memory that a
// program may have here: what was left behind is collected before the value is read, since the runtime allocates faster than it collects.
const (
	readStep     = 1 << 20
	collectAbove = 16 << 20
)

// read reads n bytes. A stream that ends early costs no more memory than what
// it held.
func (d *in) read(n int) []byte {
	if d.err != nil {
		return nil
	}
	b := make([]byte, min(n, readStep))
	for have := 0; ; {
		m, err := io.ReadFull(d.r, b[have:])
		have += m
		if err != nil {
			d.stop(err)
			return nil
		}
		if have == n {
			return b
		}
		more := make([]byte, min(n, 4*have))
		copy(more, b)
		b = more
		if len(b) > collectAbove {
			runtime.GC()
		}
	}
}
