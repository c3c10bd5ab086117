package export

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// eachWhole hands on all rows of the table that are compared, in portions that may be used again once they are free.
func (r *reader) eachWhole(ctx context.Context, free <-chan *portion, f func(*portion) error) error {
	switch {
	case r.t.Integer == nil:
		return r.eachByLocalKey(ctx, f)
	case r.filtered(r.t.Table): // whose they are is looked at before they are read
		return r.eachByRange(ctx, f)
	}
	return r.eachPage(ctx, free, f)
}

// fewRows is how many rows of a table with long values are asked for at first: what is too much to hold is read twice.
const fewRows = 100

// pageRows is how many rows of a table are asked for at once.
const pageRows = 2 * blockRows

// errFull ends a page that is too much to hold.
var errFull = errors.New("the page is full")

// eachPage reads a table with an integer primary key from end to end, each row once: it does not ask first how long the values are, but stops
// where they are too many bytes, and goes on from there.
func (r *reader) eachPage(ctx context.Context, free <-chan *portion, f func(*portion) error) error {
	columns := slices.Concat(r.t.KeyColumns, r.t.columns, r.t.lookedAt)
	most := pageRows
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
	if r.t.isPlain() {
		add = r.addMessage
	}
	for {
		p := r.t.portionOf(free)
		read, bytes, last := 0, 0, int64(0)
		err := sqldb.EachValue(ctx, r.snap.Conn, fmt.Sprintf("%s%s ORDER BY %s LIMIT %d", query, where, pk, most), func(v []driver.Value) error {
			if bytes > blockBytes {
				return errFull
			}
			n, _ := referred(v[0])
			row := journal.Row{Int: n}
			read, last = read+1, row.Int
			if !r.unsent.has(r.t.Table, row) {
				bytes += add(p, row, v[1:])
			}
			return nil
		})
		full := err == errFull
		if err != nil && !full {
			return fmt.Errorf("read %s: %w", r.t.Name, err)
		}
		if err := r.know(ctx, p); err != nil {
			return err
		}
		if err := f(p); err != nil {
			return err
		}
		switch {
		case full:
			most = max(read, 1)
		case read < most:
			return nil
		case bytes < blockBytes/2:
			most = min(2*most, pageRows)
		}
		where = fmt.Sprintf(" WHERE %s > %d", pk, last)
	}
}

// addTexts returns what adds a row to a portion, as its values print, unless it stays here, and returns of how many bytes they are.
func (r *reader) addTexts() func(*portion, journal.Row, []driver.Value) int {
	var texts []sql.RawBytes
	var b []byte
	return func(p *portion, row journal.Row, values []driver.Value) int {
		texts, b = texts[:0], b[:0]
		for _, v := range values {
			switch v := v.(type) {
			case nil:
				texts = append(texts, nil)
			case []byte:
				texts = append(texts, v)
			default:
				start := len(b)
				b = sqldb.AppendText(b, v)
				texts = append(texts, b[start:])
			}
		}
		if r.t.stays(texts) || !rowFits(texts) {
			return 0
		}
		p.add(row, merge.Row{}, texts)
		return p.sizes[len(p.sizes)-1]
	}
}

// know says of the rows of a page what they are known by, and leaves out those that are not compared.
func (r *reader) know(ctx context.Context, p *portion) error {
	if len(p.rows) == 0 {
		return nil
	}
	var versions entries
	if r.hasEntries() {
		var err error
		if versions, err = journal.VersionsBetween(ctx, r.snap, r.t.meta.ID, p.rows[0].Int, p.rows[len(p.rows)-1].Int, r.j.Authors); err != nil {
			return err
		}
	}
	rest := knownBy(nil, r.t.meta.Default)
	picksRest := r.t.picks(rest)
	picked := make([]bool, len(p.rows))
	for i, row := range p.rows {
		if groups := r.sealed.Groups(row, versions[row]); groups != nil {
			p.known[i] = knownBy(groups, r.t.meta.Default)
			picked[i] = r.t.picks(p.known[i])
		} else {
			p.known[i], picked[i] = rest, picksRest
		}
	}
	p.keep(picked)
	return nil
}

// hasEntries reports whether rows of the table may have entries.
func (r *reader) hasEntries() bool { return r.noted.live == nil || r.noted.live[r.t.meta.ID] }

// portionOf is newPortion, of one that is free if there is any.
func (t *table) portionOf(free <-chan *portion) *portion {
	select {
	case p := <-free:
		p.reset(t)
		return p
	default:
		return newPortion(t)
	}
}

// reset makes an empty portion for rows of a table.
func (p *portion) reset(t *table) {
	p.rows, p.known, p.sizes, p.bytes, p.sights, p.arena = p.rows[:0], p.known[:0], p.sizes[:0], 0, nil, p.arena[:0]
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
