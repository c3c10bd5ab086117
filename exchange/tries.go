package exchange

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/exchange/attempts"
)

// A WaitError says that a file failed before and is not due again yet.
type WaitError struct {
	Until  time.Time
	Failed int    // attempts so far
	Why    string // what the last one found
}

func (e *WaitError) Error() string {
	return fmt.Sprintf("it failed before, and is tried again at %s: %s", e.Until.Local().Format("2006-01-02 15:04"), e.Why)
}

// An AsideError says that a file failed too often and is not tried again unless a person wants it. If the last attempt was made just
// now, it wraps what that one found.
type AsideError struct {
	Failed  int
	Why     string
	Dropped bool // a person threw it away before
	err     error
}

func (e *AsideError) Error() string {
	if e.Dropped {
		return "it was thrown away here before, and is not taken again"
	}
	return fmt.Sprintf("it is set aside, for it failed %d times: %s", e.Failed, e.Why)
}

func (e *AsideError) Unwrap() error { return e.err }

// counts reports whether attempts are counted: of files that were found. Those that a person names, or has tried out, are tried at once.
func (r *importRun) counts() bool { return r.o.Folder && !r.o.DryRun }

// attemptKey returns the key of a file in the record of attempts: in the inbox its name, elsewhere its path.
func attemptKey(home string, f *Incoming) string {
	if f.key == "" {
		return f.Name
	}
	if dir, name := filepath.Split(f.key); filepath.Clean(dir) == filepath.Join(home, inboxName) {
		return name
	}
	if path, err := filepath.Abs(f.key); err == nil {
		return path
	}
	return f.key
}

// due returns the files that are to be tried now, and reports the others. A file that reaches no further than what is applied, as far as
// its header says, needs no rows read: it goes.
func (r *importRun) due(files []*Incoming, now time.Time) ([]*Incoming, error) {
	if !r.counts() {
		return files, nil
	}
	var out []*Incoming
	for _, f := range files {
		f.key = attemptKey(r.Home, f)
		f.before = r.record.Of(f.key, f.size)
		verdict, until := f.before.Judge(now)
		var err error
		switch {
		case verdict == attempts.Asks && !r.accepts(f):
			err = asked(f.before)
		case verdict == attempts.SetAside:
			err = &AsideError{Failed: f.before.Failed, Why: f.before.Why, Dropped: f.before.Dropped}
		case verdict == attempts.Wait && f.header.Upto.Epoch > f.sender.Link.Applied.Epoch:
			err = &WaitError{Until: until, Failed: f.before.Failed, Why: f.before.Why}
		default:
			out = append(out, f)
			continue
		}
		if err := r.each(&Result{Name: f.Name, Header: f.header, Err: err}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// begin counts an attempt, before the file is opened: one that ends the program counts.
func (r *importRun) begin(f *Incoming) error {
	if !r.counts() {
		return nil
	}
	f.tried = true
	return r.record.Begin(f.key, f.size, f.sender.Name, time.Now())
}

// done forgets a file that was applied.
func (r *importRun) done(f *Incoming) {
	if f.tried {
		f.tried = false
		r.record.Done(f.key)
	}
}

// notTheFile takes back an attempt that ended for another reason than what is in the file.
func (r *importRun) notTheFile(f *Incoming, how attempts.Ending) {
	if f.tried {
		f.tried = false
		r.record.NotTheFile(f.key, how)
	}
}

// failed notes an attempt that failed, and returns what is wrong with the file: after the last one, that it is set aside.
func (r *importRun) failed(f *Incoming, err error) error {
	if !f.tried {
		return err
	}
	f.tried = false
	var many *apply.DeletionsError
	if errors.As(err, &many) {
		r.record.Asks(f.key, many.Error(), asks(many))
		return many
	}
	now := r.record.Failed(f.key, err.Error())
	if now.Failed < attempts.Most {
		return err
	}
	return &AsideError{Failed: now.Failed, Why: now.Why, err: err}
}

// save keeps what the next run should know.
func (r *importRun) save() error { return errors.Join(r.seen.save(), r.record.Save()) }
