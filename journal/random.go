package journal

import (
	"crypto/rand"
	"encoding/binary"
)

// Random returns a number for a token, a history or a link: never 0.
func Random() uint64 {
	var b [8]byte
	for {
		rand.Read(b[:])
		if n := binary.BigEndian.Uint64(b[:]); n != 0 {
			return n
		}
	}
}

// chunk is how many rows go into one statement.
const chunk = 1000

func chunks[T any](s []T, f func([]T) error) error {
	for len(s) > 0 {
		n := min(chunk, len(s))
		if err := f(s[:n]); err != nil {
			return err
		}
		s = s[n:]
	}
	return nil
}
