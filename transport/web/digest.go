package web

import (
	"crypto/sha256"
	"encoding/binary"
	"io"
)

// tailSize is how many bytes at the end of a file its digest covers.
const tailSize = 4096

// FileDigest returns what tells one file from another of the same name: the SHA-256 of its size, 8 bytes big-endian, and of
// its last 4 KiB, in which batches have their signature. A file that is shorter than size is io.ErrUnexpectedEOF.
func FileDigest(r io.ReaderAt, size int64) ([]byte, error) {
	n := min(size, tailSize)
	tail := make([]byte, n)
	if got, err := r.ReadAt(tail, size-n); int64(got) < n {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	h := sha256.New()
	binary.Write(h, binary.BigEndian, size)
	h.Write(tail)
	return h.Sum(nil), nil
}
