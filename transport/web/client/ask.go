package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/transport/web"
)

// List returns the node's mail, sorted by name.
func (c *Client) List(ctx context.Context) ([]transport.Entry, error) {
	var list []web.Mail
	err := c.retry(ctx, func() error {
		list = nil
		return c.ask(ctx, request{method: http.MethodGet, path: web.PathMail}, &list)
	})
	if err != nil {
		return nil, c.wrap("list", err)
	}
	var out []transport.Entry
	for _, m := range list {
		if transport.CheckName(m.Name) == nil && m.Size >= 0 {
			out = append(out, transport.Entry{Name: m.Name, Size: m.Size})
		}
	}
	slices.SortFunc(out, func(a, b transport.Entry) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Remove tells the hub that a mail has been taken.
func (c *Client) Remove(ctx context.Context, name string) error {
	if err := transport.CheckName(name); err != nil {
		return err
	}
	err := c.retry(ctx, func() error {
		return c.ask(ctx, request{method: http.MethodDelete, path: web.PathMail + "/" + name}, nil)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return c.wrap("remove "+name+" from", err)
}

// Health returns the hub's name. It asks without a signature.
func (c *Client) Health(ctx context.Context) (node string, err error) {
	var h struct{ Status, Node string }
	err = c.retry(ctx, func() error {
		return c.ask(ctx, request{method: http.MethodGet, path: web.PathHealth, unsigned: true}, &h)
	})
	if err == nil && (h.Status != "ok" || h.Node == "") {
		err = errNotOmsync
	}
	if err != nil {
		return "", c.wrap("ask", err)
	}
	return h.Node, nil
}

// Join sends a request to join, which is not signed here, and returns the answer. It is tried again only if the server
// cannot have seen it.
func (c *Client) Join(ctx context.Context, body []byte) ([]byte, error) {
	if len(body) > web.MaxJoin {
		return nil, fmt.Errorf("join: %d bytes are too many: at most %d", len(body), web.MaxJoin)
	}
	var out []byte
	err := c.retry(ctx, func() error {
		ctx, w := c.watch(ctx)
		defer w.stop()
		r, err := c.send(ctx, w, request{method: http.MethodPost, path: web.PathJoin, unsigned: true, length: int64(len(body)),
			body: func() io.Reader { return strings.NewReader(string(body)) }})
		var p *web.Problem
		if err != nil {
			if !isDialError(err) && !(errors.As(err, &p) && p.Status == http.StatusServiceUnavailable) {
				return &permanentError{err}
			}
			return err
		}
		defer r.Body.Close()
		if out, err = c.readBody(ctx, w, r); err != nil {
			return &permanentError{err}
		}
		return nil
	})
	if err != nil {
		return nil, c.wrap("join", err)
	}
	return out, nil
}

var errNotOmsync = errors.New("the answer is not omsync's: is the address right?")

// ask sends a request without a body and reads JSON.
func (c *Client) ask(ctx context.Context, rq request, into any) error {
	ctx, w := c.watch(ctx)
	defer w.stop()
	r, err := c.send(ctx, w, rq)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if into == nil {
		return nil
	}
	return c.decode(ctx, w, r, into)
}

// decode reads JSON.
func (c *Client) decode(ctx context.Context, w *watchdog, r *http.Response, into any) error {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		return errNotOmsync
	}
	body, err := c.readBody(ctx, w, r)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%w (%v)", errNotOmsync, err)
	}
	return nil
}

// readBody reads a small body.
func (c *Client) readBody(ctx context.Context, w *watchdog, r *http.Response) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(c.newBody(ctx, w, r.Body), maxAnswer+1))
	if err != nil {
		return nil, &transportError{w.cause(err)}
	}
	if len(body) > maxAnswer {
		return nil, errors.New("the answer is too long")
	}
	return body, nil
}
