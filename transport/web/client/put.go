package client

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/dunglas/httpsfv"

	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/transport/web"
)

// upload is a Put on its way.
type upload struct {
	c        *Client
	name     string
	r        io.ReaderAt
	size     int64
	digest   []byte
	progress func(done int64) // nil: none
	mu       sync.Mutex
	reported int64 // what progress was told last

	id      string       // of the upload; "": begin it
	offset  int64        // how much the server has
	receipt *web.Receipt // nil: the server has not all of it yet
}

// Put stores a file, from the byte on at which an earlier Put of the same file broke off, whoever broke it. progress is told
// what was sent.
func (c *Client) Put(ctx context.Context, name string, r io.ReaderAt, size int64, progress func(done int64)) error {
	if err := transport.CheckName(name); err != nil {
		return err
	}
	if size < 0 {
		return fmt.Errorf("put %s: a size of %d bytes", name, size)
	}
	digest, err := web.FileDigest(r, size)
	if err != nil {
		return fmt.Errorf("put %s: read it: %w", name, err)
	}
	u := &upload{c: c, name: name, r: r, size: size, digest: digest, progress: progress, reported: -1}
	if err := u.run(ctx); err != nil {
		return c.wrap("put "+name+" to", err)
	}
	u.report(size)
	if c.o.Receipt != nil {
		c.o.Receipt(name, *u.receipt)
	}
	return nil
}

// run sends until the server has all of the file. Every byte more that it has is progress: tries are counted anew.
func (u *upload) run(ctx context.Context) error {
	t := u.c.newRetries()
	best := int64(-1)
	count := func() {
		if u.offset > best {
			if best >= 0 {
				t.reset()
			}
			best = u.offset
		}
	}
	for u.receipt == nil {
		err := u.step(ctx)
		count()
		if err == nil {
			continue
		}
		if err := t.wait(ctx, err); err != nil {
			return err
		}
		if err := u.resume(ctx, t); err != nil {
			return err
		}
		count()
	}
	return nil
}

// step begins the upload, or sends all that is missing.
func (u *upload) step(ctx context.Context) error {
	if u.id == "" {
		return u.create(ctx)
	}
	return u.sendRest(ctx)
}

// resume finds out where to go on after an error: the server knows best how far it is.
func (u *upload) resume(ctx context.Context, t *retries) error {
	for u.id != "" {
		err := u.askOffset(ctx)
		if err == nil {
			return nil
		}
		if err := t.wait(ctx, err); err != nil {
			return err
		}
	}
	return nil
}

// report tells the caller how much is there; never less than before.
func (u *upload) report(done int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.progress != nil && done > u.reported {
		u.reported = done
		u.progress(done)
	}
}

func tusHeader() http.Header { return http.Header{"Tus-Resumable": {web.TusVersion}} }

// create finds the upload on the server, or begins it.
func (u *upload) create(ctx context.Context) error {
	h := tusHeader()
	h.Set("Upload-Length", strconv.FormatInt(u.size, 10))
	h.Set("Upload-Metadata", "filename "+base64.StdEncoding.EncodeToString([]byte(u.name))+
		",digest "+base64.StdEncoding.EncodeToString(u.digest))
	ctx, w := u.c.watch(ctx)
	defer w.stop()
	nothing := func() io.Reader { return http.NoBody }
	r, err := u.c.send(ctx, w, request{method: http.MethodPost, path: web.PathUploads, header: h, body: nothing})
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if err := u.readOffset(r); err != nil {
		return err
	}
	if u.offset == u.size {
		return u.readReceipt(ctx, w, r)
	}
	id := path.Base(r.Header.Get("Location"))
	if !web.IsUploadID(id) {
		return errNotOmsync
	}
	u.id = id
	return nil
}

// askOffset finds out how far the server is. An upload that it does not know, or has whole, is to be created again, which tells
// the rest.
func (u *upload) askOffset(ctx context.Context) error {
	ctx, w := u.c.watch(ctx)
	defer w.stop()
	r, err := u.c.send(ctx, w, request{method: http.MethodHead, path: web.PathUploads + "/" + u.id, header: tusHeader()})
	if errors.Is(err, fs.ErrNotExist) {
		u.id = ""
		return nil
	} else if err != nil {
		return err
	}
	defer r.Body.Close()
	if err := u.readOffset(r); err != nil {
		return err
	}
	if u.offset == u.size {
		u.id = ""
	}
	return nil
}

// readOffset reads from an answer how far the server is.
func (u *upload) readOffset(r *http.Response) error {
	at, err := strconv.ParseInt(r.Header.Get("Upload-Offset"), 10, 64)
	if err != nil || at < 0 || at > u.size {
		return errNotOmsync
	}
	u.offset = at
	u.report(at)
	return nil
}

func (u *upload) readReceipt(ctx context.Context, w *watchdog, r *http.Response) error {
	var receipt web.Receipt
	if err := u.c.decode(ctx, w, r, &receipt); err != nil {
		return err
	}
	u.receipt = &receipt
	return nil
}

// sendRest sends what is missing, in one go.
func (u *upload) sendRest(ctx context.Context) error {
	from := u.offset
	length := u.size - from
	h := tusHeader()
	h.Set("Content-Type", web.OffsetType)
	h.Set("Expect", "100-continue") // a server that does not want it is spared the bytes
	h.Set("Upload-Offset", strconv.FormatInt(from, 10))
	if length <= web.MaxDigested {
		if err := u.setDigest(h, from); err != nil {
			return err
		}
	}
	ctx, w := u.c.watch(ctx)
	var g gate
	defer g.close()
	defer w.stop()
	src := &source{from: u.r}
	newBody := func() io.Reader {
		sent := from
		b := u.c.newBody(ctx, w, io.NewSectionReader(src, from, length))
		b.gate = &g
		b.moved = func(n int) {
			sent += int64(n)
			u.report(sent)
		}
		return b
	}
	r, err := u.c.send(ctx, w, request{method: http.MethodPatch, path: web.PathUploads + "/" + u.id, header: h, length: length,
		body: newBody})
	if e := src.broken.Load(); e != nil && err != nil {
		return &permanentError{fmt.Errorf("read %s: %w", u.name, *e)}
	}
	if errors.Is(err, fs.ErrNotExist) {
		u.id = ""
		return &transportError{err}
	} else if err != nil {
		return err
	}
	defer r.Body.Close()
	if err := u.readOffset(r); err != nil {
		return err
	}
	if r.StatusCode == http.StatusOK && u.offset == u.size {
		return u.readReceipt(ctx, w, r)
	}
	if u.offset <= from {
		return errNotOmsync
	}
	return nil
}

// setDigest sets the digest of the rest of the file (RFC 9530).
func (u *upload) setDigest(h http.Header, from int64) error {
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(u.r, from, u.size-from)); err != nil {
		return &permanentError{fmt.Errorf("read %s: %w", u.name, err)}
	}
	d := httpsfv.NewDictionary()
	d.Add("sha-256", httpsfv.NewItem(sum.Sum(nil)))
	value, err := httpsfv.Marshal(d)
	if err != nil {
		return err
	}
	h.Set("Content-Digest", value)
	return nil
}

// source keeps the error of the file that is sent apart from those of the way.
type source struct {
	from   io.ReaderAt
	broken atomic.Pointer[error]
}

func (s *source) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.from.ReadAt(p, off)
	if n < len(p) && err != nil {
		if err == io.EOF { // shorter than its size
			err = io.ErrUnexpectedEOF
		}
		s.broken.Store(&err)
	}
	return n, err
}
