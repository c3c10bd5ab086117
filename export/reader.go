package export

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/digest"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/scope"
)

// blockRows and blockBytes bound what is held of a table at once.
const (
	blockRows  = 2000
	blockBytes = 4 << 20
)

// entries are the versions of rows, as the journal has them in the snapshot.
type entries map[journal.Row][]merge.Group

// reader reads those rows of a table that a peer lacks: as the snapshot has them, with the versions of the seal laid over its own.
type reader struct {
	*plan
	t      *table
	sealed *capture.SealedTable
	sights map[journal.Row]scope.Sight // of the rows that are read next; nil: all rows may go
	stands map[journal.Row]stand       // of those, what cut read of where they stand; nil: nothing
	read   map[journal.Row]bool        // nil where each row has a local identity of its own
	free   <-chan *portion             // portions that nobody needs any more
	seed   digest.Seed                 // of a digest that the rows are read for
}

// stand is what the columns hold that say what a row is, and whose.
type stand struct {
	key   []*string
	steps []string // see scopes.Known
}

func newReader(p *plan, t *table) *reader {
	r := &reader{plan: p, t: t, sealed: p.snap.Sealed(t.Table)}
	if len(t.PrimaryKey) == 0 && t.Key != schema.KeyAll {
		r.read = map[journal.Row]bool{}
	}
	return r
}

// each hands on the rows that the peer lacks, in portions, in the order of their integers.
func (r *reader) each(ctx context.Context, f func(*portion) error) error {
	ofDefault := knownBy(nil, r.t.meta.Default)
	lacksDefault := r.lacks(ofDefault) // all rows but those with an entry
	few := r.t.rules.SendsBack() && !r.t.lost
	if few && lacksDefault {
		if lacksDefault = r.t.rules.GoesBack(ofDefault, false, r.t.base(r.head.Base.Epoch)); !lacksDefault && r.t.staff != nil {
			for row := range r.t.staff.rows { // none of them has an entry, perhaps
				r.t.staff.lacked[row] = true
			}
		}
	}
	if r.filtered(r.t.Table) && !few {
		return r.eachInSight(ctx, lacksDefault, f)
	}
	var list []journal.Row
	if !lacksDefault {
		newer, err := journal.Newer(ctx, r.snap, r.t.meta.ID, r.t.base(r.head.Base.Epoch), r.t.knows)
		if err != nil {
			return err
		}
		if r.t.refused != nil {
			newer = r.withRefused(newer)
		}
		newer = r.sealed.Rows(newer)
		if few {
			if newer, err = r.few(ctx, newer); err != nil {
				return err
			}
		}
		if list = newer; len(list) == 0 {
			return nil
		}
	}
	switch {
	case r.t.Integer == nil:
		return r.eachByLocalKey(ctx, f)
	case lacksDefault:
		return r.eachOfAll(ctx, f)
	}
	return r.eachOf(ctx, list, f)
}

// eachOf reads some rows of a table with an integer primary key.
func (r *reader) eachOf(ctx context.Context, list []journal.Row, f func(*portion) error) error {
	for some := range slices.Chunk(list, blockRows) {
		versions, err := r.versions(ctx, some)
		if err != nil {
			return err
		}
		sized := [][]journal.Row{some}
		if r.filtered(r.t.Table) || r.hasLong() {
			if sized, err = r.cut(ctx, rowkey.From(r.t.Table, some)+" ORDER BY 1"); err != nil {
				return err
			}
		}
		for _, rows := range sized {
			if err := r.see(ctx, rows); err != nil {
				return err
			}
			if _, err := r.fetch(ctx, rowkey.From(r.t.Table, rows, r.t.columns...)+" ORDER BY 1", versions, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// versions returns the entries of some rows.
func (r *reader) versions(ctx context.Context, rows []journal.Row) (entries, error) {
	if w := r.window; w != nil && w.versions[r.t.Table] != nil {
		return w.versions[r.t.Table], nil
	}
	return journal.Versions(ctx, r.snap, r.t.meta.ID, rows, r.j.Authors)
}

// eachByRange reads a table with an integer primary key from end to end.
func (r *reader) eachByRange(ctx context.Context, f func(*portion) error) error {
	pk := "t." + schema.Quote(r.t.Integer.Name)
	table := r.fromTable() + r.t.ForceIndex([]*schema.Column{r.t.Integer}) + " WHERE "
	from := fmt.Sprintf("%s >= -9223372036854775808", pk)
	if r.t.Integer.Unsigned {
		from = fmt.Sprintf("%s >= 0", pk)
	}
	for {
		sized, err := r.cut(ctx, table+fmt.Sprintf("%s ORDER BY %s LIMIT %d", from, pk, blockRows))
		if err != nil || len(sized) == 0 {
			return err
		}
		for _, rows := range sized {
			if err := r.see(ctx, rows); err != nil {
				return err
			}
			first, last := rows[0].Int, rows[len(rows)-1].Int
			from = fmt.Sprintf("%s > %d", pk, last)
			if r.allOut() {
				continue
			}
			versions, err := journal.VersionsBetween(ctx, r.snap, r.t.meta.ID, first, last, r.j.Authors)
			if err != nil {
				return err
			}
			if _, err := r.fetch(ctx, table+fmt.Sprintf("%s BETWEEN %d AND %d ORDER BY %[1]s", pk, first, last), versions, f); err != nil {
				return err
			}
		}
	}
}

// eachByLocalKey reads a table without an integer primary key from end to end: such tables are small.
func (r *reader) eachByLocalKey(ctx context.Context, f func(*portion) error) error {
	var versions entries
	if r.hasEntries() {
		var err error
		if versions, err = journal.AllVersions(ctx, r.snap, r.t.meta.ID, r.j.Authors); err != nil {
			return err
		}
	}
	var order []string
	for _, c := range r.t.PrimaryKey {
		order = append(order, "t."+schema.Quote(c.Name))
	}
	if len(order) == 0 { // a collation may take values of two rows for equal, and then each page would have an order of its own
		order = []string{"2"}
	}
	const n = 500
	for start := 0; ; start += n {
		which := r.fromTable() + fmt.Sprintf(" ORDER BY %s LIMIT %d, %d", strings.Join(order, ", "), start, n)
		if err := r.seeThose(ctx, which); err != nil {
			return err
		}
		read, err := r.fetch(ctx, which, versions, f)
		if err != nil || read < n {
			return err
		}
	}
}

// fromTable is the FROM of statements that read some or all of the table, as t.
func (r *reader) fromTable() string { return "FROM " + schema.Quote(r.t.Name) + " t" }

// cut lists the rows that a statement picks, by what it says from FROM on, cut where their long values would become too much to hold at once.
func (r *reader) cut(ctx context.Context, which string) ([][]journal.Row, error) {
	size := "0"
	for _, c := range slices.Concat(r.t.KeyColumns, r.t.columns) {
		if isLong(c) {
			size += "+IFNULL(LENGTH(t." + schema.Quote(c.Name) + "), 0)"
		}
	}
	var out [][]journal.Row
	var rows []journal.Row
	var sum int64
	query := fmt.Sprintf("SELECT t.%s, %s", schema.Quote(r.t.Integer.Name), size)
	var steps []*schema.Column
	nkey := len(r.t.KeyColumns)
	if r.filtered(r.t.Table) {
		r.stands = map[journal.Row]stand{}
		steps = r.scopes.store.Columns(r.t.Table)
		for _, c := range slices.Concat(r.t.KeyColumns, steps) {
			query += ", " + c.Select("t.")
		}
	}
	query += " " + which
	err := sqldb.Each(ctx, r.snap, query, func(v []sql.RawBytes) error {
		n := sqldb.Int(v[1])
		if sum+n > blockBytes && len(rows) > 0 {
			out, rows, sum = append(out, rows), nil, 0
		}
		sum += n
		row := journal.Row{Int: sqldb.Int(v[0])}
		if rows = append(rows, row); r.stands != nil {
			r.stands[row] = newStand(v[2:2+nkey], v[2+nkey:])
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", r.t.Name, err)
	}
	if len(rows) > 0 {
		out = append(out, rows)
	}
	return out, nil
}

func newStand(key, steps []sql.RawBytes) stand {
	s := stand{key: make([]*string, len(key)), steps: make([]string, len(steps))}
	for i, v := range key {
		if v != nil {
			text := string(v)
			s.key[i] = &text
		}
	}
	for i, v := range steps {
		s.steps[i] = string(v)
	}
	return s
}

// hasLong reports whether values of a row of the table may be long.
func (r *reader) hasLong() bool {
	return slices.ContainsFunc(r.t.KeyColumns, isLong) || slices.ContainsFunc(r.t.columns, isLong)
}

// isLong reports whether a column's values may be so long that their length must be looked at first.
func isLong(c *schema.Column) bool {
	switch c.Type {
	case "text", "mediumtext", "longtext", "blob", "mediumblob", "longblob", "json", "geometry":
		return true
	case "varbinary", "varchar":
		return c.Length > 2000
	}
	return false
}

// fetch reads rows, hands on those that the peer lacks, and returns how many it read.
func (r *reader) fetch(ctx context.Context, which string, versions entries, f func(*portion) error) (read int, err error) {
	query := "SELECT " + journal.Identity(r.t.Table, "t.")
	for _, c := range slices.Concat(r.t.KeyColumns, r.t.columns, r.t.lookedAt) {
		query += ", " + c.Select("t.")
	}
	query += " " + which
	p := newPortion(r.t)
	err = sqldb.Each(ctx, r.snap, query, func(v []sql.RawBytes) error {
		read++
		row := journal.Row{Int: sqldb.Int(v[0]), Key: string(v[1])}
		known := knownBy(r.sealed.Groups(row, versions[row]), r.t.meta.Default)
		sight, lacks := scope.Always, false
		if r.sights != nil {
			sight = r.sights[row]
			lacks = sight.Sends(known, r.t.base(r.head.Base.Epoch), r.t.knows)
		} else {
			lacks = r.lacks(known)
		}
		switch {
		case r.read[row]: // rows that are equal throughout count as one
		case !sight.In() || !r.picks(row, known, lacks) || r.t.stays(v[2:]):
		case r.unsent.has(r.t.Table, row) || !rowFits(v[2:]):
			r.setApart(p, row)
		default:
			p.add(row, known, v[2:])
			if r.sights != nil {
				p.sights = append(p.sights, sight)
			}
		}
		if r.read != nil {
			r.read[row] = true
		}
		return nil
	})
	if err != nil {
		return read, fmt.Errorf("read %s: %w", r.t.Name, err)
	}
	if len(p.rows)+len(p.lacked)+p.unfit == 0 {
		return read, nil
	}
	return read, f(p)
}

// withRefused adds to rows of the table, in their order, those of which the peer's version was refused.
func (r *reader) withRefused(rows []journal.Row) []journal.Row {
	for row := range r.t.refused {
		rows = append(rows, row)
	}
	slices.SortFunc(rows, rowkey.Compare)
	return slices.Compact(rows)
}

// knownBy returns what a row is known by: the groups of its entry, or those of the rows that have none.
func knownBy(groups []merge.Group, ofRest merge.Group) merge.Row {
	if groups == nil && !ofRest.IsEmpty() {
		groups = []merge.Group{ofRest}
	}
	return merge.Row{Known: len(groups) > 0, Alive: true, Groups: groups}
}

// lacks reports whether the peer lacks something of a row.
func (r *reader) lacks(known merge.Row) bool {
	return known.NewerThan(r.t.base(r.head.Base.Epoch), r.t.knows)
}

// stays reports whether a row stays here, by its key columns, those that are sent and those that the filters look at besides.
func (t *table) stays(values []sql.RawBytes) bool {
	if t.filters == nil {
		return false
	}
	for i, c := range slices.Concat(t.KeyColumns, t.columns, t.lookedAt) {
		if values[i] != nil && t.filters.Match(c, string(values[i])) {
			return true
		}
	}
	return false
}
