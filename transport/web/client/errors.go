package client

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/omsync/omsync/transport"
	"github.com/omsync/omsync/transport/web"
)

// transportError is an error of the way to the server, not of the server.
type transportError struct{ err error }

func (e *transportError) Error() string { return e.err.Error() }
func (e *transportError) Unwrap() error { return e.err }

// permanentError is an error that another try does not mend.
type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// retryAfterError is a problem of a server that says when to come again.
type retryAfterError struct {
	*web.Problem
	after time.Duration
}

func (e *retryAfterError) Unwrap() error { return e.Problem }

// problemError returns the error of an answer that is no success.
func problemError(p *web.Problem, r *http.Response) error {
	if to := r.Header.Get("Location"); p.Status < 400 {
		return &permanentError{fmt.Errorf("the server has moved to %q: use that address", to)}
	}
	if p.Type == web.TypeMissing && p.Status == http.StatusNotFound {
		return &missingError{p}
	}
	if p.Status == http.StatusRequestedRangeNotSatisfiable {
		if n, err := strconv.ParseInt(strings.TrimPrefix(r.Header.Get("Content-Range"), "bytes */"), 10, 64); err == nil {
			return &rangeError{p, n}
		}
	}
	if s := r.Header.Get("Retry-After"); s != "" {
		if n, err := strconv.Atoi(s); err == nil && n >= 0 {
			return &retryAfterError{p, time.Duration(n) * time.Second}
		} else if at, err := http.ParseTime(s); err == nil {
			if date, err := http.ParseTime(r.Header.Get("Date")); err == nil && at.After(date) {
				return &retryAfterError{p, at.Sub(date)}
			}
		}
	}
	return p
}

// missingError is a problem that is also fs.ErrNotExist.
type missingError struct{ *web.Problem }

func (e *missingError) Unwrap() []error { return []error{e.Problem, fs.ErrNotExist} }

// rangeError is the answer to a range that is not in the file.
type rangeError struct {
	*web.Problem
	total int64 // bytes of the file
}

func (e *rangeError) Unwrap() error { return e.Problem }

// isDialError reports whether an error is that there was no connection, so that nothing was sent.
func isDialError(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// isTemporary reports whether another try may do better.
func isTemporary(err error) bool {
	var f *permanentError
	var l *transportError
	var p *web.Problem
	switch {
	case errors.As(err, &f):
		return false
	case errors.As(err, &l):
		return true
	case errors.As(err, &p):
		switch p.Status {
		case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable,
			http.StatusGatewayTimeout:
			return true
		}
		// Where answers are lost net/http sends a request again by itself, with its nonce.
		return p.Type == web.TypeCut || (p.Type == web.TypeOffset && p.Status == http.StatusConflict) ||
			(p.Type == web.TypeReplay && p.Status == http.StatusUnauthorized)
	}
	return false
}

// wrap names the store. What is over in a while is transport.ErrDown, no room transport.ErrFull.
func (c *Client) wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	var f *permanentError
	if errors.As(err, &f) {
		err = f.err
	}
	var p *web.Problem
	var l *transportError
	switch isProblem := errors.As(err, &p); {
	case isProblem && p.Status == http.StatusInsufficientStorage:
		return fmt.Errorf("%s %s: %w (%w)", what, c, transport.ErrFull, err)
	case errors.As(err, &l), isProblem && p.Status >= 502 && p.Status <= 504:
		return fmt.Errorf("%s %s: %w: %w", what, c, transport.ErrDown, err)
	}
	return fmt.Errorf("%s %s: %w", what, c, err)
}
