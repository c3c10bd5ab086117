package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/omsync/omsync/transport"
)

// List returns the batch files right under the prefix, see transport.Store.
func (s *Store) List(ctx context.Context) ([]transport.Entry, error) {
	var out []transport.Entry
	for o := range s.core.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix}) {
		if o.Err != nil {
			return nil, s.wrap(ctx, "list", o.Err)
		}
		name, ok := strings.CutPrefix(o.Key, s.prefix)
		if !ok || transport.CheckStored(name) != nil { // those below end in a slash
			continue
		}
		out = append(out, transport.Entry{Name: name, Size: o.Size})
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b transport.Entry) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Get returns a file from an offset to its end, see transport.Store. It takes every name that List shows.
func (s *Store) Get(ctx context.Context, name string, offset int64) (io.ReadCloser, int64, error) {
	if err := transport.CheckStored(name); err != nil {
		return nil, 0, err
	}
	what := "read " + name + " in"
	if offset < 0 {
		return nil, 0, s.wrap(ctx, what, fmt.Errorf("there is nothing at %d", offset))
	}
	var o minio.GetObjectOptions
	o.Set("Accept-Encoding", "identity")
	if offset > 0 {
		o.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	body, info, header, err := s.core.GetObject(ctx, s.bucket, s.prefix+name, o)
	if errorCode(err) == minio.InvalidRange { // RFC 9110 14.1.2: also for what begins at the end
		info, err := s.core.StatObject(ctx, s.bucket, s.prefix+name, minio.StatObjectOptions{})
		switch {
		case err != nil:
			return nil, 0, s.wrap(ctx, what, err)
		case info.Size != offset:
			return nil, 0, s.wrap(ctx, what, fmt.Errorf("it has %d bytes, none at %d", info.Size, offset))
		}
		return io.NopCloser(strings.NewReader("")), offset, nil
	}
	if err != nil {
		return nil, 0, s.wrap(ctx, what, err)
	}
	r := &reader{ctx, s, what, body}
	total := info.Size
	if offset > 0 {
		total, err = s.skip(r, header.Get("Content-Range"), offset, info.Size)
	} else if total < 0 {
		err = errors.New("the server does not tell its size")
	}
	if err != nil {
		body.Close()
		return nil, 0, s.wrap(ctx, what, err)
	}
	return r, total, nil
}

// skip sees that an answer begins at an offset. Proxies may have left the range away.
func (s *Store) skip(r io.Reader, contentRange string, offset, length int64) (total int64, err error) {
	if contentRange == "" {
		if length < offset {
			return 0, fmt.Errorf("it has %d bytes, none at %d", length, offset)
		}
		_, err := io.CopyN(io.Discard, r, offset)
		return length, err
	}
	rest, ok := strings.CutPrefix(contentRange, fmt.Sprintf("bytes %d-", offset))
	_, size, found := strings.Cut(rest, "/")
	total, err = strconv.ParseInt(size, 10, 64)
	if !ok || !found || err != nil || total < offset {
		return 0, fmt.Errorf("the server sent %q instead of what is behind byte %d", contentRange, offset)
	}
	return total, nil
}

// reader explains a link that breaks.
type reader struct {
	ctx  context.Context
	s    *Store
	what string
	body io.ReadCloser
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	if err != nil && err != io.EOF {
		if e := r.ctx.Err(); e != nil {
			return n, e
		}
		return n, fmt.Errorf("%s %s: %w: %w", r.what, r.s, transport.ErrDown, err)
	}
	return n, err
}

func (r *reader) Close() error { return r.body.Close() }

// Remove takes a file away, see transport.Store. It takes every name that List shows. In a bucket that keeps versions the
// old one stays behind a mark.
func (s *Store) Remove(ctx context.Context, name string) error {
	if err := transport.CheckStored(name); err != nil {
		return err
	}
	err := s.wrap(ctx, "remove "+name+" from", s.core.RemoveObject(ctx, s.bucket, s.prefix+name, minio.RemoveObjectOptions{}))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
