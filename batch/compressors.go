package batch

import (
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// sectionWindow is how many bytes the compression of sections, and of the rest of files that have them, looks back.
const sectionWindow = 1 << 20

// Compressors keep what compresses sections and files that have some, from one to the next: to set it up takes as long as to compress a thousand rows.
// They are safe for use by several goroutines, and hold some megabytes once they were used. The zero Compressors are ready for use.
type Compressors struct {
	mu   sync.Mutex
	free map[bool]*reused // with the compression dictionary and without
}

// reused is a compressor, and what it writes to.
type reused struct {
	*zstd.Encoder
	to target
}

// newReused makes a compressor that looks back so many bytes.
func newReused(options []zstd.EOption, window int) (*reused, error) {
	zw, err := zstd.NewWriter(nil, append(options, zstd.WithEncoderLevel(zstd.SpeedBetterCompression),
		zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))...)
	if err != nil {
		return nil, fmt.Errorf("compress batch: %w", err)
	}
	return &reused{Encoder: zw}, nil
}

// target passes on what is written, to a writer that can be let go.
type target struct{ io.Writer }

// take returns a compressor that is free; nil: there is none.
func (c *Compressors) take(dictionary bool) *reused {
	c.mu.Lock()
	defer c.mu.Unlock()
	zw := c.free[dictionary]
	delete(c.free, dictionary)
	return zw
}

// give takes back one whose frame has ended.
func (c *Compressors) give(dictionary bool, zw *reused) {
	zw.to.Writer = nil
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.free == nil {
		c.free = map[bool]*reused{}
	}
	c.free[dictionary] = zw
}

// NewWriter is [NewWriter] of a batch that may have sections.
func (c *Compressors) NewWriter(w io.Writer, h *Header, encrypt func(io.Writer) (io.WriteCloser, error), sign func(msg []byte) ([]byte, error)) (*Writer, error) {
	return newWriter(c, nil, w, h, encrypt, sign)
}
