package export

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/export/share"
	"github.com/omsync/omsync/internal/headers"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// making is a section that is being made.
type making struct {
	w      *batch.SectionWriter
	dict   *dictionary
	refers map[share.Row]bool
}

// section returns the section of an interval, which is made of what the snapshot has if there is none that is as it would be.
func (x *exporter) section(ctx context.Context, w *window, i share.Interval) (*section, error) {
	sum := w.Sum(i)
	right := func(s *section) bool {
		if s.sum != sum || s.at.Epoch > w.at.Epoch || s.at != w.at && !x.history.Has(s.at) {
			return false
		}
		for t := range s.names { // a row that it refers to may be gone
			if w.dead[t] > s.at.Epoch {
				return false
			}
		}
		return true
	}
	return x.out.o.Sections.get(ctx, sectionKey{w.as, i}, right, func() (*section, error) {
		s, err := x.makeSection(ctx, w.Rows(i))
		if err != nil {
			return nil, fmt.Errorf("make a section: %w", err)
		}
		s.at, s.sum = w.at, sum
		return s, nil
	})
}

func (x *exporter) makeSection(ctx context.Context, rows []share.Row) (*section, error) {
	h := &batch.Header{Requests: headers.Requests(nil, nil, x.writes(true))}
	w, err := x.out.o.Sections.compressors.NewSection(h)
	if err != nil {
		return nil, err
	}
	m := &making{w: w, dict: newDictionary(x.plan, w), refers: map[share.Row]bool{}}
	left := x.left
	x.left = leftOut{} // of a section that is not whole, rows go by themselves, and are counted then
	defer func() { x.left = left }()
	y := &exporter{plan: x.plan, out: x.out, making: m}
	if err := y.writeThose(ctx, rows); err != nil {
		return nil, err
	}
	made, err := w.Close()
	if err != nil {
		return nil, err
	}
	s := &section{names: map[uint16]bool{}}
	for t := range m.dict.numbers {
		if k := x.known[t]; k != nil {
			s.names[k.meta.ID] = true
		}
	}
	if made.Rows() != len(rows) || len(x.left) > 0 {
		return s, nil
	}
	for _, r := range rows {
		delete(m.refers, r)
	}
	for r := range m.refers {
		s.refers = append(s.refers, r)
	}
	s.Section = made
	return s, nil
}

// ordered returns the columns of a table, key columns first, whose references cannot be filled in later: the rows that they refer to come before.
func (t *table) ordered() []*schema.Column {
	return slices.DeleteFunc(slices.Concat(t.KeyColumns, t.columns), func(c *schema.Column) bool {
		return c.Ref == nil || c.Ref.When == nil && c.Ref.ByName() || !c.Key && c.Ref.Patched()
	})
}

// addRefers adds the rows that a row may refer to by one of these columns.
func (p *plan) addRefers(c *schema.Column, value []byte, add func(share.Row)) {
	n, plain := number(value)
	if plain {
		return
	}
	for _, to := range c.Ref.Targets() {
		if k := p.known[to]; k != nil {
			add(share.Row{Table: k.meta.ID, ID: n})
		}
	}
}

// addRoot adds the row that has the key of a row which shares it.
func (p *plan) addRoot(t *table, row journal.Row, add func(share.Row)) {
	if k := p.known[t.Root]; k != nil && k != t {
		add(share.Row{Table: k.meta.ID, ID: row.Int})
	}
}

// note notes what rows refer to.
func (m *making) note(p *plan, t *table, rows *portion) {
	add := func(r share.Row) { m.refers[r] = true }
	for _, row := range rows.rows {
		p.addRoot(t, row, add)
	}
	for _, c := range t.ordered() {
		values, err := rows.column(t, c)
		for i := range values {
			if err == nil {
				p.addRefers(c, values[i], add)
			}
		}
	}
}

// refersFrom returns what rows refer to: see share.Window.Arrange.
func (x *exporter) refersFrom(ctx context.Context, rows []share.Row) (out []share.Row, err error) {
	add := func(r share.Row) { out = append(out, r) }
	of := map[uint16][]journal.Row{}
	for _, r := range rows {
		of[r.Table] = append(of[r.Table], journal.Row{Int: r.ID})
	}
	for _, t := range x.tables {
		some, columns := of[t.meta.ID], t.ordered()
		for _, r := range some {
			x.addRoot(t, r, add)
		}
		if len(some) == 0 || len(columns) == 0 {
			continue
		}
		query := "SELECT "
		for i, c := range columns {
			if i > 0 {
				query += ", "
			}
			query += c.Select("t.")
		}
		err := sqldb.Each(ctx, x.snap, query+" "+rowkey.From(t.Table, some, columns...), func(v []sql.RawBytes) error {
			for i, c := range columns {
				x.addRefers(c, v[i], add)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read what rows of %s refer to: %w", t.Name, err)
		}
	}
	return out, nil
}
