package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/transport/web"
)

// outbox opens a node's mail; nil: there is none.
func (s *Server) outbox(node string) (*transport.Folder, error) {
	f, err := s.o.Outbox(node)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return f, err
}

// mail lists what waits for a node. Files whose names omsync does not give are somebody else's.
func (s *Server) mail(ctx context.Context, node string, inline bool) ([]web.Mail, error) {
	out := []web.Mail{}
	f, err := s.outbox(node)
	if f == nil || err != nil {
		return out, err
	}
	defer f.Close()
	list, err := f.List(ctx)
	if err != nil {
		return nil, err
	}
	var sum int64
	for _, e := range list {
		if transport.CheckName(e.Name) != nil {
			continue
		}
		m := web.Mail{Name: e.Name, Size: e.Size}
		if inline && e.Size <= web.MaxInline && sum+e.Size <= web.MaxInlineAll {
			if m.Data, err = readAll(ctx, f, e); errors.Is(err, fs.ErrNotExist) {
				continue
			}
			sum += int64(len(m.Data))
		}
		out = append(out, m)
	}
	return out, nil
}

// readAll reads a small file. What cannot be read whole is left for the node to ask for.
func readAll(ctx context.Context, f *transport.Folder, e transport.Entry) ([]byte, error) {
	r, _, err := f.Open(ctx, e.Name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, web.MaxInline+1))
	if err != nil || int64(len(data)) != e.Size {
		return nil, nil
	}
	return data, nil
}

// listMail answers with the names of what waits for the node.
func (s *Server) listMail(c *call, _ string) error {
	ctx := c.r.Context()
	if s.o.Listing != nil {
		c.during(func() { s.o.Listing(ctx, c.node) })
	}
	list, err := s.mail(ctx, c.node, false)
	if err != nil {
		return fmt.Errorf("mail of %s: %w", c.node, err)
	}
	return c.json(http.StatusOK, list)
}

func noMail(name string) error {
	return web.NewProblem(http.StatusNotFound, web.TypeMissing, "there is no mail %s", name)
}

// getMail answers with a file, or a range of it.
func (s *Server) getMail(c *call, name string) error {
	if err := transport.CheckName(name); err != nil {
		return web.NewProblem(http.StatusBadRequest, web.TypeName, "%v", err)
	}
	if strings.Contains(c.r.Header.Get("Range"), ",") {
		return web.NewProblem(http.StatusBadRequest, web.TypeRequest, "ask for one range")
	}
	f, err := s.outbox(c.node)
	if err != nil {
		return fmt.Errorf("mail of %s: %w", c.node, err)
	} else if f == nil {
		return noMail(name)
	}
	defer f.Close()
	r, size, err := f.Open(c.r.Context(), name)
	if errors.Is(err, fs.ErrNotExist) {
		return noMail(name)
	} else if err != nil {
		return err
	}
	defer r.Close()
	h := c.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Cache-Control", "no-store")
	if info, err := r.Stat(); err == nil { // tells one file of the name from the next
		h.Set("Etag", fmt.Sprintf(`"%x-%x"`, size, info.ModTime().UnixNano()))
	}
	http.ServeContent(c, c.r, "", time.Time{}, r)
	return nil
}

// takeMail removes a file that the node has.
func (s *Server) takeMail(c *call, name string) error {
	if err := transport.CheckName(name); err != nil {
		return web.NewProblem(http.StatusBadRequest, web.TypeName, "%v", err)
	}
	// Who takes a file away may store it again.
	if err := s.uploads.Forget(c.node, name); err != nil {
		return err
	}
	f, err := s.outbox(c.node)
	if err != nil {
		return fmt.Errorf("mail of %s: %w", c.node, err)
	}
	if f != nil {
		defer f.Close()
		if err := f.Remove(c.r.Context(), name); err != nil {
			return err
		}
	}
	if s.o.Taken != nil {
		s.o.Taken(c.r.Context(), c.node, name)
	}
	c.WriteHeader(http.StatusNoContent)
	return nil
}
