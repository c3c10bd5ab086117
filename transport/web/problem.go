package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"syscall"

	"github.com/omsync/omsync/transport"
)

// A Problem is an error that travels: the server answers it (RFC 9457), the client returns it.
type Problem struct {
	Status int    `json:"status"` // HTTP status
	Type   string `json:"type"`   // a short word for programs, such as "clock"
	Detail string `json:"detail"` // a sentence for people
}

// Error is the problem's Detail.
func (p *Problem) Error() string { return p.Detail }

// headerProblem repeats the type, for answers to HEAD, which have no body.
const headerProblem = "Omsync-Problem"

const problemType = "application/problem+json"

func problem(status int, kind, format string, args ...any) *Problem {
	return &Problem{status, kind, fmt.Sprintf(format, args...)}
}

// write answers the problem. All that is worth another try soon says so.
func (p *Problem) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", problemType)
	h.Set("Cache-Control", "no-store")
	h.Set(headerProblem, p.Type)
	if p.Status == http.StatusServiceUnavailable && h.Get("Retry-After") == "" {
		h.Set("Retry-After", "1")
	}
	body, err := json.Marshal(p)
	if err != nil {
		body = nil
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.Status)
	w.Write(body)
}

// asProblem makes a problem of an error: errors of the file system that their cause can be told of, and 500 without
// details for all others.
func asProblem(err error) *Problem {
	var p *Problem
	switch {
	case errors.As(err, &p):
		if p.Status < 400 || p.Status > 599 {
			p = &Problem{http.StatusInternalServerError, p.Type, p.Detail}
		}
		return p
	case errors.Is(err, transport.ErrFull), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return problem(http.StatusInsufficientStorage, "full", "no room left on the server: free some space there")
	case errors.Is(err, transport.ErrTooLarge), errors.Is(err, syscall.EFBIG):
		return problem(http.StatusRequestEntityTooLarge, "large", "the file is larger than the server's file system takes")
	}
	return problem(http.StatusInternalServerError, "internal", "the server cannot do this now: its log says why")
}

// readProblem makes a problem of an answer that is no success. Of answers that are not omsync's, such as a proxy's, it
// keeps the status.
func readProblem(r *http.Response) *Problem {
	p := &Problem{Type: r.Header.Get(headerProblem)}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind == problemType {
		if body, err := io.ReadAll(io.LimitReader(r.Body, 64<<10)); err == nil {
			json.Unmarshal(body, p)
		}
	}
	p.Status = r.StatusCode
	p.Detail = strings.Map(printable, p.Detail)
	if p.Detail == "" {
		p.Detail = fmt.Sprintf("the server answers %d %s", r.StatusCode, http.StatusText(r.StatusCode))
	}
	return p
}

// printable keeps what another computer says from steering the terminal.
func printable(r rune) rune {
	if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
		return ' '
	}
	return r
}
