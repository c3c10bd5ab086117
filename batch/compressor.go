package batch

// A Compressor compresses one batch. To make one takes as long as to read a
// thousand rows, for it has tables of all that the dictionary holds: so it is
// made beside other work, from [NewCompressor] on.
type Compressor struct {
	dictionary bool
	made       chan struct{} // closed once the others are set
	zw         *reused
	err        error
}

// NewCompressor begins to make the compressor of a batch with the header, or
// with one that has the same features.
func NewCompressor(h *Header) *Compressor {
	c := &Compressor{dictionary: h.HasZstdDictionary(), made: make(chan struct{})}
	go func() {
		defer close(c.made)
		if c.zw, c.err = newReused(h.encoderOptions(), maxWindow); c.err == nil {
			c.zw.Reset(&c.zw.to) // this makes the tables
		}
	}()
	return c
}

// take returns it once it is made.
func (c *Compressor) take() (*reused, error) {
	<-c.made
	return c.zw, c.err
}
