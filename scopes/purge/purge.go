// Package purge deletes here what this node has of patients who left its scope and whom its parent has it delete.
//
// It promises: one transaction for each patient, so that all of that is done or nothing; nobody hears of it, no peer and no seal; nothing goes that
// the parent has not acknowledged, or would never be sent; no reference is left that points to what is gone. Whether a patient goes, and
// which rows, package scope decides.
package purge

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/owners"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/scope"
	"github.com/omsync/omsync/scopes"
)

// Options say how to go about it.
type Options struct {
	Wait time.Duration // how long to wait for the gate
	// Reindex: see [journal.Journal.Reindex].
	Reindex bool
	Seal    func(context.Context) error // seals what the application changed
}

// Purged is what was deleted of one patient.
type Purged struct {
	Parent string // who had it deleted
	Owner  scope.Owner
	Tables []Table // those with any rows
	Note   string  // what a person should know
}

// Table is how many rows of one table were deleted.
type Table struct {
	Name string
	Rows int64
}

// maxAttempts is how often it is tried when the application was in the way.
const maxAttempts = 8

// rowsAtOnce is how many rows one statement names.
const rowsAtOnce = 500

// errChanged means that the application changed a row meanwhile: a seal must come first.
var errChanged = errors.New("the application is at work on rows of a patient who is to be deleted here: the next run tries again")

// Run deletes all who may be deleted now, and tells f of each. Who may not yet is left for a later run.
func Run(ctx context.Context, j *journal.Journal, o Options, f func(*Purged) error) error {
	var open []scope.Owner
	err := sqldb.Each(ctx, j.DB, "SELECT owner_key FROM omsync_purge WHERE done = 0 ORDER BY owner_key", func(r []sql.RawBytes) error {
		open = append(open, scope.Owner(r[0]))
		return nil
	})
	if err != nil {
		return fmt.Errorf("read whom this node is to delete: %w", err)
	}
	for _, owner := range open {
		p, err := again(ctx, j, o, owner)
		if err == nil && p != nil {
			err = f(p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// again seals and does it, and once more if the application was in the way.
func again(ctx context.Context, j *journal.Journal, o Options, owner scope.Owner) (*Purged, error) {
	for n := 1; ; n++ {
		if err := o.Seal(ctx); err != nil {
			return nil, err
		}
		x := &purging{j: j, owner: owner}
		done, err := x.run(ctx, o)
		switch {
		case (errors.Is(err, errChanged) || sqldb.IsLockConflict(err)) && n < maxAttempts && ctx.Err() == nil:
			time.Sleep(rand.N(time.Duration(n) * 100 * time.Millisecond))
		case err != nil:
			return nil, fmt.Errorf("delete what this node has of a patient who left its scope: %w", err)
		case !done:
			return nil, nil
		default:
			return x.report(), nil
		}
	}
}

// purging is one attempt at one patient.
type purging struct {
	j      *journal.Journal
	owner  scope.Owner
	q      *sql.Conn
	store  *scopes.Store
	node   scope.Node
	parent *journal.Peer
	tables []*table // those with any rows of the patient's, referred ones before referring ones
	note   string
}

// names are the tables of which rows go.
func (x *purging) names() (out []string) {
	for _, t := range x.tables {
		if len(t.rows) > 0 {
			out = append(out, t.Name)
		}
	}
	return out
}

// table is what goes of one table.
type table struct {
	*schema.Table
	meta *journal.Table
	rows []journal.Row
}

// run does it all in one transaction. foreign_key_checks is off so that the order of rows that refer to each other is free: every reference is
// looked up.
func (x *purging) run(ctx context.Context, o Options) (done bool, err error) {
	conn, err := x.j.DB.Conn(ctx)
	if err != nil {
		return false, err
	}
	defer func() { // nobody else may get this session
		conn.ExecContext(context.Background(), "ROLLBACK")
		sqldb.Discard(conn)
	}()
	x.q = conn
	err = sqldb.Exec(ctx, conn, "SET @omsync_quiet = 1, foreign_key_checks = 0", "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
	if err != nil {
		return false, fmt.Errorf("prepare the session: %w", err)
	}
	if err := journal.Gate(ctx, conn, true, o.Wait); err != nil {
		return false, err
	}
	if err := x.j.Reload(ctx, conn); err != nil {
		return false, err
	}
	if x.store, err = scopes.Open(ctx, x.j, scopes.Options{Read: conn, Write: conn, Cause: scopes.Import}); err != nil {
		return false, err
	}
	x.node = x.store.Node()
	children, err := x.peers(ctx)
	if err != nil || x.parent == nil || !x.node.MayPurge(x.owner, children, false) {
		return false, err
	}
	pending, err := x.pending(ctx)
	if err != nil || !x.node.MayPurge(x.owner, children, pending) {
		return false, err
	}
	if err := x.delete(ctx); err != nil {
		return false, err
	}
	if o.Reindex {
		if x.note, err = x.j.Reindex(ctx, conn, x.names()); err != nil {
			return false, err
		}
	}
	u := x.node.Purging(x.owner)
	u.Done = true
	x.store.SetPurging(x.owner, u)
	if err := x.store.Flush(); err != nil {
		return false, err
	}
	return true, sqldb.Exec(ctx, conn, "COMMIT")
}

// peers finds the parent, and says whether this node is a parent itself.
func (x *purging) peers(ctx context.Context) (children bool, err error) {
	all, err := journal.Peers(ctx, x.q)
	for _, p := range all {
		if p.Role == access.Parent {
			x.parent = p
		} else {
			children = true
		}
	}
	return children, err
}

// pending finds the rows that go, locks them, and reports whether something stands against it: see [scope.Node.MayPurge].
func (x *purging) pending(ctx context.Context) (bool, error) {
	if x.parent.Link.Receiving.ID != 0 {
		return true, nil
	}
	if any, err := journal.AnyWaiting(ctx, x.q); err != nil || any {
		return any, err
	}
	if err := x.find(ctx); err != nil {
		return false, err
	}
	if err := x.keep(); err != nil {
		return false, err
	}
	if pending, err := x.unsent(ctx); err != nil || pending {
		return pending, err
	}
	return x.referred(ctx)
}

// find finds the rows of the patient's, and locks them.
func (x *purging) find(ctx context.Context) error {
	o, err := x.j.Catalogue.Owners()
	if err != nil || o.Table == nil {
		return err
	}
	here, err := rowkey.Find(ctx, x.q, o.Table, []string{string(x.owner)})
	if err != nil || len(here) == 0 {
		return err
	}
	local := []int64{here[string(x.owner)].Int}
	for _, t := range x.j.Replicated() {
		if o.Of(t).Kind != schema.Owned {
			continue
		}
		rows := func() (out []journal.Row, err error) {
			err = owners.Rows(ctx, x.q, o, t, local, func(page []journal.Row) error {
				out = append(out, page...)
				return nil
			})
			return out, err
		}
		found, err := rows()
		if err != nil {
			return err
		}
		for some := range slices.Chunk(found, rowsAtOnce) {
			if err := sqldb.Each(ctx, x.q, "SELECT 1 "+rowkey.From(t, some)+" FOR UPDATE", func([]sql.RawBytes) error { return nil }); err != nil {
				return fmt.Errorf("lock rows of %s: %w", t.Name, err)
			}
		}
		now, err := rows()
		if err != nil {
			return err
		}
		if !slices.Equal(found, now) {
			return errChanged
		}
		if len(found) > 0 {
			x.tables = append(x.tables, &table{t, x.j.Tables[t.Name], found})
		}
	}
	return nil
}

// keep leaves of the rows those that go. A row that nothing names elsewhere was never sent: it stays, and so does what it refers to.
func (x *purging) keep() error {
	for _, t := range x.tables {
		keys := x.store.Keys(t.Table, t.rows)
		known := make([]scopes.Known, 0, len(t.rows))
		for _, r := range t.rows {
			known = append(known, scopes.Known{Key: keys[r], Local: r, Alive: true})
		}
		for some := range slices.Chunk(known, rowsAtOnce) {
			x.store.Fetch(t.Table, some)
		}
		t.rows = slices.DeleteFunc(t.rows, func(r journal.Row) bool {
			return !x.node.Purges(x.owner, scope.Row{Table: t.Name, Key: keys[r]})
		})
	}
	return x.store.Err()
}

// unsent reports whether the parent lacks something of the rows.
func (x *purging) unsent(ctx context.Context) (bool, error) {
	back, err := journal.Unsent(ctx, x.q, x.parent.ID)
	if err != nil {
		return false, err
	}
	ack := x.node.Purging(x.owner).Ack
	for _, t := range x.tables {
		if len(t.rows) == 0 {
			continue
		}
		goes := map[journal.Row]bool{}
		for _, r := range t.rows {
			goes[r] = true
		}
		changes, err := journal.TableChanges(ctx, x.q, t.meta.ID)
		if err != nil {
			return false, err
		}
		for _, c := range changes {
			if goes[c.Row] {
				return false, errChanged
			}
		}
		if slices.ContainsFunc(back[t.meta.ID], func(r journal.Row) bool { return goes[r] }) {
			return true, nil
		}
		versions, err := journal.Versions(ctx, x.q, t.meta.ID, t.rows, x.j.Authors)
		if err != nil {
			return false, err
		}
		rules, filtered := x.j.On(t.Table, x.parent), len(x.j.Filters(t.Table, x.parent)) > 0
		for _, r := range t.rows {
			row := t.meta.Known(versions[r])
			if !row.Known || row.NewerThan(ack, x.parent.ID) || !rules.SendsWhole(row, filtered) {
				return true, nil
			}
		}
	}
	return false, nil
}

// referred reports whether a row that stays refers to one that goes.
func (x *purging) referred(ctx context.Context) (found bool, err error) {
	goes := map[*schema.Table]map[journal.Row]bool{}
	for _, t := range x.tables {
		goes[t.Table] = map[journal.Row]bool{}
		for _, r := range t.rows {
			goes[t.Table][r] = true
		}
	}
	for _, t := range x.tables {
		for _, ref := range t.Children {
			values, err := x.values(ctx, t, ref)
			if err != nil {
				return false, err
			}
			for some := range slices.Chunk(values, rowsAtOnce) {
				err := journal.Referrers(ctx, x.q, ref, t.Table, some, func(r journal.Row, _ string) { found = found || !goes[ref.From.Table][r] })
				if err != nil || found {
					return found, err
				}
			}
		}
	}
	return false, nil
}

// values are those by which a reference points to the rows that go.
func (x *purging) values(ctx context.Context, t *table, ref *schema.Ref) (out [][]byte, err error) {
	if ref.When != nil || ref.ToColumn == t.Integer {
		for _, r := range t.rows {
			out = append(out, strconv.AppendInt(nil, r.Int, 10))
		}
		return out, nil
	}
	for some := range slices.Chunk(t.rows, rowsAtOnce) {
		err = sqldb.Each(ctx, x.q, "SELECT "+ref.ToColumn.Select("t.")+" "+rowkey.From(t.Table, some), func(r []sql.RawBytes) error {
			if r[0] != nil {
				out = append(out, slices.Clone(r[0]))
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read by what rows of %s are referred to: %w", t.Name, err)
		}
	}
	return out, nil
}

// delete deletes the rows, with all that is known of them.
func (x *purging) delete(ctx context.Context) error {
	for _, t := range slices.Backward(x.tables) {
		for some := range slices.Chunk(t.rows, rowsAtOnce) {
			if err := sqldb.Exec(ctx, x.q, "DELETE FROM "+schema.Quote(t.Name)+" WHERE "+rowkey.Where(t.Table, some)); err != nil {
				return fmt.Errorf("delete from %s: %w", t.Name, err)
			}
		}
		if err := journal.PutVersions(ctx, x.q, t.meta.ID, t.rows, nil, x.j.Authors); err != nil {
			return err
		}
	}
	return nil
}

func (x *purging) report() *Purged {
	p := &Purged{Parent: x.parent.Name, Owner: x.owner, Note: x.note}
	for _, t := range x.tables {
		if len(t.rows) > 0 {
			p.Tables = append(p.Tables, Table{t.Name, int64(len(t.rows))})
		}
	}
	return p
}
