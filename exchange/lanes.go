package exchange

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/omsync/omsync/apply/reserve"
	"github.com/omsync/omsync/journal"
)

// togetherBytes is how long a file is at most that is imported with others at the same time: what an import holds in memory grows with its file
// up to a bound, and of that there is room for one. So many bytes are some 40,000 rows.
const togetherBytes = 1 << 20

// alone reports whether the file is imported with no other one under way: also one that made trouble before, for it may end the program, and
// then an attempt counts of each file that is under way.
func (f *Incoming) alone() bool { return f.size > togetherBytes || f.before.Trouble() }

// applyAll applies files in their order. Where several children's may be imported at the same time, each child's are one after the other all
// the same.
func (r *importRun) applyAll(ctx context.Context, files []*Incoming) error {
	n := r.lanes(files)
	if n <= 1 {
		for _, f := range files {
			if err := r.apply(ctx, r.Journal, nil, f); err != nil {
				return err
			}
		}
		return nil
	}
	w := &lanes{files: files, under: map[string]bool{}}
	w.changed.L = &w.mu
	var all sync.WaitGroup
	for range n {
		j, err := r.anotherJournal(ctx)
		if err != nil {
			w.stop(err)
			break
		}
		all.Go(func() {
			for f := w.next(); f != nil; f = w.next() {
				w.done(f, r.apply(ctx, j, &w.imports, f))
			}
		})
	}
	all.Wait()
	return errors.Join(w.err, r.Journal.Reload(ctx, r.Journal.DB))
}

// lanes returns how many files are imported at the same time.
func (r *importRun) lanes(files []*Incoming) int {
	if r.AtOnce <= 1 || r.o.DryRun || r.Progress != nil {
		return 1
	}
	senders := map[string]bool{}
	for _, f := range files {
		if !f.alone() {
			senders[f.sender.Name] = true
		}
	}
	return min(r.AtOnce, len(senders))
}

// anotherJournal returns a journal of its own of the same database.
func (n *Node) anotherJournal(ctx context.Context) (*journal.Journal, error) {
	j, err := journal.Load(ctx, n.Journal.DB, n.Journal.Catalogue, n.Journal.Profile)
	if err != nil {
		return nil, err
	}
	j.Now, j.Warn, j.KeepNone, j.Had = n.Journal.Now, n.Journal.Warn, n.Journal.KeepNone, n.Journal.Had
	return j, nil
}

// lanes hands out files to those that import them at the same time.
type lanes struct {
	imports reserve.Imports

	mu      sync.Mutex
	changed sync.Cond
	files   []*Incoming     // not begun yet
	under   map[string]bool // senders of those under way
	alone   bool            // the one under way has no other beside it
	err     error           // what stops the run
}

// next waits for a file that may be imported now, and returns it; nil if there are no more, or the run is to stop.
func (w *lanes) next() *Incoming {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		if w.err != nil || len(w.files) == 0 {
			return nil
		}
		i := slices.IndexFunc(w.files, func(f *Incoming) bool { return f.alone() || !w.under[f.sender.Name] })
		if i >= 0 && !w.alone && (!w.files[i].alone() || len(w.under) == 0) {
			f := w.files[i]
			w.files = slices.Delete(w.files, i, i+1)
			w.under[f.sender.Name], w.alone = true, f.alone()
			return f
		}
		w.changed.Wait()
	}
}

// done ends what next began. err is what stops the run.
func (w *lanes) done(f *Incoming, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.under, f.sender.Name)
	w.alone = false
	if w.err == nil || !errors.Is(err, w.err) {
		w.err = errors.Join(w.err, err)
	}
	w.changed.Broadcast()
}

func (w *lanes) stop(err error) { w.done(&Incoming{sender: &journal.Peer{}}, err) }
