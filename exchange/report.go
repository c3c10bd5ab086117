package exchange

import (
	"context"
	"errors"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/exchange/attempts"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
)

// reportError reports what is wrong with a file. What is wrong with more than the file stops the run.
func (r *importRun) reportError(ctx context.Context, f *Incoming, err error) error {
	switch {
	case ctx.Err() != nil || errors.Is(err, journal.ErrBusy):
		r.notTheFile(f, attempts.Untouched)
		return err
	case r.Journal.DB.PingContext(ctx) != nil:
		r.notTheFile(f, attempts.NoServer)
		return err
	case sqldb.IsLack(err):
		r.notTheFile(f, attempts.ServersLack)
	case errors.Is(err, apply.ErrNotActive):
		r.notTheFile(f, attempts.Untouched)
		err = &SenderError{f.sender.Name, access.Suspended}
	default:
		err = r.failed(f, err)
	}
	return r.each(&Result{Name: f.Name, Header: f.header, Err: err})
}

// report reports what became of a file, and remembers one that was applied.
func (r *importRun) report(f *Incoming, p *apply.Report) error {
	res := &Result{Name: f.Name, Header: f.header, Report: p}
	if res.Applied() && !r.o.DryRun {
		r.seen.add(f.header, f.Name)
		r.done(f)
	} else {
		how := attempts.Untouched
		if p.Missed { // to find that out costs as much as to apply it
			how = attempts.ServersLack
		}
		r.notTheFile(f, how)
		if p.Outcome == apply.Gap {
			r.sayWhatAsks(f, p)
		}
	}
	return r.each(res)
}
