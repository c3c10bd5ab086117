package journal

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// A Column is an application column's place in the bit masks. A column keeps its bit for good, even when it is dropped.
type Column struct {
	Name string
	Bit  int    // 1 to merge.MaxBit
	Type string // full type when it was last looked at
	New  bool   // what it held when it was first seen has no versions yet
}

// A Table is what the journal knows of one of the application's tables.
type Table struct {
	ID      uint16
	Name    string
	Columns []Column
	// Default is the version of the rows that have no entry: those of the one transaction that found or brought them.
	// Its mask is 0 where there is none.
	Default merge.Group
	// Fresh: what the table held when it was first found has no versions yet.
	Fresh bool
	Flow  Flow // how the table flowed when it was last looked at
	Made  Made // which table it was then
	// Whole: what the application deletes of it, the triggers write whole. Owners is the columns of which they note what they held, where an
	// update changes one of them and where a row is deleted: see [Journal.OwnerColumns]. Neither is stored.
	Whole  bool
	Owners []*schema.Column
}

// A Flow is which way a table goes, and what of it does not. Where it widens, the table is sent again.
type Flow struct {
	Direction  string
	ExcludedUp []string // columns that are left out of what goes to a parent
	Excluded   []string // columns that never travel
	Released   []string // roles of rows whose secrets go to children
	Beside     []string // columns whose references only the profile knows
}

// Bit returns the column's bit, 0 if it has none.
func (t *Table) Bit(column string) int {
	for _, c := range t.Columns {
		if c.Name == column {
			return c.Bit
		}
	}
	return 0
}

// Known returns what is known of a row that is here. groups are those of its entry, nil if it has none: then it has the table's default.
func (t *Table) Known(groups []merge.Group) merge.Row {
	if groups == nil && !t.Default.IsEmpty() {
		groups = []merge.Group{t.Default}
	}
	return merge.Row{Known: groups != nil, Alive: groups != nil, Groups: groups}
}

// MaskOf returns the mask of those of the columns that have bits.
func (t *Table) MaskOf(columns []string) merge.Mask {
	var m merge.MaskBuilder
	for _, c := range t.Columns {
		if slices.ContainsFunc(columns, func(name string) bool { return strings.EqualFold(name, c.Name) }) {
			m.Add(c.Bit)
		}
	}
	return m.Mask()
}

// bits returns the bits of all columns.
func (t *Table) bits() map[string]int {
	out := make(map[string]int, len(t.Columns))
	for _, c := range t.Columns {
		out[c.Name] = c.Bit
	}
	return out
}

// HasManyColumns reports whether some column's bit is none of those that every program knows of: each of these columns has a version of its
// own only at peers that read features.ManyColumns.
func (t *Table) HasManyColumns() bool {
	return slices.ContainsFunc(t.Columns, func(c Column) bool { return merge.Bit(c.Bit).IsWide() })
}

// Grown reports whether there are columns whose first values have no versions yet.
func (t *Table) Grown() bool {
	return slices.ContainsFunc(t.Columns, func(c Column) bool { return c.New })
}

// Assign gives a column the next free bit and reports whether it was new. Past the last bit, which a table reaches only if its columns
// are dropped and others added again and again, columns share that one.
func (t *Table) Assign(column, typ string) bool {
	next := 1
	for i, c := range t.Columns {
		if c.Name == column {
			t.Columns[i].Type = typ
			return false
		}
		if c.Bit >= next {
			next = c.Bit + 1
		}
	}
	t.Columns = append(t.Columns, Column{Name: column, Bit: min(next, merge.MaxBit), Type: typ, New: !t.Fresh})
	return true
}

// LoadTables returns all tables, by name.
func LoadTables(ctx context.Context, q sqldb.DB, a *Authors) (map[string]*Table, error) {
	return loadTables(ctx, q, a, &decoded{})
}

// decoded is what columns, flows and makings of tables were stored as when they were read last, and what they say: a run reads them several
// times, and hardly any changes.
type decoded struct {
	columns map[string][]Column
	flows   map[string]Flow
	made    map[string]Made
}

// again returns what text says: as it was decoded before, or now.
func again[T any](before, now map[string]T, text []byte, decode func([]byte) (T, error)) (T, error) {
	out, ok := before[string(text)]
	if !ok {
		var err error
		if out, err = decode(text); err != nil {
			return out, err
		}
	}
	now[string(text)] = out
	return out, nil
}

// loadTables is LoadTables with what was decoded before, which it replaces by what is decoded now.
func loadTables(ctx context.Context, q sqldb.DB, a *Authors, before *decoded) (map[string]*Table, error) {
	out := map[string]*Table{}
	now := decoded{map[string][]Column{}, map[string]Flow{}, map[string]Made{}}
	const query = "SELECT id, name, columns, default_mask, default_time, default_author, default_epoch, default_origin, default_added_by, unversioned, flow, made, default_more " +
		"FROM omsync_table"
	err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		t := &Table{ID: uint16(sqldb.Uint(r[0])), Name: string(r[1])}
		var err error
		if t.Columns, err = again(before.columns, now.columns, r[2], decodeColumns); err != nil {
			return fmt.Errorf("read omsync_table, table %s: %w", t.Name, err)
		}
		t.Columns = slices.Clone(t.Columns) // others are assigned to it
		if r[3] != nil {
			t.Default = group(r[3:], a)
			t.Default.Mask = t.Default.Or(decodeMask(r[12]))
		}
		t.Fresh = sqldb.Int(r[9]) != 0
		if r[10] != nil {
			if t.Flow, err = again(before.flows, now.flows, r[10], decodeFlow); err != nil {
				return fmt.Errorf("read omsync_table, table %s: %w", t.Name, err)
			}
		}
		if r[11] != nil {
			if t.Made, err = again(before.made, now.made, r[11], decodeMade); err != nil {
				return fmt.Errorf("read omsync_table, table %s: %w", t.Name, err)
			}
		}
		out[t.Name] = t
		return nil
	})
	if err == nil {
		*before = now
	}
	return out, err
}

// group reads mask, time, author, epoch, origin, added_by.
func group(r []sql.RawBytes, a *Authors) merge.Group {
	g := merge.Group{Mask: merge.FromWord(sqldb.Uint(r[0]))}
	g.Version = version(r[1:], a)
	if r[5] != nil {
		g.Added = merge.Adder{Stored: true, Peer: merge.Peer(sqldb.Uint(r[5]))}
	}
	return g
}

func version(r []sql.RawBytes, a *Authors) (v merge.Version) {
	v.Time, v.Author = sqldb.Int(r[0]), a.Name(uint16(sqldb.Uint(r[1])))
	v.Epoch, v.From = sqldb.Uint(r[2]), merge.Peer(sqldb.Uint(r[3]))
	return v
}

// encodeMask returns the words of a mask but for the first, eight bytes each; nil if there are none.
func encodeMask(m merge.Mask) (b []byte) {
	for word := range m.Words() {
		if word != m.Word() {
			b = binary.BigEndian.AppendUint64(b, word)
		}
	}
	return b
}

func decodeMask(b []byte) (m merge.Mask) {
	for ; len(b) >= 8; b = b[8:] {
		m = m.Or(merge.FromWord(binary.BigEndian.Uint64(b)))
	}
	return m
}

// SaveColumns writes a table's columns, and numbers it if it is new. Unlike the rest it needs no gate.
func SaveColumns(ctx context.Context, q sqldb.DB, t *Table) error {
	b, err := encodeColumns(t.Columns)
	if err != nil {
		return err
	}
	if t.ID != 0 {
		_, err = q.ExecContext(ctx, "UPDATE omsync_table SET columns = ? WHERE id = ?", b, t.ID)
		return t.saved(err)
	}
	r, err := q.ExecContext(ctx, "INSERT INTO omsync_table (name, columns, unversioned) VALUES (?, ?, ?)", t.Name, b, t.Fresh)
	if err != nil {
		return fmt.Errorf("number the table %s: %w", t.Name, err)
	}
	id, err := r.LastInsertId()
	t.ID = uint16(id)
	return err
}

// RenameTable gives a table another name. Like SaveColumns it needs no gate.
func RenameTable(ctx context.Context, q sqldb.DB, t *Table, name string) error {
	t.Name = name
	_, err := q.ExecContext(ctx, "UPDATE omsync_table SET name = ? WHERE id = ?", name, t.ID)
	return t.saved(err)
}

// SaveTable writes a table's columns, how it flows and whether it is fresh. The caller holds the gate alone.
func SaveTable(ctx context.Context, q sqldb.DB, t *Table) error {
	b, err := encodeColumns(t.Columns)
	if err != nil {
		return err
	}
	flow, err := encodeFlow(t.Flow)
	if err != nil {
		return err
	}
	_, err = q.ExecContext(ctx, "UPDATE omsync_table SET columns = ?, flow = ?, unversioned = ? WHERE id = ?", b, flow, t.Fresh, t.ID)
	return t.saved(err)
}

// SaveDefault writes a table's default version and nothing else: the caller holds the gate, but the columns may be those
// of another run by now.
func SaveDefault(ctx context.Context, q sqldb.DB, t *Table, a *Authors) (err error) {
	if d := t.Default; d.IsEmpty() {
		_, err = q.ExecContext(ctx, "UPDATE omsync_table SET default_mask = NULL WHERE id = ?", t.ID)
	} else {
		_, err = q.ExecContext(ctx, "UPDATE omsync_table SET default_mask = ?, default_time = ?, default_author = ?, default_epoch = ?, "+
			"default_origin = ?, default_added_by = ?, default_more = ? WHERE id = ?",
			d.Word(), d.Time, a.ID(d.Author), d.Epoch, uint32(d.From), sql.NullInt64{Int64: int64(d.Added.Peer), Valid: d.Added.Stored}, encodeMask(d.Mask), t.ID)
	}
	return t.saved(err)
}

func (t *Table) saved(err error) error {
	if err != nil {
		return fmt.Errorf("save what is known of the table %s: %w", t.Name, err)
	}
	return nil
}
