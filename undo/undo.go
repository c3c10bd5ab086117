package undo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/undo/rules"
)

// Options say what to take back.
type Options struct {
	Peer   *journal.Peer
	Since  time.Time
	Tables []string                    // only these; empty: all
	DryRun bool                        // do it all, report, and take it back
	Wait   time.Duration               // how long to wait for the gate
	Seal   func(context.Context) error // seals what the application changed
}

// maxAttempts is how often it is tried when the application was in the way.
const maxAttempts = 8

// maxRows is how many rows of one table are taken back at once, and how many that were deleted, of all tables that are asked for.
const maxRows = 1_000_000

// errChanged means that the application changed a row meanwhile: a seal must come first.
var errChanged = errors.New("the application is at work on rows that are to be taken back: try again when less is going on")

// errRefused asks for another attempt without the rows that tables did not take.
var errRefused = errors.New("a table does not take a row")

// Undo takes back what came from a peer, and returns what was done, or of a dry run would be. If it fails, nothing is.
func Undo(ctx context.Context, j *journal.Journal, o Options) (*Report, error) {
	refused := map[name]string{}
	var u *undoing
	err := again(ctx, o.Seal, func() error {
		u = &undoing{j: j, o: o, refused: refused}
		return u.run(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("take back what came from %s: %w", o.Peer.Name, err)
	}
	return u.report(), nil
}

// again seals and does it, and once more if the application was in the way.
func again(ctx context.Context, seal func(context.Context) error, do func() error) error {
	for n := 1; ; {
		if err := seal(ctx); err != nil {
			return err
		}
		switch err := do(); {
		case errors.Is(err, errRefused):
		case (errors.Is(err, errChanged) || sqldb.IsLockConflict(err)) && n < maxAttempts && ctx.Err() == nil:
			n++
			time.Sleep(rand.N(time.Duration(n) * 100 * time.Millisecond))
		default:
			return err
		}
	}
}

// name is a row by its table and its canonical key.
type name struct{ table, key string }

// undoing is one attempt.
type undoing struct {
	j       *journal.Journal
	o       Options
	refused map[name]string // rows that their tables do not take, and why

	q      *sql.Conn
	since  rules.Since
	find   *finder
	tables []*table // referred ones before referring ones
}

// table is what is to be taken back in one table.
type table struct {
	*schema.Table
	journal  *journal.Table
	added    []*row
	changed  []*row
	shared   []journal.Row // that they added and others have changed since
	deleted  []*revived
	returned []*revived // that they deleted and sent anew
	report   TableReport
}

// row is one that is alive.
type row struct {
	journal.Row
	groups []merge.Group
	mask   merge.Mask                // of a changed row, the columns that are theirs
	values map[*schema.Column][]byte // of the columns by which rows refer to it, other than its integer
}

// run does it all in one transaction.
func (u *undoing) run(ctx context.Context) error {
	return u.transact(ctx, u.o.Wait, u.o.DryRun, func() error {
		for _, step := range []func(context.Context) error{
			u.findAll,
			u.insertDeleted, // they may refer to rows that were added, which stay then
			u.putBackReturned,
			u.putBack,
			u.remove,
			u.forgetWaiting,
		} {
			if err := step(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// transact runs f in a transaction behind the gate, and commits it unless it is a dry run. foreign_key_checks is off so that the order of
// rows that refer to each other is free: every reference is looked up, and looked at again before the commit.
func (u *undoing) transact(ctx context.Context, wait time.Duration, dryRun bool, f func() error) error {
	conn, err := u.j.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { // nobody else may get this session
		conn.ExecContext(context.Background(), "ROLLBACK")
		sqldb.Discard(conn)
	}()
	err = sqldb.Exec(ctx, conn, "SET foreign_key_checks = 0", "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
	if err != nil {
		return fmt.Errorf("prepare the session: %w", err)
	}
	if err := journal.Gate(ctx, conn, true, wait); err != nil {
		return err
	}
	if err := u.j.Reload(ctx, conn); err != nil {
		return err
	}
	u.q, u.find = conn, &finder{q: conn, known: map[*schema.Table]map[string]journal.Row{}}
	if err := f(); err != nil || dryRun {
		return err
	}
	return sqldb.Exec(ctx, conn, "COMMIT")
}
