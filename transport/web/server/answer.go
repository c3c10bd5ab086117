package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"syscall"

	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/transport/web"
	"github.com/omsync/omsync/transport/web/upload"
)

// fail answers with a problem, if nothing was answered yet.
func (c *call) fail(err error) {
	p := toProblem(err)
	c.problem = p.Type
	if c.status != 0 {
		return
	}
	for _, h := range []string{"Content-Range", "Etag", "Accept-Ranges", "Last-Modified"} {
		c.Header().Del(h)
	}
	p.Write(c)
}

// json answers with a value.
func (c *call) json(status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	h := c.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.WriteHeader(status)
	c.Write(body)
	return nil
}

// toProblem returns the problem of an error: errors of the file system that their cause can be told of, and 500 without
// details for all others.
func toProblem(err error) *web.Problem {
	var p *web.Problem
	switch {
	case errors.As(err, &p):
		if p.Status < 400 || p.Status > 599 {
			p = &web.Problem{Status: http.StatusInternalServerError, Type: p.Type, Detail: p.Detail}
		}
		return p
	case errors.Is(err, upload.ErrFull), errors.Is(err, transport.ErrFull), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return web.NewProblem(http.StatusInsufficientStorage, web.TypeFull, "no room left on the server: free some space there")
	case errors.Is(err, upload.ErrShare):
		return web.NewProblem(http.StatusInsufficientStorage, web.TypeFull,
			"no room on the server for so much of one node: send smaller files, or free some space there")
	case errors.Is(err, transport.ErrTooLarge), errors.Is(err, syscall.EFBIG):
		return web.NewProblem(http.StatusRequestEntityTooLarge, web.TypeLarge, "the file is larger than the server's file system takes")
	}
	return web.NewProblem(http.StatusInternalServerError, web.TypeInternal, "the server cannot do this now: its log says why")
}
