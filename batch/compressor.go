package batch

import (
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// A Compressor compresses one batch. To make one takes as long as to read a
// thousand rows, for it has tables of all that the dictionary holds: so it is
// made beside other work, from [NewCompressor] on.
type Compressor struct {
	dictionary bool
	to         struct{ io.Writer } // the writer's, once there is one
	made       chan struct{}       // closed once the others are set
	zw         *zstd.Encoder
	err        error
}

// NewCompressor begins to make the compressor of a batch with the header, or
// with one that has the same features.
func NewCompressor(h *Header) *Compressor {
	c := &Compressor{dictionary: h.HasZstdDictionary(), made: make(chan struct{})}
	o := append(h.encoderOptions(), zstd.WithEncoderLevel(zstd.SpeedBetterCompression),
		zstd.WithWindowSize(maxWindow), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
	go func() {
		defer close(c.made)
		if c.zw, c.err = zstd.NewWriter(&c.to, o...); c.err != nil {
			c.err = fmt.Errorf("compress batch: %w", c.err)
		}
	}()
	return c
}

// Write compresses p.
func (c *Compressor) Write(p []byte) (int, error) {
	if <-c.made; c.err != nil {
		return 0, c.err
	}
	return c.zw.Write(p)
}

// Flush ends a block.
func (c *Compressor) Flush() error {
	if <-c.made; c.err != nil {
		return c.err
	}
	return c.zw.Flush()
}

// Close writes the rest.
func (c *Compressor) Close() error {
	if <-c.made; c.err != nil {
		return c.err
	}
	return c.zw.Close()
}
