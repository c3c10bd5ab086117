package transport

import (
	"context"
	"io"
	"time"

	"golang.org/x/time/rate"
)

// limitChunk bounds what is moved at once, in bytes, so that a slow link is used evenly.
const limitChunk = 64 << 10

// Limit returns a store with the same files whose Get and Put move no more bytes than the limiter allows, both together, and
// together with whoever else uses the limiter. Its burst is how many bytes may go at once: 16 KiB and more are sensible, 0
// is an error. What is counted is the content of files: headers come on top, and what a bucket reads again, to send it
// again after an error, is counted again. A nil limiter changes nothing.
func Limit(s Store, l *rate.Limiter) Store {
	if l == nil {
		return s
	}
	return limitedStore{s, l}
}

type limitedStore struct {
	Store
	l *rate.Limiter
}

func (s limitedStore) Get(ctx context.Context, name string, offset int64) (io.ReadCloser, int64, error) {
	r, total, err := s.Store.Get(ctx, name, offset)
	if err != nil {
		return nil, 0, err
	}
	return &limitedReader{ctx, r, s.l}, total, nil
}

func (s limitedStore) Put(ctx context.Context, name string, r io.ReaderAt, size int64, progress func(done int64)) error {
	return s.Store.Put(ctx, name, &limitedReaderAt{ctx, r, s.l}, size, progress)
}

type limitedReader struct {
	ctx context.Context
	io.ReadCloser
	l *rate.Limiter
}

func (r *limitedReader) Read(p []byte) (int, error) {
	p = p[:min(len(p), chunkOf(r.l))]
	n, err := r.ReadCloser.Read(p)
	if e := wait(r.ctx, r.l, n); e != nil {
		return n, e
	}
	return n, err
}

type limitedReaderAt struct {
	ctx context.Context
	r   io.ReaderAt
	l   *rate.Limiter
}

func (r *limitedReaderAt) ReadAt(p []byte, at int64) (int, error) {
	var done int
	for done < len(p) {
		n, err := r.r.ReadAt(p[done:min(len(p), done+chunkOf(r.l))], at+int64(done))
		done += n
		if e := wait(r.ctx, r.l, n); e != nil {
			return done, e
		}
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// Unlimited returns the reader below one that a store's Put got through [Limit], and otherwise the reader itself. Stores read from
// it what they only compare and do not send.
func Unlimited(r io.ReaderAt) io.ReaderAt {
	if s, ok := r.(*limitedReaderAt); ok {
		return Unlimited(s.r)
	}
	return r
}

// chunkOf returns how many bytes may be asked for at once: a limiter refuses what is above its burst.
func chunkOf(l *rate.Limiter) int {
	if b := l.Burst(); b > 0 && b < limitChunk {
		return b
	}
	return limitChunk
}

// wait waits like the limiter's WaitN, which however gives up at once, and without context.DeadlineExceeded, if the context would
// end first.
func wait(ctx context.Context, l *rate.Limiter, n int) error {
	if err := ctx.Err(); err != nil || n == 0 {
		return err
	}
	r := l.ReserveN(time.Now(), n)
	if !r.OK() {
		return l.WaitN(ctx, n) // says why
	}
	delay := r.Delay()
	if delay == 0 {
		return nil
	}
	t := time.NewTimer(delay)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		r.Cancel()
		return ctx.Err()
	}
}
