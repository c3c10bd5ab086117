package server

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/omsync/omsync/internal/nodename"
	"github.com/omsync/omsync/transport/web"
	"github.com/omsync/omsync/transport/web/httpsig"
)

// authenticate finds the node that signed the request, or says why it was not done by one. path is the whole of the path as the
// client sees it.
func (s *Server) authenticate(c *call, path string) error {
	r := c.r
	sig, err := httpsig.Parse(r.Header)
	if err != nil {
		return web.NewProblem(http.StatusUnauthorized, web.TypeSignature, "%v", err)
	}
	if to := r.Header.Get(httpsig.HeaderTo); to != s.o.Self {
		return web.NewProblem(http.StatusMisdirectedRequest, web.TypePeer,
			"this is %s, and the request is for another node: check the address of the hub", s.o.Self)
	}
	verify, refusal, err := s.findKey(r.Context(), sig.KeyID)
	if err != nil {
		return err
	}
	m := httpsig.Message{Method: r.Method, Path: path, Query: r.URL.RawQuery, Authority: r.Host, Length: r.ContentLength,
		Header: r.Header}
	if err := sig.Verify(m, verify); err != nil {
		return web.NewProblem(http.StatusUnauthorized, web.TypeSignature,
			"%s does not take the signature of %s: it does not know that node by this key (join it with omsync join, or have its people add this node's card), or something on the way changed the request (%v)",
			s.o.Self, sig.KeyID, err)
	}
	if refusal != nil {
		return refusal
	}
	c.node = sig.KeyID
	if err := s.checkFresh(sig); err != nil {
		return err
	}
	if r.ContentLength < 0 {
		return web.NewProblem(http.StatusLengthRequired, web.TypeRequest, "the request does not tell its length")
	}
	return nil
}

// findKey returns what verifies the signatures of a node, and what is answered to those that are good, if that is a refusal. A request that
// is not well signed hears the same whether there is such a node or not.
func (s *Server) findKey(ctx context.Context, node string) (verify func(msg, sig []byte) error, refusal, err error) {
	if nodename.Check(node) != nil {
		return nil, nil, web.NewProblem(http.StatusUnauthorized, web.TypeUnknown, "%q is no name of a node", node)
	}
	verify, err = s.o.Node(ctx, node)
	if p := (*web.Problem)(nil); errors.As(err, &p) && verify != nil {
		return verify, p, nil
	} else if gone := ctx.Err(); err != nil && gone != nil {
		return nil, nil, gone
	} else if err != nil || verify == nil {
		s.log.Error("look up node", "node", node, "error", err)
		return nil, nil, web.NewProblem(http.StatusServiceUnavailable, web.TypeBusy,
			"the server cannot look up nodes now: try again later")
	}
	return verify, nil, nil
}

// checkFresh sees that a request whose signature is good was made now, and is here for the first time.
func (s *Server) checkFresh(sig *httpsig.Signature) error {
	now := s.o.Now()
	start := s.start.by(now).Truncate(time.Second) // times in signatures are whole seconds
	if d := now.Sub(sig.Created); d.Abs() > httpsig.ClockSlack || sig.Created.Before(start) {
		return web.NewProblem(http.StatusUnauthorized, web.TypeClock,
			"the clock of %s differs from that of %s, where it is %s: set it", sig.KeyID, s.o.Self, now.UTC().Format(time.RFC3339))
	}
	switch fresh, tooMany := s.nonces.Use(sig.KeyID, sig.Nonce, now); {
	case tooMany:
		return web.NewProblem(http.StatusServiceUnavailable, web.TypeBusy,
			"%s sends too many requests: try again in some minutes", sig.KeyID)
	case !fresh:
		return web.NewProblem(http.StatusUnauthorized, web.TypeReplay, "this request was sent before")
	}
	return nil
}

// startTime is when the server started, by a clock that may be set.
type startTime struct {
	mu sync.Mutex
	at time.Time
}

// by returns that time by the clock that shows now: one that was ahead at the start would refuse everybody until it is there again.
func (s *startTime) by(now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now = now.Round(0); now.Before(s.at) {
		s.at = now
	}
	return s.at
}
