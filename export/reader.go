package export

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// blockRows and blockBytes bound what is held of a table at once.
const (
	blockRows  = 2000
	blockBytes = 4 << 20
)

// A portion is some rows of one table, as a snapshot holds them.
type portion struct {
	rows   []journal.Row
	key    [][][]byte // by key column, then row; nil is NULL
	values [][][]byte // by column that is sent, then row
	known  []merge.Row
}

// reader reads those rows of a table that a peer lacks.
type reader struct {
	j       *journal.Journal
	q       sqldb.DB
	table   *schema.Table
	columns []*schema.Column
	base    uint64
	peer    merge.Peer
	sealed  *capture.SealedTable // the seal under way, laid over the snapshot; nil if it did not touch the table
}

// each hands on the rows that the peer lacks, in portions, in the order of their integers.
func (r *reader) each(ctx context.Context, f func(*portion) error) error {
	jt := r.j.Tables[r.table.Name]
	d := jt.Default
	everything := d.Mask != 0 && merge.Row{Known: true, Alive: true, Groups: []merge.Group{d}}.NewerThan(r.base, r.peer)
	var list []journal.Row
	if !everything {
		var err error
		if list, err = r.list(ctx, jt.ID); err != nil || len(list) == 0 {
			return err
		}
	}
	if r.table.Integer == nil {
		return r.byLocalKey(ctx, jt, f)
	}
	if everything {
		return r.byRange(ctx, jt, f)
	}
	for part := range slices.Chunk(list, blockRows) {
		versions, err := journal.Versions(ctx, r.q, jt.ID, part, r.j.Authors)
		if err != nil {
			return err
		}
		sized, err := r.sizes(ctx, rowkey.Where(r.table, part))
		if err != nil {
			return err
		}
		for _, rows := range sized {
			if err := r.fetch(ctx, jt, "WHERE "+rowkey.Where(r.table, rows)+" ORDER BY 1", versions, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// list is the rows with an entry that the peer lacks: in the snapshot, and in what was just sealed.
func (r *reader) list(ctx context.Context, id uint16) ([]journal.Row, error) {
	list, err := journal.Newer(ctx, r.q, id, r.base, r.peer)
	if err != nil || r.sealed == nil {
		return list, err
	}
	seen := map[journal.Row]bool{}
	for _, row := range list {
		seen[row] = true
	}
	for row, groups := range r.sealed.Live {
		if len(groups) > 0 && !seen[row] {
			list = append(list, row)
		}
	}
	slices.SortFunc(list, func(a, b journal.Row) int {
		if a.Int != b.Int {
			if a.Int < b.Int {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Key, b.Key)
	})
	return list, nil
}

func (r *reader) byRange(ctx context.Context, jt *journal.Table, f func(*portion) error) error {
	pk := schema.Quote(r.table.Integer.Name)
	from := fmt.Sprintf("%s >= -9223372036854775808", pk)
	if r.table.Integer.Unsigned {
		from = fmt.Sprintf("%s >= 0", pk)
	}
	for {
		sized, err := r.sizes(ctx, fmt.Sprintf("%s ORDER BY %s LIMIT %d", from, pk, blockRows))
		if err != nil {
			return err
		}
		for _, rows := range sized {
			first, last := rows[0].Int, rows[len(rows)-1].Int
			versions, err := journal.VersionsBetween(ctx, r.q, jt.ID, first, last, r.j.Authors)
			if err != nil {
				return err
			}
			if err := r.fetch(ctx, jt, fmt.Sprintf("WHERE %s BETWEEN %d AND %d ORDER BY %[1]s", pk, first, last), versions, f); err != nil {
				return err
			}
			from = fmt.Sprintf("%s > %d", pk, last)
		}
		if len(sized) == 0 {
			return nil
		}
	}
}

// sizes lists the rows that a condition picks, cut where the long values would become too much to hold at once.
func (r *reader) sizes(ctx context.Context, condition string) ([][]journal.Row, error) {
	var long []string
	for _, c := range r.columns {
		switch c.Type {
		case "text", "mediumtext", "longtext", "blob", "mediumblob", "longblob", "json", "geometry", "varbinary", "varchar":
			if c.Type != "varchar" && c.Type != "varbinary" || c.Length > 2000 {
				long = append(long, "IFNULL(LENGTH("+schema.Quote(c.Name)+"), 0)")
			}
		}
	}
	size := "0"
	if len(long) > 0 {
		size = strings.Join(long, "+")
	}
	var out [][]journal.Row
	var rows []journal.Row
	var sum int64
	query := fmt.Sprintf("SELECT %s, %s FROM %s WHERE %s", schema.Quote(r.table.Integer.Name), size, schema.Quote(r.table.Name), condition)
	err := sqldb.Each(ctx, r.q, query, func(v []sql.RawBytes) error {
		n := sqldb.Int(v[1])
		if sum+n > blockBytes && len(rows) > 0 {
			out, rows, sum = append(out, rows), nil, 0
		}
		sum += n
		rows = append(rows, journal.Row{Int: sqldb.Int(v[0])})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", r.table.Name, err)
	}
	if len(rows) > 0 {
		out = append(out, rows)
	}
	return out, nil
}

// byLocalKey reads a table without an integer primary key from end to end: such tables are small.
func (r *reader) byLocalKey(ctx context.Context, jt *journal.Table, f func(*portion) error) error {
	versions, err := journal.AllVersions(ctx, r.q, jt.ID, r.j.Authors)
	if err != nil {
		return err
	}
	var order []string
	for _, c := range r.table.LocalColumns {
		order = append(order, schema.Quote(c.Name))
	}
	const n = 500
	for start := 0; ; start += n {
		got := 0
		err := r.fetch(ctx, jt, fmt.Sprintf("ORDER BY %s LIMIT %d, %d", strings.Join(order, ", "), start, n), versions, f, &got)
		if err != nil || got < n {
			return err
		}
	}
}

// fetch reads rows and hands on those that the peer lacks. read, if given, is told how many there were.
func (r *reader) fetch(ctx context.Context, jt *journal.Table, which string, versions map[journal.Row][]merge.Group, f func(*portion) error, read ...*int) error {
	query := "SELECT " + journal.Identity(r.table, "")
	for _, c := range r.table.KeyColumns {
		query += ", " + c.Select("")
	}
	for _, c := range r.columns {
		query += ", " + c.Select("")
	}
	query += " FROM " + schema.Quote(r.table.Name) + " " + which
	p := &portion{key: make([][][]byte, len(r.table.KeyColumns)), values: make([][][]byte, len(r.columns))}
	var arena []byte
	keep := func(v sql.RawBytes) []byte {
		if v == nil {
			return nil
		}
		if cap(arena)-len(arena) < len(v) {
			arena = make([]byte, 0, max(1<<18, len(v)))
		}
		start := len(arena)
		arena = append(arena, v...)
		return arena[start:len(arena):len(arena)]
	}
	filter := r.j.Profile.RowFilter(r.table.Name)
	err := sqldb.Each(ctx, r.q, query, func(v []sql.RawBytes) error {
		for _, n := range read {
			*n++
		}
		row := journal.Row{Int: sqldb.Int(v[0]), Key: string(v[1])}
		known, ok := r.versions(jt, row, versions)
		if !ok || filter != nil && r.filtered(filter, v[2:]) {
			return nil
		}
		p.rows, p.known = append(p.rows, row), append(p.known, known)
		for i := range p.key {
			p.key[i] = append(p.key[i], keep(v[2+i]))
		}
		for i := range p.values {
			p.values[i] = append(p.values[i], keep(v[2+len(p.key)+i]))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read %s: %w", r.table.Name, err)
	}
	if len(p.rows) == 0 {
		return nil
	}
	return f(p)
}

// versions of a row; false if the peer lacks nothing of it.
func (r *reader) versions(jt *journal.Table, row journal.Row, entries map[journal.Row][]merge.Group) (merge.Row, bool) {
	groups := entries[row]
	if r.sealed != nil {
		if g, ok := r.sealed.Live[row]; ok {
			groups = g
		}
	}
	if groups == nil && jt.Default.Mask != 0 {
		groups = []merge.Group{jt.Default}
	}
	known := merge.Row{Known: len(groups) > 0, Alive: true, Groups: groups}
	return known, known.NewerThan(r.base, r.peer)
}

// filtered says whether the profile keeps a row here.
func (r *reader) filtered(f *schema.RowFilter, values []sql.RawBytes) bool {
	for i, c := range append(slices.Clone(r.table.KeyColumns), r.columns...) {
		if strings.EqualFold(c.Name, f.Column) {
			return f.Match(string(values[i]))
		}
	}
	return false
}
