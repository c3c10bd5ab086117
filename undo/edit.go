package undo

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// EditOptions say how edits are made.
type EditOptions struct {
	Wait time.Duration               // how long to wait for the gate
	Seal func(context.Context) error // seals what the application changed
}

// NotTaken says why a table does not take an edit.
type NotTaken struct{ Reason string }

func (e *NotTaken) Error() string { return e.Reason }

// Editor makes ordinary edits, which the triggers note, in one transaction behind the gate.
type Editor struct{ u *undoing }

// Edit lets f make edits, and commits them unless it returns an error. f may be called more than once, each time anew: the application may
// be in the way.
func Edit(ctx context.Context, j *journal.Journal, o EditOptions, f func(*Editor) error) error {
	refused := map[name]string{}
	return again(ctx, o.Seal, func() error {
		u := &undoing{j: j, refused: refused}
		for _, t := range j.Replicated() {
			u.tables = append(u.tables, &table{Table: t, report: TableReport{Table: t.Name}})
		}
		return u.transact(ctx, o.Wait, false, func() error {
			for _, t := range u.tables { // the transaction has read the journal again
				t.journal = j.Tables[t.Name]
			}
			return f(&Editor{u})
		})
	})
}

// DB returns the session. What is written there is committed with the edits.
func (e *Editor) DB() *sql.Conn { return e.u.q }

// Found is one row as it is here.
type Found struct {
	At     journal.Row
	Known  merge.Row
	Values map[*schema.Column]*string // as a conflict record has them: references as the keys of their rows
}

// Find finds a row by its key, and locks it if it is here; otherwise Known is its deletion, if that is known.
func (e *Editor) Find(ctx context.Context, t *schema.Table, key string, columns []*schema.Column) (*Found, error) {
	l := &looking{e.u.q, e.u.j, e.u.find}
	out, err := l.find(ctx, t, key, columns)
	if err != nil || !out.Known.Alive {
		return out, err
	}
	changes, err := journal.TableChanges(ctx, l.q, e.u.j.Tables[t.Name].ID)
	if err == nil && slices.ContainsFunc(changes, func(c journal.Change) bool { return c.Row == out.At }) {
		err = errChanged
	}
	return out, err
}

// Look finds a row as Find does, and locks nothing. What the application changed since the last seal is not in Known.
func Look(ctx context.Context, q sqldb.DB, j *journal.Journal, t *schema.Table, key string, columns []*schema.Column) (*Found, error) {
	l := &looking{q, j, &finder{q: q, read: true, known: map[*schema.Table]map[string]journal.Row{}}}
	return l.find(ctx, t, key, columns)
}

// LookUp finds a row by its key, and locks nothing; false: it is not here.
func LookUp(ctx context.Context, q sqldb.DB, t *schema.Table, key string) (journal.Row, bool, error) {
	return (&finder{q: q, read: true, known: map[*schema.Table]map[string]journal.Row{}}).row(ctx, t, key)
}

// looking looks for a row, and reads what is known of it.
type looking struct {
	q    sqldb.DB
	j    *journal.Journal
	rows *finder
}

func (l *looking) find(ctx context.Context, t *schema.Table, key string, columns []*schema.Column) (*Found, error) {
	meta := l.j.Tables[t.Name]
	r, here, err := l.rows.row(ctx, t, key)
	if err != nil {
		return nil, err
	}
	out := &Found{At: r, Values: map[*schema.Column]*string{}}
	if here {
		if here, err = l.values(ctx, t, out, columns); err != nil {
			return nil, err
		}
	}
	if !here {
		dead, err := journal.Tombstones(ctx, l.q, meta.ID, []string{key}, l.j.Authors)
		if err != nil {
			return nil, err
		}
		v, known := dead[key]
		return &Found{Known: merge.Row{Known: known, Dead: v}}, nil
	}
	versions, err := journal.Versions(ctx, l.q, meta.ID, []journal.Row{r}, l.j.Authors)
	if err != nil {
		return nil, err
	}
	out.Known = merge.Row{Known: true, Alive: true, Groups: versions[r]}
	if out.Known.Groups == nil && !meta.Default.Mask.IsEmpty() {
		out.Known.Groups = []merge.Group{meta.Default}
	}
	return out, nil
}

// values reads a row's values, and reports whether it is still here.
func (l *looking) values(ctx context.Context, t *schema.Table, row *Found, columns []*schema.Column) (here bool, err error) {
	query := "SELECT 1"
	for _, c := range columns {
		query += ", " + c.Select("")
	}
	query += " FROM " + schema.Quote(t.Name) + " WHERE " + rowkey.Where(t, []journal.Row{row.At})
	if !l.rows.read {
		query += " FOR UPDATE"
	}
	err = sqldb.Each(ctx, l.q, query, func(v []sql.RawBytes) error {
		here = true
		for i, c := range columns {
			row.Values[c] = nil
			if v[1+i] != nil {
				s := string(v[1+i])
				row.Values[c] = &s
			}
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("read a row of %s: %w", t.Name, err)
	}
	for _, c := range columns {
		if row.Values[c], err = rowkey.Portable(ctx, l.q, c, row.Values[c]); err != nil {
			return false, err
		}
	}
	return here, nil
}

// table returns what is to be done in a table.
func (u *undoing) table(t *schema.Table) *table {
	return u.tables[slices.IndexFunc(u.tables, func(x *table) bool { return x.Table == t })]
}

// Set gives columns of a row values as conflict records have them. Errors: *[NotTaken].
func (e *Editor) Set(ctx context.Context, t *schema.Table, at journal.Row, values map[*schema.Column]*string) error {
	var set []string
	for _, c := range slices.SortedFunc(maps.Keys(values), func(a, b *schema.Column) int { return strings.Compare(a.Name, b.Name) }) {
		v, ok, err := e.u.fromRecord(ctx, c, values[c])
		if err != nil {
			return err
		}
		if !ok {
			return &NotTaken{fmt.Sprintf("its %s refers to a row of %s that is not here (%s)", c.Name, c.Ref.To.Name, journal.PrintableKey(c.Ref.To, *values[c]))}
		}
		set = append(set, schema.Quote(c.Name)+" = "+string(c.AppendLiteral(nil, v)))
	}
	if len(set) == 0 {
		return nil
	}
	clause := strings.Join(set, ", ")
	_, err := e.u.q.ExecContext(ctx, fmt.Sprintf("UPDATE %s SET %s%s WHERE %s", schema.Quote(t.Name), clause, untouched(t, clause), rowkey.Where(t, []journal.Row{at})))
	if reason := e.u.notTaken(err); reason != "" {
		return &NotTaken{reason}
	} else if err != nil {
		return fmt.Errorf("update %s: %w", t.Name, withoutText(err))
	}
	return nil
}

// Confirm notes columns of a row as edited, though their values stay: somebody has decided that they are right.
func (e *Editor) Confirm(ctx context.Context, t *schema.Table, at journal.Row, columns merge.Mask) error {
	return journal.NoteEdit(ctx, e.u.q, e.u.table(t).journal.ID, at, columns)
}

// Insert inserts a row that was deleted again. Errors: *[NotTaken].
func (e *Editor) Insert(ctx context.Context, t *schema.Table, key string, content journal.Content) error {
	tbl := e.u.table(t)
	tbl.deleted = []*revived{{t: tbl, key: key, held: content}}
	if err := e.u.insertDeleted(ctx); err != nil {
		return err
	}
	if tbl.report.Missing > 0 {
		return &NotTaken{strings.TrimPrefix(tbl.report.Rows[0].What, "is not inserted again: ")}
	}
	return nil
}

// Delete deletes a row, unless another refers to it. Errors: *[NotTaken].
func (e *Editor) Delete(ctx context.Context, t *schema.Table, at journal.Row) error {
	tbl := e.u.table(t)
	tbl.added = []*row{{Row: at}}
	if err := e.u.lock(ctx, tbl, nil); err != nil {
		return err
	}
	if err := e.u.remove(ctx); err != nil {
		return err
	}
	if tbl.report.Kept > 0 {
		return &NotTaken{"other rows refer to it"}
	}
	return nil
}
