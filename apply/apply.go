// Package apply brings a batch into the database: it finds or makes the local rows, rewrites every reference to the local
// integers, lets package merge settle what both sides changed, and writes rows and versions in bulk.
//
// It promises: one transaction, so that a batch is applied whole and once or not at all; references that always point to
// the row that the sender meant; nothing of the application's that was committed before is overwritten unrecorded,
// sealed or not. It decides nothing about whose value stays: package merge does.
package apply

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/headers"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
)

// Options say how to import.
type Options struct {
	DryRun   bool                            // do it all, report, and roll back
	Wait     time.Duration                   // how long to wait for the gate
	Seal     func(context.Context) error     // seals what the application changed; nil: an import that needs it is an error
	Policy   func(table string) merge.Policy // nil: newest everywhere
	Reindex  bool                            // empty the setting of [schema.Profile.Reindex] where the batch changes what it is about
	Verify   func(h *batch.Header, message, signature []byte) error
	Decrypt  func(io.Reader) (io.Reader, error)
	Progress func(rows, total int64) // nil: nobody asks
}

// Outcomes of an import.
const (
	Applied = "applied"
	Covered = "covered" // all of it had been applied before
	Gap     = "gap"     // it builds on a batch that is not here: keep the file
	Refused = "refused" // it is of a history that no longer counts, or of a stranger
)

// Report is what an import did, or with Options.DryRun would have done.
type Report struct {
	Sender, Outcome            string
	Base, Upto                 uint64
	Part                       uint32
	Last                       bool
	Inserted, Updated, Deleted int64
	Unchanged                  int64
	Refused                    int64 // rows that the sender may not send here
	Conflicts                  int
	Tables                     []TableReport
	Notes                      []string // what a person should know
	Why                        string   // of every outcome but Applied
	Stranger                   bool     // refused because another node goes by the sender's name
}

// TableReport counts rows of one table.
type TableReport struct {
	Table                                          string
	Inserted, Updated, Deleted, Unchanged, Refused int64
}

// ErrSchemas means that the two sides' schemas or profiles do not fit.
var ErrSchemas = errors.New("schemas do not fit")

// tries is how often an import begins anew when the server gave it up: a deadlock, or a lock held too long.
const tries = 8

// Import applies one batch file, or finds that there is nothing to apply. What the header says is remembered in either
// case. If it fails, the database is as before. Errors: those of batch.Open, ErrSchemas, journal.ErrBusy, the server's.
func Import(ctx context.Context, j *journal.Journal, f io.ReaderAt, size int64, o Options) (*Report, error) {
	exclusive := false
	var refused error
	for try := 1; ; try++ {
		x := &run{j: j, o: o, exclusive: exclusive, headerOnly: refused != nil}
		report, err := x.once(ctx, f, size)
		var row *rowError
		switch {
		case errors.Is(err, errNewHistory) && !exclusive:
			exclusive = true
		case errors.Is(err, errUnsealed) && o.Seal != nil && try < tries:
			if err := o.Seal(ctx); err != nil {
				return nil, err
			}
		case sqldb.IsLockConflict(err) && try < tries && ctx.Err() == nil:
			time.Sleep(rand.N(time.Duration(try) * 400 * time.Millisecond)) // two that wait for each other must not meet again
		case refused != nil:
			return nil, errors.Join(refused, err)
		case errors.As(err, &row) && !o.DryRun:
			refused = err // nothing of the batch stays, but its header counts: the sender may need what it asks for to mend this
		default:
			return report, err
		}
	}
}

// errNewHistory asks for another run with the gate held alone: a new history is written in the gate's row.
var errNewHistory = errors.New("a new history begins")

// run is one try at one batch.
type run struct {
	j         *journal.Journal
	o         Options
	exclusive bool
	ctx       context.Context
	c         *sql.Conn
	r         *batch.Reader

	headerOnly bool // read the header of a batch whose rows were refused

	peer  *journal.Peer
	epoch merge.Position
	head  merge.Header
	im    merge.Import
	maker merge.Stamper
	again map[uint64]bool // epochs, here, that only sent again
	wrote bool
	last  bool // a unique value that is taken now stays taken

	defaults  bool  // empty tables may get a default version: no other import does the same now
	packet    int   // bytes that a statement may have
	increment int64 // between the integers of one INSERT

	tables    map[string]*table // as the batch describes them, by name
	numbers   map[uint32]*table // and by their number in it
	locals    map[string]*local // as they are here
	counted   []*local          // those of them that travel, as they came up
	dict      dictionary        // the batch's keys
	present   map[*local]map[shared]bool
	going     []*deletion // deletions read so far
	deferred  []*deletion // what something here still refers to, until the rows of the batch are in
	patches   []patch
	late      []lateRow          // rows whose unique values are still held by others
	lost      []journal.Conflict // not yet written
	lostBytes int
	authored  int // names of authors that were new here
	rows      int64
	report    Report
}

func (x *run) once(ctx context.Context, f io.ReaderAt, size int64) (*Report, error) {
	x.ctx = ctx
	var err error
	if x.r, err = batch.Open(f, size, x.o.Verify, x.o.Decrypt); err != nil {
		return nil, err
	}
	defer x.r.Close()
	h := x.r.Header()
	x.report = Report{Sender: h.Sender, Base: h.Base.Epoch, Upto: h.Upto.Epoch, Part: h.Part, Last: h.Last}
	if x.c, err = x.j.DB.Conn(ctx); err != nil {
		return nil, err
	}
	defer func() {
		x.c.ExecContext(context.Background(), "ROLLBACK")
		x.c.Raw(func(any) error { return driver.ErrBadConn }) // its session is quiet: nobody else may get it
		x.c.Close()
	}()
	if err := x.session(); err != nil {
		return nil, err
	}
	if err := journal.Gate(ctx, x.c, !x.exclusive, x.o.Wait); err != nil {
		return nil, err
	}
	if err := x.transact(h); err != nil {
		return nil, fmt.Errorf("import from %s: %w", h.Sender, err)
	}
	return &x.report, nil
}

// session prepares the connection: triggers silent, and foreign keys unchecked, because every reference is resolved here
// with a lock held to the commit.
func (x *run) session() error {
	for _, s := range []string{
		"SET @omsync_quiet = 1, foreign_key_checks = 0",
		"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
	} {
		if _, err := x.c.ExecContext(x.ctx, s); err != nil {
			return fmt.Errorf("prepare the session: %w", err)
		}
	}
	err := sqldb.Each(x.ctx, x.c, "SELECT @@max_allowed_packet, @@auto_increment_increment", func(r []sql.RawBytes) error {
		x.packet = int(min(sqldb.Int(r[0])/2, 1<<20))
		x.increment = sqldb.Int(r[1])
		return nil
	})
	if err != nil {
		return fmt.Errorf("prepare the session: %w", err)
	}
	if x.r.Header().Base.Epoch == 0 {
		err = sqldb.Each(x.ctx, x.c, "SELECT GET_LOCK(CONCAT('omsync.', LEFT(SHA2(DATABASE(), 256), 32)), 0)", func(r []sql.RawBytes) error {
			x.defaults = string(r[0]) == "1"
			return nil
		})
	}
	return err
}

// transact does all that one transaction holds.
func (x *run) transact(h *batch.Header) error {
	if err := x.j.Reload(x.ctx, x.c); err != nil {
		return err
	}
	var err error
	if x.peer, err = journal.PeerByName(x.ctx, x.c, h.Sender, true); err != nil {
		return err
	}
	if x.peer == nil {
		return fmt.Errorf("no peer of that name: exchange cards and run omsync peer add")
	}
	if err := journal.LoadImports(x.ctx, x.c, x.peer); err != nil {
		return err
	}
	log := slices.Clone(x.peer.Link.Imports)
	var bad error
	node, state, err := journal.LoadHistory(x.ctx, x.c, &bad)
	if err != nil {
		return err
	}
	if x.epoch, err = journal.NextEpoch(x.ctx, x.c, false, x.j.Now()); err != nil {
		return err
	}
	x.head = headers.ToRules(h)
	link := &x.peer.Link
	acked, history := link.Acked, link.History
	d := merge.Receive(state, link, x.head)
	if bad != nil {
		return bad
	}
	if d.Verdict != merge.Stranger {
		x.peer.Heard = x.peer.Heard.Hear(headers.Heard(h), d.Verdict == merge.Retired)
	}
	if d.NewHistory {
		if !x.exclusive {
			return errNewHistory
		}
		node.Earlier = nil
		for e := range state.Earlier {
			node.Earlier = append(node.Earlier, e)
		}
		slices.Sort(node.Earlier)
		node.History = journal.Random()
		if err := journal.SaveHistory(x.ctx, x.c, node); err != nil {
			return err
		}
		x.note("this database was restored from a backup: a new history begins, and the peers will send what it lost")
	}
	if d.Rejoin != nil {
		if err := journal.Rejoin(x.ctx, x.c, x.peer.ID, d.Rejoin.OwnEpoch, x.epoch.Epoch); err != nil {
			return err
		}
		x.wrote = true
		if err := x.j.Reload(x.ctx, x.c); err != nil {
			return err
		}
	}
	if link.History != history { // its epochs may begin again lower: what it asked for before says nothing
		x.peer.Answered = nil
	}
	if link.Acked != acked {
		x.peer.AckedAt = x.j.Now()
	}
	if err := x.answer(h, d); err != nil {
		return err
	}
	if d.Verdict == merge.Apply && !x.headerOnly {
		if err := x.apply(h, link.Import(x.head, d)); err != nil {
			return err
		}
		epoch := x.epoch.Epoch
		if !x.wrote {
			epoch-- // the number goes back, and may be given again
		}
		merge.RecordImport(link, x.head, epoch, x.wrote)
		x.peer.AppliedAt = x.j.Now()
	}
	if !x.wrote {
		if err := journal.DropEpoch(x.ctx, x.c, x.epoch.Epoch); err != nil {
			return err
		}
	}
	if err := journal.SavePeer(x.ctx, x.c, x.peer); err != nil {
		return err
	}
	if err := journal.SaveImports(x.ctx, x.c, x.peer, log); err != nil {
		return err
	}
	if x.o.DryRun {
		return nil // the caller rolls back
	}
	_, err = x.c.ExecContext(x.ctx, "COMMIT")
	return err
}

// answer turns a verdict into the report's words, and does what the header asks for.
func (x *run) answer(h *batch.Header, d merge.Decision) error {
	switch d.Verdict {
	case merge.Apply:
		x.report.Outcome = Applied
		return x.sendAgain(h)
	case merge.Covered:
		x.report.Outcome, x.report.Why = Covered, "applied before"
		return x.sendAgain(h)
	case merge.Gap:
		x.report.Outcome, x.report.Why = Gap, fmt.Sprintf("it starts at epoch %d of %s and only %d is applied here: import the files in between, or let %[2]s import a file of this node and export again", h.Base.Epoch, h.Sender, x.peer.Link.Applied.Epoch)
	case merge.PartGap:
		x.report.Outcome, x.report.Why = Gap, fmt.Sprintf("it is part %d of a load, and a part before it is not here: import the parts in order", h.Part)
	case merge.OtherHistory:
		x.report.Outcome, x.report.Why = Refused, fmt.Sprintf("%s does not know what is applied here, perhaps because it was restored from a backup: export to it, let it import that and export again", h.Sender)
	case merge.Retired:
		x.report.Outcome, x.report.Why = Refused, fmt.Sprintf("the file is from before %s was restored or added this node anew: export to it, and let it export again", h.Sender)
	case merge.Stranger:
		x.report.Outcome, x.report.Stranger = Refused, true
		x.report.Why = fmt.Sprintf("another node goes by the name %s: find out which one is right, and remove and add the peer", h.Sender)
	}
	return nil
}

// maxNotes bounds the notes of a report: a batch may describe thousands of tables and columns that are not here.
const maxNotes = 100

func (x *run) note(format string, args ...any) {
	n := fmt.Sprintf(format, args...)
	if len(x.report.Notes) < maxNotes && !slices.Contains(x.report.Notes, n) {
		x.report.Notes = append(x.report.Notes, n)
	}
}
