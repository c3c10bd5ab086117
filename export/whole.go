package export

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// eachWhole hands on all rows of the table that are compared, in portions that may be used again once they are free.
func (r *reader) eachWhole(ctx context.Context, f func(*portion) error) error {
	if r.t.Integer == nil {
		return r.eachByLocalKey(ctx, f)
	}
	return r.eachOfAll(ctx, f)
}

// eachOfAll reads a table with an integer primary key from end to end.
func (r *reader) eachOfAll(ctx context.Context, f func(*portion) error) error {
	if r.filtered(r.t.Table) { // whose they are is looked at before they are read
		return r.eachByRange(ctx, f)
	}
	return r.eachPage(ctx, f)
}

// fewRows is how many rows of a table with long values are asked for at first: what is too much to hold is read twice.
const fewRows = 100

// pageRows is how many rows of a table are asked for at once, where no block is made of them.
const pageRows = 2 * blockRows

// errFull ends a page that is too much to hold.
var errFull = errors.New("the page is full")

// eachPage reads a table with an integer primary key from end to end, each row once: it does not ask first how long the values are, but stops
// where they are too many bytes, and goes on from there.
func (r *reader) eachPage(ctx context.Context, f func(*portion) error) error {
	columns := slices.Concat(r.t.KeyColumns, r.t.columns, r.t.lookedAt)
	whole := blockRows
	if r.proof != sends {
		whole = pageRows
	}
	most := whole
	if slices.ContainsFunc(columns, isLong) {
		most = fewRows
	}
	pk := "t." + schema.Quote(r.t.Integer.Name)
	query := "SELECT " + pk
	for _, c := range columns {
		query += ", " + c.Select("t.")
	}
	query += " " + r.fromTable() + r.t.ForceIndex([]*schema.Column{r.t.Integer})
	where := ""
	add := r.addTexts()
	if r.proof != sends && r.t.isPlain() {
		add = r.addMessage
	}
	for before := 0; ; {
		p := r.t.portionOf(r.free, before)
		var apart []journal.Row // no batch takes them, or they stay here
		read, bytes, last := 0, 0, int64(0)
		err := sqldb.EachValue(ctx, r.snap.Conn, fmt.Sprintf("%s%s ORDER BY %s LIMIT %d", query, where, pk, most), func(v []driver.Value) error {
			if bytes > blockBytes {
				return errFull
			}
			n, _ := referred(v[0])
			row := journal.Row{Int: n}
			read, last = read+1, row.Int
			if r.unsent.has(r.t.Table, row) {
				apart = append(apart, row)
				return nil
			}
			size, ok := add(p, row, v[1:])
			if bytes += size; !ok {
				apart = append(apart, row)
			}
			return nil
		})
		full := err == errFull
		if err != nil && !full {
			return fmt.Errorf("read %s: %w", r.t.Name, err)
		}
		if err := r.know(ctx, p, apart); err != nil {
			return err
		}
		before = len(p.rows)
		if err := f(p); err != nil {
			return err
		}
		switch {
		case full:
			most = max(read, 1)
		case read < most:
			return nil
		case bytes < blockBytes/4:
			most = min(4*most, whole)
		}
		where = fmt.Sprintf(" WHERE %s > %d", pk, last)
	}
}

// addTexts returns what adds a row to a portion, as its values print, unless it stays here, and returns of how many bytes they are; false if a
// batch does not take it.
func (r *reader) addTexts() func(*portion, journal.Row, []driver.Value) (int, bool) {
	var texts []sql.RawBytes
	return func(p *portion, row journal.Row, values []driver.Value) (int, bool) {
		if _, ok := fits(values); !ok {
			return 0, false
		}
		texts = texts[:0]
		for _, v := range values {
			texts = append(texts, p.text(v))
		}
		if r.t.stays(texts) {
			return 0, true
		}
		p.addCopied(row, merge.Row{}, texts)
		return p.sizes[len(p.sizes)-1], true
	}
}

// know says of the rows of a page what they are known by, and leaves out those that do not go, or are not compared. Of the rows that were set apart
// it notes those that would go.
func (r *reader) know(ctx context.Context, p *portion, apart []journal.Row) error {
	first, last := int64(math.MaxInt64), int64(math.MinInt64)
	for _, rows := range [][]journal.Row{p.rows, apart} {
		if n := len(rows); n > 0 {
			first, last = min(first, rows[0].Int), max(last, rows[n-1].Int)
		}
	}
	var versions entries
	if first <= last && r.hasEntries() {
		var err error
		if versions, err = journal.VersionsBetween(ctx, r.snap, r.t.meta.ID, first, last, r.j.Authors); err != nil {
			return err
		}
	}
	rest := knownBy(nil, r.t.meta.Default)
	lacksRest := r.lacks(rest)
	knows := func(row journal.Row) (known merge.Row, picked bool) {
		known, lacks := rest, lacksRest
		if groups := r.sealed.Groups(row, versions[row]); groups != nil {
			known = knownBy(groups, r.t.meta.Default)
			lacks = r.lacks(known)
		}
		return known, r.picks(row, known, lacks)
	}
	picked := make([]bool, len(p.rows))
	for i, row := range p.rows {
		p.known[i], picked[i] = knows(row)
	}
	p.keep(picked)
	for _, row := range apart {
		if _, picked := knows(row); picked {
			r.setApart(p, row)
		}
	}
	return nil
}

// setApart notes that a row that would go stays here.
func (r *reader) setApart(p *portion, row journal.Row) {
	if r.unsent.has(r.t.Table, row) {
		p.lacked = append(p.lacked, row)
	} else {
		p.unfit++
	}
}

// hasEntries reports whether rows of the table may have entries.
func (r *reader) hasEntries() bool { return r.noted.live == nil || r.noted.live[r.t.meta.ID] }

// portionOf is newPortion, of one that is free if there is any, or else with room for some rows.
func (t *table) portionOf(free <-chan *portion, rows int) *portion {
	select {
	case p := <-free:
		p.reset(t)
		return p
	default:
	}
	p := newPortion(t)
	p.rows, p.known, p.sizes = make([]journal.Row, 0, rows), make([]merge.Row, 0, rows), make([]int, 0, rows)
	for _, columns := range [][][][]byte{p.key, p.values} {
		for i := range columns {
			columns[i] = make([][]byte, 0, rows)
		}
	}
	return p
}

// reset makes an empty portion for rows of a table.
func (p *portion) reset(t *table) {
	p.rows, p.known, p.sizes, p.bytes, p.sights, p.arena = p.rows[:0], p.known[:0], p.sizes[:0], 0, nil, p.arena[:0]
	p.lacked, p.unfit = nil, 0
	if cap(p.arena) > mostArena {
		p.arena = nil
	}
	p.key, p.values = resized(p.key, len(t.KeyColumns)), resized(p.values, len(t.columns))
	p.messages.reset(t)
}

// resized returns n empty columns, in the memory of some.
func resized(columns [][][]byte, n int) [][][]byte {
	columns = slices.Grow(columns[:0], n)[:n]
	for i := range columns {
		clear(columns[i]) // what was in it need not be held
		columns[i] = columns[i][:0]
	}
	return columns
}

// keep leaves only the rows that are picked.
func (p *portion) keep(picked []bool) {
	if !slices.Contains(picked, false) {
		return
	}
	p.rows, p.known, p.sizes = kept(p.rows, picked), kept(p.known, picked), kept(p.sizes, picked)
	if p.messages != nil {
		p.messages.spans = kept(p.messages.spans, picked)
	}
	for i := range p.key {
		p.key[i] = kept(p.key[i], picked)
	}
	for i := range p.values {
		p.values[i] = kept(p.values[i], picked)
	}
}

func kept[T any](of []T, picked []bool) []T {
	out := of[:0]
	for i, v := range of {
		if picked[i] {
			out = append(out, v)
		}
	}
	return out
}
