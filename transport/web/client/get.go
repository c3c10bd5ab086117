package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/transport/web"
)

// Get returns a mail from an offset in bytes to its end, and the size of the whole. When the link breaks the reader goes on by
// itself, so far as Tries allow; ctx is for all of it.
func (c *Client) Get(ctx context.Context, name string, offset int64) (io.ReadCloser, int64, error) {
	if err := transport.CheckName(name); err != nil {
		return nil, 0, err
	}
	if offset < 0 {
		return nil, 0, fmt.Errorf("get %s: an offset of %d bytes", name, offset)
	}
	d := &download{c: c, ctx: ctx, name: name, at: offset, total: -1, retries: c.newRetries()}
	for {
		err := d.open()
		if err == nil {
			return d, d.total, nil
		}
		if err := d.retries.wait(ctx, err); err != nil {
			return nil, 0, c.wrap("get "+name+" from", err)
		}
	}
}

// download is a mail that is being read.
type download struct {
	c       *Client
	ctx     context.Context // of the Get: a Read has none of its own
	name    string
	at      int64
	total   int64  // -1: not known yet
	etag    string // of the file that the first answer was about
	retries *retries
	w       *watchdog
	body    io.ReadCloser // nil: the link is broken
	limited io.Reader     // body
	err     error         // how it ended
}

var errChanged = &permanentError{errors.New("the file has changed on the server meanwhile: read it again from its beginning")}

// open asks for the rest.
func (d *download) open() error {
	ctx, w := d.c.watch(d.ctx)
	rq := request{method: http.MethodGet, path: web.PathMail + "/" + d.name, header: http.Header{}}
	if d.at > 0 {
		rq.header.Set("Range", fmt.Sprintf("bytes=%d-", d.at))
	}
	r, err := d.c.send(ctx, w, rq)
	if err != nil {
		w.stop()
		return d.beyond(err)
	}
	err = d.begin(ctx, w, r)
	if err != nil {
		r.Body.Close()
		w.stop()
		return err
	}
	w.pause()
	d.w, d.body, d.limited = w, r.Body, d.c.newBody(ctx, w, r.Body)
	return nil
}

// beyond is for an offset at the end, or after it: 416, with the size in Content-Range.
func (d *download) beyond(err error) error {
	var e *rangeError
	if !errors.As(err, &e) || (d.total >= 0 && e.total != d.total) {
		return err
	}
	if e.total != d.at {
		return &permanentError{fmt.Errorf("byte %d is after the end of %s, which has %d", d.at, d.name, e.total)}
	}
	d.total, d.err = e.total, io.EOF
	return nil
}

// begin finds out what an answer has. One that begins at the beginning is skipped up to the offset.
func (d *download) begin(ctx context.Context, w *watchdog, r *http.Response) error {
	start, total := int64(0), r.ContentLength
	if r.StatusCode == http.StatusPartialContent {
		var ok bool
		if start, total, ok = contentRange(r.Header.Get("Content-Range")); !ok || start != d.at {
			return errNotOmsync
		}
	} else if r.StatusCode != http.StatusOK || total < 0 {
		return errNotOmsync
	}
	etag := r.Header.Get("Etag")
	if d.total >= 0 && (total != d.total || etag != d.etag) {
		return errChanged
	}
	if d.at > total {
		return &permanentError{fmt.Errorf("byte %d is after the end of %s, which has %d", d.at, d.name, total)}
	}
	d.total, d.etag = total, etag
	if start < d.at {
		if _, err := io.CopyN(io.Discard, d.c.newBody(ctx, w, r.Body), d.at-start); err != nil {
			return &transportError{w.cause(err)}
		}
	}
	return nil
}

// contentRange reads "bytes 5-9/10" (RFC 9110, section 14.4).
func contentRange(s string) (start, total int64, ok bool) {
	s, ok = strings.CutPrefix(s, "bytes ")
	span, all, ok2 := strings.Cut(s, "/")
	from, _, ok3 := strings.Cut(span, "-")
	start, err := strconv.ParseInt(from, 10, 64)
	total, err2 := strconv.ParseInt(all, 10, 64)
	return start, total, ok && ok2 && ok3 && err == nil && err2 == nil && start >= 0 && total >= start
}

// Read reads on, over breaks of the link.
func (d *download) Read(p []byte) (int, error) {
	for {
		if d.err != nil {
			return 0, d.err
		}
		if len(p) == 0 {
			return 0, nil
		}
		var err error
		if d.body == nil {
			err = d.open()
		}
		if err == nil && d.err == nil {
			var n int
			n, err = d.limited.Read(p)
			d.w.pause() // until the next Read: it may be a while
			if n > 0 {
				d.at += int64(n)
				d.retries.reset()
			}
			if err == io.EOF && d.at == d.total {
				d.err = io.EOF
			} else if err != nil {
				err = &transportError{d.w.cause(err)}
				d.drop()
			}
			if n > 0 {
				return n, nil
			}
		}
		if err == nil || d.err != nil {
			continue
		}
		if err := d.retries.wait(d.ctx, err); err != nil {
			d.err = d.c.wrap("get "+d.name+" from", err)
		}
	}
}

func (d *download) drop() {
	if d.body != nil {
		d.w.stop()
		d.body.Close()
		d.body = nil
	}
}

// Close ends the reading.
func (d *download) Close() error {
	d.drop()
	if d.err == nil {
		d.err = errors.New("read of a closed file")
	}
	return nil
}
