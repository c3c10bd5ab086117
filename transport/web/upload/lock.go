package upload

import (
	"context"
	"errors"
	"time"
)

// ErrBusy means that somebody else went on working at an upload.
var ErrBusy = errors.New("somebody else is at this upload")

// lock is one holder's time at an upload.
type lock struct {
	interrupt func()
	released  chan struct{}
}

// Lock waits until nobody else of a node is at something, which is mostly an upload's ID. The one who is gets asked to end soon,
// by its own interrupt: the newer request knows better. [ErrBusy]: it did not within wait.
func (s *Store) Lock(ctx context.Context, node, id string, interrupt func(), wait time.Duration) (release func(), err error) {
	key := node + "/" + id
	mine := &lock{interrupt, make(chan struct{})}
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for {
		s.mu.Lock()
		other := s.locks[key]
		if other == nil {
			s.locks[key] = mine
		}
		s.mu.Unlock()
		if other == nil {
			return func() {
				s.mu.Lock()
				delete(s.locks, key)
				s.mu.Unlock()
				close(mine.released)
			}, nil
		}
		other.interrupt()
		select {
		case <-other.released:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timeout.C:
			return nil, ErrBusy
		}
	}
}
