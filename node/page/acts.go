package page

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/omsync/omsync/node"
)

// acts have commands done, one at a time.
type acts struct {
	run func(ctx context.Context, args ...string) (string, error)

	one  sync.Mutex // held while a command is done
	mu   sync.Mutex
	last *job
	jobs sync.WaitGroup

	end    sync.Once
	ending chan struct{} // closed when the page ends
}

func newActs(run func(context.Context, ...string) (string, error)) *acts {
	return &acts{run: run, ending: make(chan struct{})}
}

// until returns a context that goes on when who asked is gone, and ends with the page.
func (x *acts) until(asked context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(asked))
	go func() {
		select {
		case <-x.ending:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// stop has what is under way end, and waits for it.
func (x *acts) stop() {
	x.end.Do(func() { close(x.ending) })
	x.wait()
}

// maxPrinted is how much is kept of what a command prints, in bytes.
const maxPrinted = 4000

// job is a sync that somebody started.
type job struct {
	Who     string
	Started time.Time

	mu      sync.Mutex
	Ended   time.Time // zero: it runs
	Printed string
	Failed  bool
}

func (j *job) running() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.Ended.IsZero()
}

// jobView is what is shown of a job.
type jobView struct {
	Who             string
	Started, Ended  time.Time
	Running, Failed bool
	Printed         string
}

func (j *job) view() *jobView {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return &jobView{j.Who, j.Started, j.Ended, j.Ended.IsZero(), j.Failed, j.Printed}
}

func (x *acts) job() *job {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.last
}

func (x *acts) wait() { x.jobs.Wait() }

// errBusy is that another act is under way.
var errBusy = errors.New("another act is under way")

// now has a command done, and waits for it.
func (x *acts) now(ctx context.Context, args ...string) (printed string, err error) {
	if !x.one.TryLock() {
		return "", errBusy
	}
	defer x.one.Unlock()
	ctx, cancel := x.until(ctx)
	defer cancel()
	printed, err = x.run(ctx, args...)
	return bounded(printed), err
}

func bounded(s string) string {
	s = strings.TrimSpace(strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) > maxPrinted {
		s = strings.ToValidUTF8(s[:maxPrinted], "") + " …"
	}
	return s
}

// start has a command done that may take long, and calls done with what came of it.
func (x *acts) start(ctx context.Context, who string, done func(error), args ...string) error {
	if !x.one.TryLock() {
		return errBusy
	}
	j := &job{Who: who, Started: time.Now()}
	x.mu.Lock()
	x.last = j
	x.mu.Unlock()
	x.jobs.Add(1)
	go func() {
		defer x.jobs.Done()
		ctx, cancel := x.until(ctx)
		defer cancel()
		printed, err := x.run(ctx, args...)
		x.one.Unlock()
		j.mu.Lock()
		j.Ended, j.Printed, j.Failed = time.Now(), bounded(printed), err != nil
		j.mu.Unlock()
		done(err)
	}()
	return nil
}

// act notes an act in the audit log, has it done, and notes what came of it. The browser goes back to a path.
func (a *asked) act(back []string, args ...string) error {
	what := "omsync " + strings.Join(args, " ")
	if err := a.note(what, ""); err != nil {
		return err
	}
	printed, err := a.page.acts.now(a.ctx(), args...)
	a.page.source.changed()
	result := "done"
	switch {
	case errors.Is(err, errBusy), errors.Is(err, node.ErrLocked):
		result, printed = "busy", a.view.printer.Say("Another run is at work on this node. Try again in a minute: nothing was done.")
	case err != nil:
		result = "not done: " + err.Error()
		if printed == "" {
			printed = err.Error()
		}
	}
	if err := a.note(what, result); err != nil {
		a.page.Log.Error("audit log", "error", err)
	}
	a.page.sessions.Put(a.ctx(), keyMessage, printed)
	a.page.sessions.Put(a.ctx(), keyFailed, result != "done")
	a.back(back...)
	return nil
}

func (p *Page) sync(a *asked) error {
	if err := a.note("omsync sync", ""); err != nil {
		return err
	}
	who := *a
	err := p.acts.start(a.ctx(), a.account.Name, func(err error) {
		p.source.changed()
		result := "done"
		if err != nil {
			result = "done, or not: " + err.Error()
		}
		if err := who.note("omsync sync", result); err != nil {
			p.Log.Error("audit log", "error", err)
		}
	}, "sync")
	if errors.Is(err, errBusy) {
		p.sessions.Put(a.ctx(), keyMessage, a.view.printer.Say("Another run is at work on this node. Try again in a minute: nothing was done."))
		p.sessions.Put(a.ctx(), keyFailed, true)
		err = nil
	}
	a.back("")
	return err
}
