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
	run Command

	one  sync.Mutex // held while a command is done
	mu   sync.Mutex
	last *job
	jobs sync.WaitGroup

	end    sync.Once
	ending chan struct{} // closed when the page ends
}

func newActs(run Command) *acts {
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

// task is what takes so long that nobody waits for it.
type task string

// The tasks.
const (
	taskSync task = "sync"
	taskCopy task = "copy" // to a stick
	taskRead task = "read" // a stick

	taskCompare task = "compare" // with a peer
	taskRepair  task = "repair"
	taskMatch   task = "match" // with the hub
)

// job is a task that somebody started.
type job struct {
	Who     string
	Task    task
	Stick   string // the path of the stick that it is about
	Started time.Time
	done    chan struct{} // closed when it has ended

	mu      sync.Mutex
	Ended   time.Time // zero: it runs
	Printed string
	Failed  bool
	now     progressView
}

// progressView is how far a piece of work is.
type progressView struct {
	Label       string
	Bytes       bool // are counted; otherwise rows
	Done, Total int64
}

// show takes note of how far it is.
func (j *job) show(label string, bytes bool, done, total int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.now = progressView{label, bytes, done, total}
}

// jobView is what is shown of a job.
type jobView struct {
	Who             string
	Task            task
	Stick           string
	Started, Ended  time.Time
	Running, Failed bool
	Printed         string
	Progress        progressView
}

func (j *job) view() *jobView {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return &jobView{j.Who, j.Task, j.Stick, j.Started, j.Ended, j.Ended.IsZero(), j.Failed, j.Printed, j.now}
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
func (x *acts) now(ctx context.Context, d Doing, args ...string) (printed string, err error) {
	if !x.one.TryLock() {
		return "", errBusy
	}
	defer x.one.Unlock()
	ctx, cancel := x.until(ctx)
	defer cancel()
	return x.run(ctx, d, args...)
}

func bounded(s string) string {
	s = strings.TrimSpace(strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) > maxPrinted {
		s = strings.ToValidUTF8(s[:maxPrinted], "") + " …"
	}
	return s
}

// start has commands done, one after the other, that may take long: until one of them cannot be. It calls done with what came of it.
func (x *acts) start(ctx context.Context, j *job, done func(error), commands ...[]string) error {
	if !x.one.TryLock() {
		return errBusy
	}
	j.Started, j.done = time.Now(), make(chan struct{})
	x.mu.Lock()
	x.last = j
	x.mu.Unlock()
	x.jobs.Add(1)
	go func() {
		defer x.jobs.Done()
		ctx, cancel := x.until(ctx)
		defer cancel()
		var all strings.Builder
		var err error
		for _, args := range commands {
			var printed string
			printed, err = x.run(ctx, Doing{Progress: j.show}, args...)
			all.WriteString(printed)
			if err != nil {
				break
			}
		}
		x.one.Unlock()
		j.mu.Lock()
		j.Ended, j.Printed, j.Failed = time.Now(), bounded(all.String()), err != nil
		j.mu.Unlock()
		close(j.done)
		done(err)
	}()
	return nil
}

// command is a command of omsync as a person would type it.
func command(args []string) string { return "omsync " + strings.Join(args, " ") }

// do notes an act in the audit log, has it done, and notes what came of it. Of an error, printed is what to say of it.
func (a *asked) do(d Doing, args ...string) (printed string, err error) {
	what := command(args)
	if err := a.note(what, ""); err != nil {
		return "", err
	}
	printed, err = a.page.acts.now(a.ctx(), d, args...)
	a.page.source.changed()
	result := "done"
	switch {
	case errors.Is(err, errBusy), errors.Is(err, node.ErrLocked):
		result, printed = "busy", a.busyText()
	case err != nil:
		result = "not done: " + err.Error()
		if printed == "" {
			printed = err.Error()
		}
	}
	if err := a.note(what, result); err != nil {
		a.page.Log.Error("audit log", "error", err)
	}
	return printed, undone(err)
}

// notDone is that a command was not done, of which a person was told why.
type notDone struct{ error }

func (e notDone) Unwrap() error { return e.error }

func undone(err error) error {
	if err == nil {
		return nil
	}
	return notDone{err}
}

func (a *asked) busyText() string {
	return a.view.printer.Say("Another run is at work on this node. Try again in a minute: nothing was done.")
}

// act has a command done. The browser goes back to a path, where it is said what came of it.
func (a *asked) act(back []string, args ...string) error {
	printed, err := a.do(Doing{}, args...)
	var told notDone
	if err != nil && !errors.As(err, &told) {
		return err
	}
	a.tell(printed, err != nil)
	a.back(back...)
	return nil
}

// tell keeps what is to be said on the next view.
func (a *asked) tell(message string, failed bool) {
	a.page.sessions.Put(a.ctx(), keyMessage, bounded(message))
	a.page.sessions.Put(a.ctx(), keyFailed, failed)
}

// begin has a task done, of which the view at a path tells. What its commands print is shown to viewers: it holds no rows.
func (a *asked) begin(back []string, j *job, commands ...[]string) error {
	var texts []string
	for _, c := range commands {
		texts = append(texts, command(c))
	}
	what := strings.Join(texts, "; ")
	if err := a.note(what, ""); err != nil {
		return err
	}
	who := *a
	j.Who = a.account.Name
	err := a.page.acts.start(a.ctx(), j, func(err error) {
		who.page.source.changed()
		result := "done"
		if err != nil {
			result = "done, or not: " + err.Error()
		}
		if err := who.note(what, result); err != nil {
			who.page.Log.Error("audit log", "error", err)
		}
	}, commands...)
	if errors.Is(err, errBusy) {
		a.tell(a.busyText(), true)
		err = nil
	}
	a.back(back...)
	return err
}

func (p *Page) sync(a *asked) error { return a.begin(nil, &job{Task: taskSync}, []string{"sync"}) }
