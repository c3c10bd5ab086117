package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/transport/web"
)

const (
	// answerWithin is how long a node that has sent a file, or asks for its mail, waits for the import and the export that this
	// calls for. What takes longer goes on, and the node finds it at its next call. Many proxies wait for 30 seconds.
	answerWithin = 25 * time.Second
	// together is how many nodes' files are imported in one go.
	together = 16
	// importsFor is how long the worker goes on to import before it exports to those whose files it has imported.
	importsFor = 5 * time.Second
	// reload is how long the worker works with one reading of the database's catalogue.
	reload = 30 * time.Second
	// soon is when it is tried again what the lock or the database did not let the worker do; later, when files that could not
	// be applied are tried again, since somebody may have mended what was in their way.
	soon  = time.Minute
	later = time.Hour
	// breath is how long the worker leaves the lock alone between two runs, so that commands get it however many nodes call.
	breath = 3 * lockPoll
)

// worker imports what a server takes in and exports what its callers lack, for a few nodes at a time, one run after the
// other: the database lets one import in at a time in any case.
type worker struct {
	g   *global
	cmd *cobra.Command
	log *slog.Logger

	mu    sync.Mutex
	queue map[string]*job // by node
	order []string
	wake  chan struct{}

	lockWait, retry time.Duration
	look            *time.Timer // when to look into the inbox for what was left; the worker's goroutine's alone

	// The node with its own connections, opened at the first run; used by the worker's goroutine alone.
	node   *node
	loaded time.Time
}

// job is what is to be done for one node. All who wait for it share its outcome.
type job struct {
	imports bool
	done    chan struct{}
	results map[string]web.Receipt // by file
	err     error
	also    *job // an earlier one of the same node, to be ended with this one
}

func newWorker(g *global, cmd *cobra.Command, log *slog.Logger) *worker {
	return &worker{g: g, cmd: cmd, log: log, queue: map[string]*job{}, wake: make(chan struct{}, 1), lockWait: lockWait, retry: soon}
}

// start works until the context ends. The channel is closed when the last run has ended.
func (w *worker) start(ctx context.Context) <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer w.close()
		w.look = time.NewTimer(0)
		for {
			select {
			case <-ctx.Done():
				return
			case <-w.look.C:
				w.look.Reset(later)
				w.leftovers(ctx)
			case <-w.wake:
			}
			if w.next(ctx) { // once, or callers without a pause would keep the worker from the inbox
				w.rouse()
			}
		}
	}()
	return ended
}

// leftovers asks for the import of what lies in the inbox: what came before the last stop, what could not be imported when
// it came, and what could not be applied.
func (w *worker) leftovers(ctx context.Context) {
	senders, err := w.senders(ctx)
	if err != nil {
		w.log.Error("look into the inbox", "error", err.Error())
		w.look.Reset(w.retry)
	}
	for _, name := range senders {
		w.ask(name, true)
	}
}

func (w *worker) senders(ctx context.Context) ([]string, error) {
	home, err := w.g.dir()
	if err != nil {
		return nil, err
	}
	inbox, err := exchange.Inbox(home)
	if err != nil {
		return nil, err
	}
	defer inbox.Close()
	return exchange.Senders(ctx, inbox)
}

func (w *worker) close() {
	if w.node != nil {
		w.node.Close()
		w.node = nil
	}
}

// arrived has a file imported that a node sent, and answers what came of it.
func (w *worker) arrived(ctx context.Context, node, name string) (web.Receipt, error) {
	j := w.ask(node, true)
	stored := web.Receipt{Outcome: "stored"}
	if !w.wait(ctx, j) {
		stored.Why = "it will be imported soon"
		return stored, nil
	}
	if r, ok := j.results[name]; ok {
		return r, nil
	}
	if j.err != nil {
		stored.Why = "it waits: " + j.err.Error()
	}
	return stored, nil
}

// listing has a node's outbox filled before it is shown.
func (w *worker) listing(ctx context.Context, node string) { w.wait(ctx, w.ask(node, false)) }

// wait says whether a job was done in time.
func (w *worker) wait(ctx context.Context, j *job) bool {
	select {
	case <-j.done:
		return true
	case <-ctx.Done():
	case <-time.After(answerWithin):
	}
	return false
}

// ask puts a node into the queue, once.
func (w *worker) ask(node string, imports bool) *job {
	w.mu.Lock()
	defer w.mu.Unlock()
	j := w.queue[node]
	if j == nil {
		j = &job{done: make(chan struct{}), results: map[string]web.Receipt{}}
		w.queue[node] = j
		w.order = append(w.order, node)
	}
	j.imports = j.imports || imports
	w.rouse()
	return j
}

// rouse has the worker look into its queue.
func (w *worker) rouse() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// next does the jobs in the queue; false: there was none. First come the imports, then the exports, since what one node
// sent the others lack: each should get it in one file. But nobody waits for more than a few seconds of others' imports.
func (w *worker) next(ctx context.Context) bool {
	jobs := w.take(together)
	if len(jobs) == 0 {
		return false
	}
	if err := w.run(ctx, jobs); err != nil {
		if ctx.Err() == nil {
			w.log.Error("import on arrival", "error", err.Error())
		}
		w.close() // begin anew, in case the connection or the schema is to blame
		w.look.Reset(w.retry)
		for _, j := range jobs {
			for ; j != nil; j = j.also {
				j.end(errors.New("the server could not import now"))
			}
		}
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(breath):
		return true
	}
}

// take takes a few jobs off the queue.
func (w *worker) take(n int) map[string]*job {
	w.mu.Lock()
	defer w.mu.Unlock()
	names := w.order[:min(len(w.order), n)]
	w.order = w.order[len(names):]
	jobs := map[string]*job{}
	for _, name := range names {
		jobs[name] = w.queue[name]
		delete(w.queue, name)
	}
	return jobs
}

// end tells those who wait that a job is done, once.
func (j *job) end(err error) {
	select {
	case <-j.done:
	default:
		j.err = err
		close(j.done)
	}
}

// run imports what came from some nodes and exports to them, under the node's lock. It adds to jobs those that it takes up
// on its way.
func (w *worker) run(ctx context.Context, jobs map[string]*job) error {
	n, err := w.open(ctx)
	if err != nil {
		return err
	}
	unlock, err := lockWithin(ctx, n.home, w.lockWait)
	if err != nil {
		return err
	}
	defer unlock()
	if err := n.follow(ctx); err != nil {
		return err
	}
	x := n.exchange(w.cmd)
	x.Progress = nil
	began := time.Now()
	for more := jobs; len(more) > 0; {
		if err := w.imports(ctx, n, x, more); err != nil {
			return err
		}
		more = nil
		if time.Since(began) < importsFor {
			// The same node may have come again: its first job is not exported yet, and takes the second's waiters in.
			more = w.take(together)
			for name, j := range more {
				if first := jobs[name]; first != nil {
					j.also = first
				}
				jobs[name] = j
			}
		}
	}
	size, err := parseSize(n.PartSize)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(jobs)) {
		if err := w.export(ctx, n, x, name, size); err != nil { // of no concern to the others
			errs = append(errs, fmt.Errorf("export to %s: %w", name, err))
			continue
		}
		for j := jobs[name]; j != nil; j = j.also {
			j.end(nil)
		}
	}
	return errors.Join(errs...)
}

// export fills a node's outbox.
func (w *worker) export(ctx context.Context, n *node, x *exchange.Node, name string, size int64) error {
	p, err := journal.PeerByName(ctx, n.db, name, false)
	if err != nil || p == nil || p.State != access.Active {
		return err
	}
	made, err := x.FillOutbox(ctx, p, size)
	for _, e := range made {
		w.log.Info("exported", "peer", name, "file", e.File, "rows", e.Rows, "deletions", e.Deletions, "bytes", e.Bytes)
	}
	return err
}

// open opens the node, and anew now and then, for its database and configuration may change.
func (w *worker) open(ctx context.Context) (*node, error) {
	if w.node != nil && time.Since(w.loaded) < reload {
		return w.node, nil
	}
	w.close()
	n, err := w.g.openAll(w.cmd, false)
	if err != nil {
		return nil, err
	}
	n.journal.Warn = func(format string, args ...any) { w.log.Warn(fmt.Sprintf(format, args...)) }
	w.node, w.loaded = n, time.Now()
	return n, nil
}

// imports applies what is in the inbox from the nodes of some jobs.
func (w *worker) imports(ctx context.Context, n *node, x *exchange.Node, jobs map[string]*job) error {
	wanted := false
	for _, j := range jobs {
		wanted = wanted || j.imports
	}
	if !wanted {
		return nil
	}
	var done []imported
	_, err := x.ImportInbox(ctx, func(_ string, h *batch.Header) bool { j := jobs[h.Sender]; return j != nil && j.imports },
		func() error { return nil }, func(r *exchange.Result) error {
			if r.Header == nil {
				w.log.Warn("not imported", "file", r.Name, "error", r.Err.Error())
				return nil
			}
			receipt := web.Receipt{}
			if r.Err != nil {
				w.log.Warn("not imported", "peer", r.Header.Sender, "file", r.Name, "error", r.Err.Error())
				receipt.Outcome, receipt.Why = apply.Refused, r.Err.Error()
			} else {
				p := r.Report
				w.log.Info("imported", "peer", p.Sender, "file", r.Name, "outcome", p.Outcome, "inserted", p.Inserted, "updated", p.Updated, "deleted", p.Deleted,
					"unchanged", p.Unchanged, "refused", p.Refused, "conflicts", p.Conflicts, "why", p.Why)
				receipt.Outcome, receipt.Why = p.Outcome, p.Why
				done = append(done, importedFile(r, false))
			}
			if j := jobs[r.Header.Sender]; j != nil {
				j.results[r.Name] = receipt
			}
			return nil
		})
	var hook bytes.Buffer
	if e := n.afterImport(ctx, &hook, done); e != nil {
		w.log.Error("hook", "error", e.Error())
	}
	if hook.Len() > 0 {
		w.log.Info("hook", "output", hook.String())
	}
	return err
}
