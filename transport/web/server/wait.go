package server

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/omsync/omsync/transport/web"
)

// lookAgain is how often a request that waits looks for mail by itself: other programs than this one put files there, too.
const lookAgain = 5 * time.Second

// waits are the requests that wait for mail, by node. Each is woken by a word on its channel.
type waits struct {
	mu sync.Mutex
	of map[string][]chan struct{}
}

func (w *waits) enter(node string) (woken <-chan struct{}, leave func(), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of == nil {
		w.of = map[string][]chan struct{}{}
	}
	if len(w.of[node]) >= web.MaxWaits {
		return nil, nil, web.NewProblem(http.StatusServiceUnavailable, web.TypeBusy, "%s waits for its mail already: is it there twice?", node)
	}
	c := make(chan struct{}, 1)
	w.of[node] = append(w.of[node], c)
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.of[node] = slices.DeleteFunc(w.of[node], func(o chan struct{}) bool { return o == c }); len(w.of[node]) == 0 {
			delete(w.of, node)
		}
	}, nil
}

// Waiting returns the names of the nodes that wait for mail now, sorted.
func (s *Server) Waiting() []string {
	s.waits.mu.Lock()
	defer s.waits.mu.Unlock()
	return slices.Sorted(maps.Keys(s.waits.of))
}

// Wake has what a node waits for looked at now: there may be mail.
func (s *Server) Wake(node string) {
	s.waits.mu.Lock()
	defer s.waits.mu.Unlock()
	for _, c := range s.waits.of[node] {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// waitFor reads how long a request is to wait.
func waitFor(r *http.Request) (time.Duration, error) {
	n, err := strconv.ParseUint(r.Header.Get(web.HeaderWait), 10, 32)
	if err != nil {
		return 0, web.NewProblem(http.StatusBadRequest, web.TypeRequest, "%s says for how many seconds to wait", web.HeaderWait)
	}
	return min(time.Duration(n)*time.Second, web.MaxWait), nil
}

// waitMail answers once the node's mail is another than it knows, or when it has waited for long. It takes no place from other requests
// while it waits.
func (s *Server) waitMail(c *call, _ string) error {
	most, err := waitFor(c.r)
	if err != nil {
		return err
	}
	known := c.r.Header.Get(web.HeaderMail)
	woken, leave, err := s.waits.enter(c.node)
	if err != nil {
		return err
	}
	defer leave()
	c.leave()
	ctx := c.r.Context()
	end, look := time.NewTimer(min(most, s.o.StallTimeout*5/6)), time.NewTicker(lookAgain)
	defer end.Stop()
	defer look.Stop()
	for over := false; ; {
		list, err := s.mail(ctx, c.node, false)
		if err != nil {
			return fmt.Errorf("mail of %s: %w", c.node, err)
		}
		if mark := web.MailMark(list); mark != known {
			c.extend()
			c.Header().Set(web.HeaderMail, mark)
			return c.json(http.StatusOK, list)
		}
		if over {
			c.extend()
			c.WriteHeader(http.StatusNoContent)
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-woken:
		case <-look.C:
		case <-end.C:
			over = true
		case <-s.ending:
			over = true
		}
	}
}
