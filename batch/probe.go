package batch

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
)

const (
	probeFrom   = 1 << 20 // bytes: a smaller file is hashed as fast as it is probed
	probePlaces = 64
	probeLength = 64 // bytes at each place
)

// Probe looks at a few places of a file, drawn anew each time, for what no ciphertext has: 64 bytes of zeros. So a file that has only
// the size of a batch, since most of it was never written, is told from one in no time, where hashing it would take minutes. nil means
// that nothing was found; whether the file is a batch its signature says. Errors: ErrCorrupt, or those of f.
func Probe(f io.ReaderAt, size int64) error {
	if size < probeFrom {
		return nil
	}
	var head [5]byte
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, size), head[:]); err != nil {
		return fmt.Errorf("read batch: %w", err)
	}
	start, end := 5+int64(binary.BigEndian.Uint32(head[1:])), size-SignatureSize
	if head[0] != Version || end-start < probeFrom/2 {
		return nil // what else it is, or is not, its header tells
	}
	for i := range probePlaces {
		at := end - probeLength
		if i > 0 {
			at = start + rand.Int64N(end-start-probeLength)
		}
		var b [probeLength]byte
		if _, err := io.ReadFull(io.NewSectionReader(f, at, probeLength), b[:]); err != nil {
			return fmt.Errorf("read batch: %w", err)
		}
		if b == [probeLength]byte{} {
			return fmt.Errorf("%w: there is nothing but zeros at byte %d", ErrCorrupt, at)
		}
	}
	return nil
}
