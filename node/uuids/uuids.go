package uuids

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"path/filepath"
	"strings"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// Options say which rows get a uuid, and which one.
type Options struct {
	Home string // its list is where given uuids are written down
	// From is a list of another node, or empty. The rows in it get the uuid that they got there, if they hold the same values.
	From string
	// Random: rows that are not in From get a uuid of their own. Where From or this node's list names a row whose values differ, it gets none.
	Random bool
	DryRun bool // count, and change nothing
	// Done, if not nil, is called after each transaction.
	Done func()
}

// Table counts the rows of a table that had no uuid.
type Table struct {
	Name  string `json:"table"`
	Given int    `json:"given"`          // got one, or would
	Left  int    `json:"left,omitempty"` // are in no list
	// Hub counts those that this node may not change: they are its parent's.
	Hub int `json:"parents,omitempty"`
	// Differ are rows that a list names, and that hold other values here.
	Differ []Row `json:"differ,omitempty"`
	// Twice are rows whose uuid another row here has: what was given elsewhere has arrived before.
	Twice []Row  `json:"twice,omitempty"`
	Error string `json:"error,omitempty"` // why the rest of the table got none
}

// Row is a row for a person to look at, and the statement that gives it its uuid.
type Row struct {
	Name      string `json:"row"`
	UUID      string `json:"uuid"`
	Statement string `json:"statement"`
}

// Bounds of a transaction: its rows, how long it waits for a lock in seconds, and how often it is tried.
const (
	portion     = 300
	lockWait    = 3
	maxAttempts = 20
)

// maxRows is how many rows of a table to look at are returned.
const maxRows = 100

// Fix gives uuids to rows that have none, in tables that are exchanged and whose key is a uuid, and returns what it did for each table
// that has such rows. Each transaction is small, so that the application goes on; what is done stays done if it is broken off. A table
// that does not take what it is given is an error, after all others.
func Fix(ctx context.Context, j *journal.Journal, o Options) ([]Table, error) {
	known := list{}
	var err error
	if o.Random {
		if known, err = readList(filepath.Join(o.Home, ListName), false); err != nil {
			return nil, err
		}
	}
	if o.From != "" {
		from, err := readList(o.From, true)
		if err != nil {
			return nil, err
		}
		for at, x := range from {
			known[at] = x
		}
	}
	conn, err := j.DB.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { // nobody else may get this session
		conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		sqldb.Discard(conn)
	}()
	if err := sqldb.Exec(ctx, conn, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", fmt.Sprintf("SET innodb_lock_wait_timeout = %d", lockWait)); err != nil {
		return nil, err
	}
	parent, err := parentOf(ctx, conn)
	if err != nil {
		return nil, err
	}
	f := &fixing{j: j, o: o, conn: conn, known: known, parent: parent}
	var out []Table
	var errs []error
	for _, t := range j.Catalogue.Order() {
		if t.Direction == access.None || t.Key != schema.KeyUUID {
			continue
		}
		done, err := f.table(ctx, t)
		if ctx.Err() != nil {
			return out, ctx.Err()
		}
		if err != nil {
			done.Error = err.Error()
			errs = append(errs, fmt.Errorf("give uuids to rows of %s: %w", t.Name, err))
		}
		if done.Given+done.Left+done.Hub+len(done.Differ)+len(done.Twice) > 0 || err != nil {
			out = append(out, done)
		}
	}
	return out, errors.Join(errs...)
}

// HasParent reports whether the node has a parent: then rows without a uuid may be copies of the parent's.
func HasParent(ctx context.Context, q sqldb.DB) (bool, error) {
	p, err := parentOf(ctx, q)
	return p != nil, err
}

func parentOf(ctx context.Context, q sqldb.DB) (*journal.Peer, error) {
	peers, err := journal.Peers(ctx, q)
	if err != nil {
		return nil, err
	}
	for _, p := range peers {
		if p.Role == access.Parent {
			return p, nil
		}
	}
	return nil, nil
}

// fixing is one run.
type fixing struct {
	j      *journal.Journal
	o      Options
	conn   *sql.Conn
	known  list
	parent *journal.Peer // nil: none
}

// table gives uuids to rows of a table.
func (f *fixing) table(ctx context.Context, t *schema.Table) (done Table, err error) {
	done.Name = t.Name
	rows, err := f.without(ctx, t)
	if err != nil || len(rows) == 0 {
		return done, err
	}
	if len(t.PrimaryKey) == 0 {
		return done, fmt.Errorf("%d have none, and the table has no primary key to tell them apart by: give it one, or them", len(rows))
	}
	for len(rows) > 0 {
		part := rows[:min(portion, len(rows))]
		rows = rows[len(part):]
		for n := 1; len(part) > 0; n++ {
			var got Table
			if got, err = f.portion(ctx, t, part); err == nil {
				done.add(got)
				break
			}
			if !sqldb.IsLockConflict(err) || n == maxAttempts || ctx.Err() != nil {
				return done, err
			}
			time.Sleep(mathrand.N(time.Duration(n) * 100 * time.Millisecond))
		}
		if f.o.Done != nil && !f.o.DryRun {
			f.o.Done()
		}
	}
	return done, nil
}

// add counts what one transaction did.
func (t *Table) add(got Table) {
	t.Given, t.Left, t.Hub = t.Given+got.Given, t.Left+got.Left, t.Hub+got.Hub
	t.Differ = append(t.Differ, got.Differ[:min(len(got.Differ), maxRows-len(t.Differ))]...)
	t.Twice = append(t.Twice, got.Twice[:min(len(got.Twice), maxRows-len(t.Twice))]...)
}

// none is the condition that a row has no uuid.
func none(t *schema.Table) string {
	c := t.KeyColumns[0]
	name := schema.Quote(c.Name)
	switch c.Type {
	case "char", "varchar", "varbinary":
		return fmt.Sprintf("(%s IS NULL OR %[1]s = '')", name)
	}
	return name + " IS NULL"
}

// without returns the rows that have no uuid.
func (f *fixing) without(ctx context.Context, t *schema.Table) (out []journal.Row, err error) {
	query := fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY 1, 2", journal.Identity(t, ""), schema.Quote(t.Name), none(t))
	err = sqldb.Each(ctx, f.conn, query, func(r []sql.RawBytes) error {
		out = append(out, journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for rows without a uuid: %w", err)
	}
	return out, nil
}

// own returns those of the rows that this node may change, so that its parent takes them, and counts the others.
func (f *fixing) own(ctx context.Context, t *schema.Table, rows []journal.Row, done *Table) ([]journal.Row, error) {
	if f.parent == nil || len(rows) == 0 {
		return rows, nil
	}
	rules := access.On(f.j.Access(t), f.parent.ID, f.parent.Role)
	meta := f.j.Tables[t.Name]
	switch {
	case rules.SendsAllRows():
		return rows, nil
	case !rules.Sends() || meta == nil:
		done.Hub += len(rows)
		return nil, nil
	}
	versions, err := journal.Versions(ctx, f.conn, meta.ID, rows, f.j.Authors)
	if err != nil {
		return nil, err
	}
	var out []journal.Row
	for _, r := range rows {
		groups, ok := versions[r]
		if !ok && !meta.Default.Mask.IsEmpty() {
			groups = []merge.Group{meta.Default}
		}
		if rules.SendsRow(merge.Row{Known: true, Alive: true, Groups: groups}, false) {
			out = append(out, r)
		} else {
			done.Hub++
		}
	}
	return out, nil
}

// portion gives uuids to some rows, in one transaction.
func (f *fixing) portion(ctx context.Context, t *schema.Table, rows []journal.Row) (done Table, err error) {
	values, err := f.values(ctx, t, rows)
	if err != nil {
		return done, err
	}
	var give, fresh []item
	var unlisted []journal.Row
	for _, r := range rows {
		held, ok := values[r]
		if !ok { // it is gone, or has got one meanwhile
			continue
		}
		switch x, listed := f.known[place{t.Name, r}]; {
		case listed && bytes.Equal(digest(x.UUID, held), x.Values): // also of the parent's rows: it has given them the same
			give = append(give, x)
		case listed:
			done.Differ = append(done.Differ, f.named(t, x))
		default:
			unlisted = append(unlisted, r)
		}
	}
	if unlisted, err = f.own(ctx, t, unlisted, &done); err != nil {
		return done, err
	}
	if !f.o.Random {
		done.Left, unlisted = len(unlisted), nil
	}
	for _, r := range unlisted {
		x := item{Table: t.Name, Int: r.Int, Key: []byte(r.Key), UUID: newUUID(), At: f.j.Now().UnixMicro()}
		x.Values = digest(x.UUID, values[r])
		give, fresh = append(give, x), append(fresh, x)
	}
	if give, err = f.notHere(ctx, t, give, &done); err != nil {
		return done, err
	}
	if f.o.DryRun {
		done.Given = len(give)
		return done, nil
	}
	if err := add(f.o.Home, fresh); err != nil {
		return done, err
	}
	for _, x := range fresh {
		f.known[x.place()] = x
	}
	if err := f.give(ctx, t, give, &done); err != nil {
		f.conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		return done, err
	}
	return done, nil
}

// give writes uuids. The triggers see it as an edit of the application's.
func (f *fixing) give(ctx context.Context, t *schema.Table, give []item, done *Table) error {
	if len(give) == 0 {
		return nil
	}
	if err := sqldb.Exec(ctx, f.conn, "START TRANSACTION"); err != nil {
		return err
	}
	for _, x := range give {
		if err := f.setClock(ctx, x.At); err != nil {
			return err
		}
		r, err := f.conn.ExecContext(ctx, update(t, x)+" AND "+none(t))
		if err != nil {
			return err
		}
		n, err := r.RowsAffected()
		if err != nil {
			return err
		}
		done.Given += int(n)
	}
	return sqldb.Exec(ctx, f.conn, "COMMIT")
}

// setClock has the triggers see a time that is past.
func (f *fixing) setClock(ctx context.Context, at int64) error {
	at = max(1_000_000, min(at, f.j.Now().UnixMicro()))
	if err := sqldb.Exec(ctx, f.conn, fmt.Sprintf("SET timestamp = %d.%06d", at/1e6, at%1e6)); err != nil {
		return fmt.Errorf("date the change by the list: %w", err)
	}
	return nil
}

// notHere leaves out uuids that other rows have.
func (f *fixing) notHere(ctx context.Context, t *schema.Table, give []item, done *Table) (out []item, err error) {
	if len(give) == 0 {
		return nil, nil
	}
	c := t.KeyColumns[0]
	var literals []string
	for _, x := range give {
		literals = append(literals, string(c.AppendLiteral(nil, stored(c, x.UUID))))
	}
	taken := map[string]bool{}
	query := fmt.Sprintf("SELECT %s FROM %s WHERE %s IN (%s)", c.Select(""), schema.Quote(t.Name), schema.Quote(c.Name), strings.Join(literals, ","))
	err = sqldb.Each(ctx, f.conn, query, func(r []sql.RawBytes) error {
		taken[strings.ToLower(string(r[0]))] = true
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for uuids: %w", err)
	}
	for _, x := range give {
		if taken[strings.ToLower(string(stored(c, x.UUID)))] {
			done.Twice = append(done.Twice, f.named(t, x))
		} else {
			out = append(out, x)
		}
	}
	return out, nil
}
