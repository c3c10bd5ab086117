package undo

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/undo/rules"
)

// atOnce is how many rows one statement names.
const atOnce = 1000

// findAll finds what came from the peer.
func (u *undoing) findAll(ctx context.Context) error {
	for _, name := range u.o.Tables {
		if !slices.ContainsFunc(u.j.Replicated(), func(t *schema.Table) bool { return t.Name == name }) {
			return fmt.Errorf("no table %q travels from here", name)
		}
	}
	first, err := journal.FirstEpoch(ctx, u.q, u.o.Since)
	if err != nil || first == 0 {
		return err
	}
	resent, err := journal.ResendEpochs(ctx, u.q, first-1)
	if err != nil {
		return err
	}
	u.since = rules.Since{Peer: u.o.Peer.ID, Name: u.o.Peer.Name, First: first, Time: u.o.Since.UnixMicro(),
		Resent: func(e uint64) bool { return slices.Contains(resent, e) }}
	for _, st := range u.j.Replicated() {
		if len(u.o.Tables) > 0 && !slices.Contains(u.o.Tables, st.Name) {
			continue
		}
		t := &table{Table: st, journal: u.j.Tables[st.Name], report: TableReport{Table: st.Name}}
		u.tables = append(u.tables, t)
		if err := u.findIn(ctx, t); err != nil {
			return err
		}
	}
	return u.findDeleted(ctx)
}

// findIn finds the rows of a table that are alive, and locks them.
func (u *undoing) findIn(ctx context.Context, t *table) error {
	rows, err := journal.CameSince(ctx, u.q, t.journal.ID, u.since.First, u.since.Peer, maxRows+1)
	if err != nil {
		return err
	}
	for part := range slices.Chunk(rows, atOnce) {
		versions, err := journal.Versions(ctx, u.q, t.journal.ID, part, u.j.Authors)
		if err != nil {
			return err
		}
		for _, r := range part {
			u.judge(t, r, versions[r])
		}
	}
	byDefault := map[journal.Row]bool{}
	if fate, _ := u.since.Row(merge.Row{Known: true, Alive: true, Groups: []merge.Group{t.journal.Default}}); fate != rules.Untouched {
		if rows, err = journal.WithoutEntry(ctx, u.q, t.Table, t.journal.ID, maxRows+1); err != nil {
			return err
		}
		for _, r := range rows {
			byDefault[r] = true
			u.judge(t, r, []merge.Group{t.journal.Default})
		}
	}
	if len(t.added)+len(t.changed) > maxRows {
		return fmt.Errorf("more than %d rows of %s came since then: choose a later time", maxRows, t.Name)
	}
	return u.lock(ctx, t, byDefault)
}

// judge lets the rules decide on a row.
func (u *undoing) judge(t *table, r journal.Row, groups []merge.Group) {
	fate, mask := u.since.Row(merge.Row{Known: true, Alive: true, Groups: groups})
	switch fate {
	case rules.Added:
		t.added = append(t.added, &row{Row: r})
	case rules.Shared:
		t.shared = append(t.shared, r)
	case rules.Changed:
		t.changed = append(t.changed, &row{Row: r, groups: groups, mask: mask})
	}
}

// lock locks the rows and leaves out those that are not there. What the application has changed since the seal is no longer as it came:
// errChanged. Of rows without an entry, one that it has just made is none of the peer's.
func (u *undoing) lock(ctx context.Context, t *table, byDefault map[journal.Row]bool) error {
	columns := referredColumns(t.Table)
	here := map[journal.Row]map[*schema.Column][]byte{}
	query := "SELECT " + journal.Identity(t.Table, "")
	for _, c := range columns {
		query += ", " + c.Select("")
	}
	query += " FROM " + schema.Quote(t.Name) + " WHERE "
	for part := range slices.Chunk(slices.Concat(identities(t.added), identities(t.changed)), atOnce) {
		err := sqldb.Each(ctx, u.q, query+rowkey.Where(t.Table, part)+" FOR UPDATE", func(r []sql.RawBytes) error {
			values := map[*schema.Column][]byte{}
			for i, c := range columns {
				values[c] = slices.Clone(r[2+i])
			}
			here[journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])}] = values
			return nil
		})
		if err != nil {
			return fmt.Errorf("lock rows of %s: %w", t.Name, err)
		}
	}
	if len(here) == 0 {
		t.added, t.changed = nil, nil
		return nil
	}
	changes, err := journal.TableChanges(ctx, u.q, t.journal.ID)
	if err != nil {
		return err
	}
	for _, c := range changes {
		if _, ours := here[c.Row]; ours && byDefault[c.Row] && c.Op == journal.OpInsert {
			delete(here, c.Row)
		} else if ours {
			return errChanged
		}
	}
	for _, list := range []*[]*row{&t.added, &t.changed} {
		*list = slices.DeleteFunc(*list, func(r *row) bool {
			values, ok := here[r.Row]
			r.values = values
			return !ok
		})
	}
	return nil
}

func identities(rows []*row) []journal.Row {
	out := make([]journal.Row, len(rows))
	for i, r := range rows {
		out[i] = r.Row
	}
	return out
}

// referredColumns returns the columns by which rows of the table are referred to other than by their integers.
func referredColumns(t *schema.Table) (out []*schema.Column) {
	for _, ref := range t.Children {
		if ref.When == nil && ref.ToColumn != t.Integer && !slices.Contains(out, ref.ToColumn) {
			out = append(out, ref.ToColumn)
		}
	}
	return out
}

// finder finds rows by their keys, and locks them so that they stay.
type finder struct {
	q     sqldb.DB
	read  bool // nothing is locked
	known map[*schema.Table]map[string]journal.Row
}

// add tells of a row that was inserted.
func (f *finder) add(t *schema.Table, key string, r journal.Row) {
	if f.known[t] == nil {
		f.known[t] = map[string]journal.Row{}
	}
	f.known[t][key] = r
}

// row finds a row by its key; false: it is not here.
func (f *finder) row(ctx context.Context, t *schema.Table, key string) (r journal.Row, ok bool, err error) {
	if r, ok := f.known[t][key]; ok {
		return r, true, nil
	}
	parts, ok := KeyParts(t, key)
	if !ok {
		return r, false, nil
	}
	b := []byte("SELECT " + journal.Identity(t, "") + " FROM " + schema.Quote(t.Name) + " WHERE ")
	for i, c := range t.KeyColumns {
		if i > 0 {
			b = append(b, " AND "...)
		}
		b = append(b, schema.Quote(c.Name)+" <=> "...)
		var value []byte
		if parts[i] != nil {
			if value, ok, err = f.part(ctx, c, *parts[i]); !ok || err != nil {
				return r, false, err
			}
		}
		b = c.AppendLiteral(b, value)
	}
	lock := " LOCK IN SHARE MODE"
	if f.read {
		lock = ""
	}
	found := false
	err = sqldb.Each(ctx, f.q, string(b)+" LIMIT 1"+lock, func(v []sql.RawBytes) error {
		r, found = journal.Row{Int: sqldb.Int(v[0]), Key: string(v[1])}, true
		return nil
	})
	if err != nil {
		return r, false, fmt.Errorf("look for a row of %s: %w", t.Name, err)
	}
	if found {
		f.add(t, key, r)
	}
	return r, found, nil
}

// KeyParts returns what a row's key columns hold, as the parts of its key; false if the key is none of the table's.
func KeyParts(t *schema.Table, key string) ([]*string, bool) {
	if t.Root != t {
		return []*string{&key}, true
	}
	return journal.SplitKey(key, len(t.KeyColumns))
}

// part returns what a key column holds here for a part of a key.
func (f *finder) part(ctx context.Context, c *schema.Column, part string) ([]byte, bool, error) {
	if c.Ref == nil {
		return []byte(part), true, nil
	}
	return f.value(ctx, c.Ref, c.Ref.To, part)
}

// value returns what a column holds here that refers to a row; false: the row is not here.
func (f *finder) value(ctx context.Context, ref *schema.Ref, to *schema.Table, key string) ([]byte, bool, error) {
	r, ok, err := f.row(ctx, to, key)
	if !ok || err != nil {
		return nil, false, err
	}
	if ref.ByName() {
		return []byte(key), true, nil
	}
	return fmt.Append(nil, r.Int), true, nil
}
