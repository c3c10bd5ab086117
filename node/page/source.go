package page

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/status"
)

const (
	// reopened is how old an opened node may be: tables, rules and the configuration change.
	reopened = time.Minute
	// standing is how old a status may be that is shown again, and dear how many times as old as it took: with 500 sites a second and more.
	standing = 5 * time.Second
	dear     = 20
	// connections are the most that the page has to the database at once.
	connections = 4
)

// source opens the node for the views.
type source struct {
	open func(context.Context) (*node.Node, error)

	mu     sync.RWMutex // held for reading by who uses node
	node   *node.Node
	opened time.Time

	acts     atomic.Int64 // how often something may have changed by an act
	statusMu sync.Mutex
	watcher  status.Watcher
	status   *status.Status
	asked    time.Time
	took     time.Duration
}

// with calls f with the node. One that is away is tried anew at the next call.
func (s *source) with(ctx context.Context, f func(*node.Node) error) error {
	if err := s.fresh(ctx); err != nil {
		return err
	}
	err := s.use(f)
	if err != nil && !errors.Is(err, errNothing) { // it may be what was opened
		s.mu.Lock()
		s.opened = time.Time{}
		s.mu.Unlock()
	}
	return err
}

func (s *source) use(f func(*node.Node) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.node == nil {
		return errors.New("the page is closed")
	}
	return f(s.node)
}

// fresh sees that the node is open, and not for too long.
func (s *source) fresh(ctx context.Context) error {
	s.mu.RLock()
	ok := s.node != nil && time.Since(s.opened) < reopened
	s.mu.RUnlock()
	if ok {
		return nil
	}
	n, err := s.open(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.node != nil {
		s.node.Close()
		s.node = nil
	}
	if err != nil {
		return err
	}
	n.DB.SetMaxOpenConns(connections)
	s.node, s.opened = n, time.Now()
	return nil
}

// standing returns where the node stands, a few seconds ago at most.
func (s *source) standing(ctx context.Context) (out *status.Status, err error) {
	s.statusMu.Lock()
	defer s.statusMu.Unlock()
	if s.status != nil && time.Since(s.asked) < max(standing, dear*s.took) {
		return s.status, nil
	}
	began := time.Now()
	err = s.with(ctx, func(n *node.Node) error {
		out, err = s.watcher.Of(ctx, n, time.Now(), features.Present())
		return err
	})
	if err != nil {
		return nil, err
	}
	s.status, s.asked, s.took = out, time.Now(), time.Since(began)
	return out, nil
}

// changed forgets what an act may have changed.
func (s *source) changed() {
	s.acts.Add(1)
	s.statusMu.Lock()
	defer s.statusMu.Unlock()
	s.status = nil
}

func (s *source) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.node != nil {
		s.node.Close()
		s.node = nil
	}
}
