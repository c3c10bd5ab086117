package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/apply/reserve"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
)

// Options say how to import.
type Options struct {
	DryRun   bool                                // do it all, report, and roll back
	Wait     time.Duration                       // how long to wait for the gate
	Horizon  time.Duration                       // how much later than the clock stamps of a child may be; 0: merge.DefaultHorizon
	Keep     time.Duration                       // how long rows that an import deletes are kept whole; 0: DefaultKeep; below 0: they are not
	Quotas   access.Amounts                      // what the sender may use in its life; nil: access.DefaultLimits
	Seal     func(context.Context) error         // seals what the application changed; nil: an import that needs it is an error
	Strict   bool                                // all or nothing: a row that cannot be applied is an error, and does not wait
	Policies func(*journal.Table) merge.Policies // nil: newest everywhere
	Apart    func(table, own, their string) bool // whether a person said that two rows, by their canonical keys, are not one; nil: nobody did
	Reindex  bool                                // empty the setting of [schema.Profile.Reindex] where the batch changes what it is about
	Verify   func(h *batch.Header, message, signature []byte) error
	Decrypt  func(io.Reader) (io.Reader, error)
	Progress func(rows, total int64) // nil: nobody asks
	// AcceptDeletions: a person has agreed to what the batch deletes, however much it is.
	AcceptDeletions bool
	// Others are the imports that may run at the same time, each with a journal of its own; nil: none does. Alone: this one does not.
	Others *reserve.Imports
	Alone  bool
}

// horizon is how much later than the clock stamps of a child may be.
func (o *Options) horizon() time.Duration { return cmp.Or(o.Horizon, merge.DefaultHorizon) }

// ErrSchemas means that the two sides' schemas or profiles do not fit.
var ErrSchemas = errors.New("schemas do not fit")

// ErrNotActive means that nothing is taken from the sender now: it is suspended.
var ErrNotActive = errors.New("nothing is taken from the sender")

// maxAttempts is how often an import is tried, first try included, when the server gave it up (a deadlock, or a lock held too long) or a
// seal had to come first.
const maxAttempts = 8

// Import applies one batch file, or finds that there is nothing to apply. What the header says is remembered in either
// case. If it fails, no row of the batch stays. What stays is seals that it asked for, what it would have used too much of,
// and, if it failed on a row of the batch or waits for a person, what the header says: the acknowledgement, a new history, what counts
// as made here or is to be sent again. Of a dry run only the seals stay. Errors: those of batch.Open, ErrSchemas, ErrNotActive, a
// *DeletionsError, *access.OverQuota, journal.ErrBusy, the server's.
func Import(ctx context.Context, j *journal.Journal, file io.ReaderAt, size int64, o Options) (*Report, error) {
	if err := forgetDeleted(ctx, j, o); err != nil {
		return nil, err
	}
	turn, err := o.Others.Begin(ctx, o.Alone)
	if err != nil {
		return nil, err
	}
	a := attempt{j: j, o: o, reserve: turn, file: file, size: size, aside: map[asideKey]*cause{}}
	defer func() { a.reserve.End() }()
	var refused error
	for n := 1; ; n++ {
		report, err := a.run(ctx)
		var missed *missedError
		if errors.As(err, &missed) && a.missed == nil {
			a.missed, a.extent = missed, headerAlone // nothing of the batch stays, but its header counts
			continue
		}
		if err != nil && !a.reserve.Alone() && ctx.Err() == nil && !errors.Is(err, journal.ErrBusy) { // nothing follows from it before it is so without others too
			a.reserve.End()
			if a.reserve, err = o.Others.Begin(ctx, true); err != nil {
				return nil, err
			}
			n = 0
			continue
		}
		var row *rowError
		var aside *asideError
		var many *DeletionsError
		switch {
		case errors.As(err, &aside) && n <= maxAsideAttempts:
			a.letWait(aside, n == maxAsideAttempts)
		case errors.Is(err, errNewHistory) && a.gate == gateShared:
			a.gate = gateAlone
		case errors.Is(err, errUnsealed) && o.Seal != nil && n < maxAttempts:
			if err := o.Seal(ctx); err != nil {
				return nil, err
			}
		case sqldb.IsLockConflict(err) && n < maxAttempts && ctx.Err() == nil:
			pause(ctx, n)
		case refused != nil:
			return nil, errors.Join(refused, a.stop(ctx, err))
		case (errors.As(err, &row) || errors.As(err, &many)) && !o.DryRun:
			refused, a.extent = err, headerAlone // nothing of the batch stays, but its header counts: the sender may need what it asks for to mend this
		default:
			return report, a.stop(ctx, err)
		}
	}
}

// maxAsideAttempts is how often an import is tried because rows turn out not to be applicable: each try finds all that it can, but rows
// that refer in a circle to such ones may show one after the other. The last try writes none before what it refers to is here: those of a
// circle wait, and are tried again together.
const maxAsideAttempts = 8

// pause waits a random moment before the next try: two that wait for each other must not meet again.
func pause(ctx context.Context, n int) {
	select {
	case <-ctx.Done():
	case <-time.After(rand.N(time.Duration(n) * 400 * time.Millisecond)):
	}
}

// attempt is what all tries at one batch share: what the ones before have shown to be needed.
type attempt struct {
	j       *journal.Journal
	o       Options
	gate    gateMode
	extent  extent
	reserve *reserve.Import
	aside   map[asideKey]*cause // rows that cannot be applied
	last    bool                // no row is written any more before what it refers to is here
	file    io.ReaderAt
	size    int64
	missed  *missedError // nil: all is known that the batch names
}

// letWait notes what a try found out. last: the next try is the last one.
func (a *attempt) letWait(e *asideError, last bool) {
	a.last = last
	maps.Copy(a.aside, e.late)
}

// asides returns what the next try needs to know of rows that cannot be applied; nil if they may not wait.
func (a *attempt) asides() *asides {
	if a.o.Strict {
		return nil
	}
	return &asides{known: a.aside, late: map[asideKey]*cause{}, last: a.last}
}

// gateMode is how an import holds the gate.
type gateMode uint8

const (
	gateShared gateMode = iota // beside other imports
	gateAlone                  // a new history is written in the gate's row
)

// errAlone asks for another attempt with no other import beside it.
var errAlone = errors.New("it cannot be imported beside others")

// errNewHistory asks for another attempt with the gate held alone.
var errNewHistory = errors.New("a new history begins")

// extent is how much of a batch is read.
type extent uint8

const (
	wholeBatch  extent = iota
	headerAlone        // of a batch that is not applied
)

// run is one try.
func (a *attempt) run(ctx context.Context) (*Report, error) {
	r, err := a.open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	r.ReadAhead()
	s, err := openSession(ctx, a.j.DB, r.Header())
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := journal.Gate(ctx, s.conn.Conn, a.gate == gateShared, a.o.Wait); err != nil {
		return nil, err
	}
	report, err := a.transact(ctx, s, r)
	if err != nil {
		return nil, fmt.Errorf("import from %s: %w", r.Header().Sender, err)
	}
	return report, nil
}

func (a *attempt) open() (*batch.Reader, error) {
	return batch.Open(a.file, a.size, a.o.Verify, a.o.Decrypt)
}

// transact does all that one transaction holds. A dry run leaves it open, for the session's end to roll back.
func (a *attempt) transact(ctx context.Context, s *session, r *batch.Reader) (*Report, error) {
	l, err := readLink(ctx, a.j, s, r.Header())
	if err != nil {
		return nil, err
	}
	l.reserve = a.reserve
	l.meter = newMeter(l.peer, a.o)
	d, err := l.receive(ctx, a.gate)
	if err != nil {
		return nil, err
	}
	if err := l.openScopes(ctx); err != nil {
		return nil, err
	}
	if r.Header().HasShortKeys() && d.Verdict == merge.Apply && a.extent == wholeBatch {
		if err := a.shortKeys(ctx, l, r); err != nil {
			return nil, err
		}
	}
	said, first, err := readLead(r)
	if err != nil {
		return nil, err
	}
	if !a.reserve.Alone() && (l.peer.Role != access.Child || said != nil || d.Rejoin != nil || l.scopes != nil && !l.scopes.idle()) {
		return nil, errAlone // what follows from it concerns more than its rows
	}
	if err := l.asked(d, said); err != nil {
		return nil, err
	}
	report := l.report(d.Verdict)
	if a.missed != nil && report.Outcome == Applied {
		report.Outcome, report.Missed, report.Why = Gap, true, a.missed.Error()
	}
	if err := l.answerRequests(ctx, d.Verdict); err != nil {
		return nil, err
	}
	if err := l.noteReport(ctx, d.Verdict); err != nil {
		return nil, err
	}
	if d.Verdict == merge.Apply && a.extent == wholeBatch {
		im, err := newImporter(ctx, l, d, a.o, a.asides())
		if err != nil {
			return nil, err
		}
		if err := im.bringIn(ctx, func(ctx context.Context) error { return im.readItems(ctx, first, r) }); err != nil {
			return nil, err
		}
		l.heard(said, d)
		im.addCounts(report)
		l.peer.Used.Stopped = nil
		if err := l.flushScopes(); err != nil {
			return nil, err
		}
		if err := l.recordImport(ctx); err != nil {
			return nil, err
		}
	}
	report.Notes = l.notes.list
	if err := l.flushScopes(); err != nil {
		return nil, err
	}
	if err := l.save(ctx); err != nil {
		return nil, err
	}
	if a.o.DryRun {
		return report, nil
	}
	_, err = s.conn.ExecContext(ctx, "COMMIT")
	return report, err
}
