package batch

import (
	"io"

	"github.com/klauspost/compress/zstd"
)

// frames compresses a stream into zstd frames, one after the other.
type frames struct {
	to      io.Writer
	options []zstd.EOption
	from    *Compressors // whence the compressor comes, and where it goes after each frame; nil: it is made here, and stays
	ready   *Compressor  // one that was made beforehand; nil: none was
	plain   bool         // a frame of a few bytes is not compressed: to set up the compressor takes longer than what it saves is worth
	zw      *reused
	inFrame bool   // the compressor has bytes of the frame under way
	few     []byte // all of it, if it has not
}

// maxPlain is how many bytes a frame has at most that is not compressed. Its length is one byte.
const maxPlain = 64

func (f *frames) Write(p []byte) (int, error) {
	if f.plain && !f.inFrame && len(f.few)+len(p) <= maxPlain {
		f.few = append(f.few, p...)
		return len(p), nil
	}
	if err := f.compress(); err != nil {
		return 0, err
	}
	return f.zw.Write(p)
}

// compress has the compressor take the frame under way.
func (f *frames) compress() (err error) {
	if f.inFrame {
		return nil
	}
	window := maxWindow
	switch {
	case f.from != nil:
		f.zw, window = f.from.take(len(f.options) > 0), sectionWindow
	case f.zw == nil && f.ready != nil:
		if f.zw, err = f.ready.take(); err != nil {
			return err
		}
	}
	if f.zw == nil {
		if f.zw, err = newReused(f.options, window); err != nil {
			return err
		}
	}
	f.inFrame = true
	f.zw.to.Writer = f.to
	f.zw.Reset(&f.zw.to)
	_, err = f.zw.Write(f.few)
	f.few = f.few[:0]
	return err
}

// Flush ends a block of the frame under way.
func (f *frames) Flush() error {
	if !f.inFrame {
		return nil
	}
	return f.zw.Flush()
}

// end ends the frame under way, if there is one. What is written next begins another.
func (f *frames) end() error {
	if f.inFrame {
		f.inFrame = false
		if err := f.zw.Close(); err != nil || f.from == nil {
			return err
		}
		f.from.give(len(f.options) > 0, f.zw)
		f.zw = nil
		return nil
	}
	if len(f.few) == 0 {
		return nil
	}
	n := byte(len(f.few))
	frame := append([]byte{0x28, 0xb5, 0x2f, 0xfd, 1 << 5, n, n<<3 | 1, n >> 5, 0}, f.few...) // one segment of n bytes; one block, the last, as it is
	f.few = f.few[:0]
	_, err := f.to.Write(frame)
	return err
}
