package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"time"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/exchange/attempts"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/config"
	"github.com/omsync/omsync/node/hook"
	"github.com/omsync/omsync/pace"
	"github.com/omsync/omsync/transport/web"
)

const (
	// answerWithin is how long a node that has sent a file, or asks for its mail, waits for the import and the export that this
	// calls for. What takes longer goes on, and the node finds it at its next call. Many proxies wait for 30 seconds.
	answerWithin = 25 * time.Second
	// batchLimit is how many nodes' files are imported together.
	batchLimit = 16
	// atOnceLimit is how many files, of other nodes each, are imported at the same time where the machine has as many cores.
	atOnceLimit = 4
	// importsFor is how long the worker goes on to import before it exports to those whose files it has imported.
	importsFor = 5 * time.Second
	// reload is how long the worker works with one reading of the database's catalogue.
	reload = 30 * time.Second
	// lookAgain is when the worker looks again whether triggers are as they should be: that takes longer than all else in a run that has nothing
	// to do. Where one went in between, the next look has the whole table sent again.
	lookAgain = 5 * time.Second
	// retryDelay is when it is tried again what the lock or the database did not let the worker do.
	retryDelay = time.Minute
	// rescanInterval is when files that could not be applied are tried again, since somebody may have mended what was in their way.
	rescanInterval = time.Hour
	// lockYield is how long the worker leaves the lock alone between two runs, so that commands get it however many nodes call.
	lockYield = 3 * node.LockPoll
)

// worker imports what a server takes in and exports what its callers lack, for a few nodes at a time, one run after the other. Of the files of
// a run some are imported at the same time: see [exchange.Node.AtOnce].
type worker struct {
	home string
	open func(context.Context) (*node.Node, error) // without the node's lock
	log  *slog.Logger
	*queue

	lockWait, retry time.Duration
	unfinished      []string             // nodes whose import was ended for others' sake; the worker's goroutine's alone, as is
	exported        func(name string)    // after each export to a node
	seen            map[string]pace.Seen // what the last export to each node has seen; under mu, as the queue
	sections        *export.Sections     // of all runs
	rescan          *time.Timer          // when to look into the inbox for what was left; the worker's goroutine's alone

	// The node with its own connections, opened at the first run; used by the worker's goroutine alone.
	node   *node.Node
	loaded time.Time
	looked time.Time // when the triggers were looked at
}

func newWorker(home string, open func(context.Context) (*node.Node, error), log *slog.Logger) *worker {
	return &worker{home: home, open: open, log: log, queue: newQueue(), exported: func(string) {}, seen: map[string]pace.Seen{}, sections: export.NewSections(export.SectionBytes), lockWait: node.ServerWait, retry: retryDelay}
}

// start works until the context ends. The channel is closed when the last run has ended.
func (w *worker) start(ctx context.Context) <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer w.close()
		w.rescan = time.NewTimer(0)
		for {
			select {
			case <-ctx.Done():
				return
			case <-w.rescan.C:
				w.rescan.Reset(rescanInterval)
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
		w.rescan.Reset(w.retry)
	}
	for _, name := range senders {
		w.ask(name, true)
	}
}

func (w *worker) senders(ctx context.Context) ([]string, error) {
	inbox, err := exchange.Inbox(w.home)
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
	if !j.wait(ctx) {
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
func (w *worker) listing(ctx context.Context, node string) { w.ask(node, false).wait(ctx) }

// next does the jobs in the queue; false: there was none. First come the imports, then the exports, since what one node
// sent the others lack: each should get it in one file. But nobody waits for more than a few seconds of others' imports.
func (w *worker) next(ctx context.Context) bool {
	jobs := w.take(batchLimit)
	if len(jobs) == 0 {
		return false
	}
	if err := w.run(ctx, jobs); err != nil {
		if ctx.Err() == nil {
			w.log.Error("import on arrival", "error", err.Error())
		}
		w.close() // begin anew, in case the connection or the schema is to blame
		w.rescan.Reset(w.retry)
		for _, j := range jobs {
			for ; j != nil; j = j.also {
				j.end(errors.New("the server could not import now"))
			}
		}
	}
	w.rescanWhenDue(time.Now())
	select {
	case <-ctx.Done():
		return false
	case <-time.After(lockYield):
		return true
	}
}

// rescanWhenDue has the inbox looked into when a file that failed is due again, if that is before the next time.
func (w *worker) rescanWhenDue(now time.Time) {
	record, err := attempts.Read(w.home)
	if err != nil {
		w.log.Error("look for files that wait", "error", err.Error())
		return
	}
	if at := record.NextDue(now); !at.IsZero() && at.Sub(now) < rescanInterval {
		w.rescan.Reset(max(at.Sub(now), time.Second))
	}
}

// run imports what came from some nodes and exports to them, under the node's lock. It adds to jobs those that it takes up
// on its way.
func (w *worker) run(ctx context.Context, jobs map[string]*job) error {
	n, err := w.current(ctx)
	if err != nil {
		return err
	}
	lock, err := node.AcquireLock(ctx, n.Home, w.lockWait)
	if err != nil {
		return err
	}
	defer lock.Release()
	if err := n.LoadKeys(); err != nil { // they may have been rotated
		return err
	}
	if time.Since(w.looked) >= lookAgain {
		if err := n.CheckPlace(ctx); err != nil { // it was opened without the lock
			return err
		}
		if err := n.Reconcile(ctx); err != nil {
			return err
		}
		w.looked = time.Now()
	}
	x := n.Exchange()
	x.Sections = w.sections
	x.AtOnce = min(atOnceLimit, runtime.GOMAXPROCS(0))
	if err := w.importAll(ctx, n, x, jobs); err != nil {
		return err
	}
	return w.exportAll(ctx, n, x, jobs)
}

// importAll imports for the jobs, and for those that come meanwhile.
func (w *worker) importAll(ctx context.Context, n *node.Node, x *exchange.Node, jobs map[string]*job) error {
	began := time.Now()
	// Those with files left go back into the queue when the others had their turn.
	defer func() {
		for _, name := range w.unfinished {
			w.ask(name, true)
		}
		w.unfinished = nil
	}()
	for more := jobs; len(more) > 0; {
		if err := w.imports(ctx, n, x, more); err != nil {
			return err
		}
		more = nil
		if time.Since(began) < importsFor {
			// The same node may have come again: its first job is not exported yet, and takes the second's waiters in.
			more = w.take(batchLimit)
			for name, j := range more {
				if first := jobs[name]; first != nil {
					j.also, j.results = first, first.results
				}
				jobs[name] = j
			}
		}
	}
	return nil
}

// exportAll exports to the jobs' nodes, and ends the jobs. One that cannot be exported to is of no concern to the others.
func (w *worker) exportAll(ctx context.Context, n *node.Node, x *exchange.Node, jobs map[string]*job) error {
	size, err := config.ParsePartSize(n.PartSize)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(jobs)) {
		if err := w.export(ctx, n, x, name, size); err != nil {
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
func (w *worker) export(ctx context.Context, n *node.Node, x *exchange.Node, name string, size int64) error {
	p, err := journal.PeerByName(ctx, n.DB, name, false)
	if err != nil || p == nil || !p.State.Exchanges() {
		return err
	}
	before, err := n.Sign(ctx)
	if err != nil {
		return err
	}
	made, err := x.FillOutbox(ctx, p, size)
	for _, e := range made {
		w.log.Info("exported", "peer", name, "file", e.File, "rows", e.Rows, "deletions", e.Deletions, "bytes", e.Bytes)
	}
	w.exported(name)
	if err != nil {
		return err
	}
	after, err := n.Sign(ctx)
	if err != nil {
		return err
	}
	w.saw(name, pace.Seen{Before: before, After: after})
	return nil
}

// current returns the node, opened anew now and then, for its database and configuration may change.
func (w *worker) current(ctx context.Context) (*node.Node, error) {
	if w.node != nil && time.Since(w.loaded) < reload {
		return w.node, nil
	}
	w.close()
	n, err := w.open(ctx)
	if err != nil {
		return nil, err
	}
	n.Journal.Warn = func(format string, args ...any) { w.log.Warn(fmt.Sprintf(format, args...)) }
	w.node, w.loaded, w.looked = n, time.Now(), time.Time{}
	return n, nil
}

// errOthersWait ends an import early: another node's file has come, and its turn is next.
var errOthersWait = errors.New("another node waits")

// turns counts the files of each node in an import.
type turns map[string]int

// allHad reports whether each node had its turn, as far as it has files: if one had two, the others have no more than one.
func (t turns) allHad() bool {
	all := true
	for _, n := range t {
		if n > 1 {
			return true
		}
		all = all && n > 0
	}
	return all
}

// imports applies what is in the inbox from the nodes of some jobs. When others come to wait, it ends once each of the jobs' nodes had
// its turn, and the nodes are unfinished.
func (w *worker) imports(ctx context.Context, n *node.Node, x *exchange.Node, jobs map[string]*job) error {
	t := turns{}
	for name, j := range jobs {
		if j.imports {
			t[name] = 0
		}
	}
	if len(t) == 0 {
		return nil
	}
	var done []hook.File
	_, err := x.ImportInbox(ctx, func(_ string, h *batch.Header) bool { j := jobs[h.Sender]; return j != nil && j.imports },
		func() error { return nil }, func(r *exchange.Result) error {
			if r.NoFile() {
				if r.Purged {
					w.log.Info("a patient who left this node's scope is deleted here", "peer", r.Report.Sender, "rows", r.Report.Deleted)
				} else {
					w.log.Info("rows that waited are applied", "peer", r.Report.Sender, "rows", r.Report.Retried)
				}
				done = append(done, hook.Imported("", r.Report))
				return nil
			}
			receipt := w.receipt(r)
			if r.Header == nil {
				return nil
			}
			if r.Report != nil {
				done = append(done, hook.Imported(r.Name, r.Report))
			}
			if jobs[r.Header.Sender] != nil {
				jobs[r.Header.Sender].results[r.Name] = receipt
			}
			if t[r.Header.Sender]++; t.allHad() && w.othersWait(jobs) {
				return errOthersWait
			}
			return nil
		})
	if errors.Is(err, errOthersWait) {
		err = nil
		w.unfinished = append(w.unfinished, slices.Sorted(maps.Keys(t))...)
	}
	var output bytes.Buffer
	if e := n.Hook().AfterImport(ctx, &output, done); e != nil {
		w.log.Error("hook", "error", e.Error())
	}
	if output.Len() > 0 {
		w.log.Info("hook", "output", output.String())
	}
	return err
}

// receipt logs what came of a file, and returns what its sender is told.
func (w *worker) receipt(r *exchange.Result) web.Receipt {
	var wait *exchange.WaitError
	switch {
	case r.Header == nil:
		w.log.Warn("not imported", "file", r.Name, "error", r.Err.Error())
		return web.Receipt{}
	case errors.As(r.Err, &wait): // its failure is logged already
		return web.Receipt{Outcome: apply.Refused, Why: r.Err.Error()}
	case r.Err != nil:
		w.log.Warn("not imported", "peer", r.Header.Sender, "file", r.Name, "error", r.Err.Error())
		return web.Receipt{Outcome: apply.Refused, Why: r.Err.Error()}
	}
	p := r.Report
	w.log.Info("imported", "peer", p.Sender, "file", r.Name, "outcome", p.Outcome, "inserted", p.Inserted, "updated", p.Updated, "deleted", p.Deleted,
		"unchanged", p.Unchanged, "refused", p.Refused, "waiting", p.Waiting, "conflicts", p.Conflicts, "why", p.Why)
	return web.Receipt{Outcome: p.Outcome, Why: p.Why}
}
