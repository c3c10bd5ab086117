package hub

import (
	"context"
	"maps"
	"time"

	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/pace"
)

// watcher has mail written for nodes that wait for it, when the database has something that they have not been exported. While nobody waits
// it asks the database nothing.
type watcher struct {
	work    *worker
	node    *node.Node      // with the server's own connections
	waiting func() []string // the nodes that wait
	every   time.Duration
}

// watch watches until the context ends.
func (w *watcher) watch(ctx context.Context) {
	pause := w.every
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		began := time.Now()
		err := w.look(ctx)
		pause = max(w.every, min(time.Since(began), pace.MostPause)) // half of the time is for others
		if err != nil && ctx.Err() == nil {
			w.work.log.Warn("news for nodes that wait", "error", err.Error())
			pause = w.work.retry
		}
	}
}

// look has exported to those who wait and lack something, and returns when that is done.
func (w *watcher) look(ctx context.Context) error {
	nodes := w.waiting()
	if len(nodes) == 0 {
		return nil
	}
	now, err := w.node.Sign(ctx)
	if err != nil {
		return err
	}
	var jobs []*job
	for _, name := range nodes {
		if w.work.hasNews(name, now) {
			jobs = append(jobs, w.work.ask(name, false))
		}
	}
	for _, j := range jobs {
		select {
		case <-j.done:
			if j.err != nil {
				err = j.err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

// hasNews reports whether the database has something that the last export to a node has not seen.
func (w *worker) hasNews(name string, now pace.Sign) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen, ok := w.seen[name]
	return !ok || seen.News(now)
}

// saw notes what an export to a node has seen, and forgets nodes that were not exported to for long: a peer that is gone.
func (w *worker) saw(name string, seen pace.Seen) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.seen) >= maxSeen {
		maps.DeleteFunc(w.seen, func(string, pace.Seen) bool { return true })
	}
	w.seen[name] = seen
}

// maxSeen is of how many nodes it is known what they were exported; beyond that all are exported to once more.
const maxSeen = 10_000
