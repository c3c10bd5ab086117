package web

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
)

// sending is a Put on its way.
type sending struct {
	c        *Client
	name     string
	r        io.ReaderAt
	size     int64
	progress func(done int64)
	mu       sync.Mutex
	told     int64 // what progress was told last

	digest  []byte
	id      string // of the upload; "": begin it
	at      int64  // how much the server has
	receipt *Receipt
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
	digest, err := tailDigest(r, size)
	if err != nil {
		return fmt.Errorf("put %s: read it: %w", name, err)
	}
	s := &sending{c: c, name: name, r: r, size: size, progress: progress, told: -1, digest: digest}
	t := c.tries()
	for best := int64(-1); s.receipt == nil; {
		err := s.step(ctx)
		if s.at > best {
			if best >= 0 {
				t.progress()
			}
			best = s.at
		}
		if err == nil {
			continue
		}
		if err := t.again(ctx, err); err != nil {
			return c.wrap("put "+name+" to", err)
		}
		// The server knows best how far it is.
		for s.id != "" {
			err := s.ask(ctx)
			if err == nil {
				break
			}
			if err := t.again(ctx, err); err != nil {
				return c.wrap("put "+name+" to", err)
			}
		}
		if s.at > best {
			t.progress()
			best = s.at
		}
	}
	s.tell(size)
	if c.o.Receipt != nil {
		c.o.Receipt(name, *s.receipt)
	}
	return nil
}

// step begins the upload, or sends all that is missing.
func (s *sending) step(ctx context.Context) error {
	if s.id == "" {
		return s.create(ctx)
	}
	return s.patch(ctx)
}

func (s *sending) tell(done int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.progress != nil && done > s.told {
		s.told = done
		s.progress(done)
	}
}

func tusHeader() http.Header { return http.Header{"Tus-Resumable": {tusVersion}} }

// create finds the upload on the server, or begins it.
func (s *sending) create(ctx context.Context) error {
	h := tusHeader()
	h.Set("Upload-Length", strconv.FormatInt(s.size, 10))
	h.Set("Upload-Metadata", "filename "+base64.StdEncoding.EncodeToString([]byte(s.name))+
		",digest "+base64.StdEncoding.EncodeToString(s.digest))
	w := s.c.watch(ctx)
	defer w.stop()
	nothing := func() io.Reader { return http.NoBody }
	r, err := s.c.send(w, request{method: http.MethodPost, path: "uploads", header: h, body: nothing})
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if err := s.standing(r); err != nil {
		return err
	}
	if s.at == s.size {
		return s.finish(w, r)
	}
	id := path.Base(r.Header.Get("Location"))
	if !isID(id) {
		return errNotOmsync
	}
	s.id = id
	return nil
}

// ask finds out how far the server is. An upload that it does not know, or has whole, is to be created again, which tells
// the rest.
func (s *sending) ask(ctx context.Context) error {
	w := s.c.watch(ctx)
	defer w.stop()
	r, err := s.c.send(w, request{method: http.MethodHead, path: "uploads/" + s.id, header: tusHeader()})
	if errors.Is(err, fs.ErrNotExist) {
		s.id = ""
		return nil
	} else if err != nil {
		return err
	}
	defer r.Body.Close()
	if err := s.standing(r); err != nil {
		return err
	}
	if s.at == s.size {
		s.id = ""
	}
	return nil
}

// standing reads how far the server is.
func (s *sending) standing(r *http.Response) error {
	at, err := strconv.ParseInt(r.Header.Get("Upload-Offset"), 10, 64)
	if err != nil || at < 0 || at > s.size {
		return errNotOmsync
	}
	s.at = at
	s.tell(at)
	return nil
}

func (s *sending) finish(w *watch, r *http.Response) error {
	var receipt Receipt
	if err := s.c.decode(w, r, &receipt); err != nil {
		return err
	}
	s.receipt = &receipt
	return nil
}

// patch sends what is missing, in one go.
func (s *sending) patch(ctx context.Context) error {
	from := s.at
	length := s.size - from
	h := tusHeader()
	h.Set("Content-Type", offsetType)
	h.Set("Expect", "100-continue") // a server that does not want it is spared the bytes
	h.Set("Upload-Offset", strconv.FormatInt(from, 10))
	if length <= smallBody {
		sum := sha256.New()
		if _, err := io.Copy(sum, io.NewSectionReader(s.r, from, length)); err != nil {
			return &final{fmt.Errorf("read %s: %w", s.name, err)}
		}
		d := httpsfv.NewDictionary()
		d.Add("sha-256", httpsfv.NewItem(sum.Sum(nil)))
		value, err := httpsfv.Marshal(d)
		if err != nil {
			return err
		}
		h.Set("Content-Digest", value)
	}
	w := s.c.watch(ctx)
	var g gate
	defer g.close()
	defer w.stop()
	src := &source{from: s.r}
	body := func() io.Reader {
		sent := from
		l := s.c.limit(w, io.NewSectionReader(src, from, length))
		l.gate = &g
		l.moved = func(n int) {
			sent += int64(n)
			s.tell(sent)
		}
		return l
	}
	r, err := s.c.send(w, request{method: http.MethodPatch, path: "uploads/" + s.id, header: h, length: length, body: body})
	if e := src.broken.Load(); e != nil && err != nil {
		return &final{fmt.Errorf("read %s: %w", s.name, *e)}
	}
	if errors.Is(err, fs.ErrNotExist) {
		s.id = ""
		return &lost{err}
	} else if err != nil {
		return err
	}
	defer r.Body.Close()
	if err := s.standing(r); err != nil {
		return err
	}
	if r.StatusCode == http.StatusOK && s.at == s.size {
		return s.finish(w, r)
	}
	if s.at <= from {
		return errNotOmsync
	}
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
