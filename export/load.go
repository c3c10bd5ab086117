package export

import (
	"context"
	"slices"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// load is a full load in parts. Each part is applied by itself, so a reference may not run ahead to a row that no part has brought yet:
// the row goes without it, and once more in the last part with it.
type load struct {
	sent     pages                    // 1 for a row that is in some part already
	deferred map[*table][]journal.Row // rows that go once more
}

func newLoad() *load {
	return &load{sent: pages{}, deferred: map[*table][]journal.Row{}}
}

// takeAhead takes out of a block each reference that runs ahead, and its version. Then it notes that these rows were sent.
func (l *load) takeAhead(t *table, p *portion, b *batch.Rows) {
	here := map[int64]bool{}
	for _, r := range p.rows {
		here[r.Int] = true
	}
	for i := range p.rows {
		var ahead merge.MaskBuilder
		for c, column := range t.columns {
			if l.runsAhead(t.Table, column, p.values[c][i], here) {
				ahead.Add(t.meta.Bit(column.Name))
				b.Columns[c].Refs[i] = batch.RefNull
			}
		}
		lacks := ahead.Mask()
		if lacks.IsEmpty() {
			continue
		}
		var groups []merge.Group
		for _, g := range p.known[i].Groups {
			g.Mask = g.Without(lacks)
			groups = append(groups, g)
		}
		p.known[i].Groups = merge.Normalise(groups)
		l.deferred[t] = append(l.deferred[t], p.rows[i])
	}
	sent := l.sent.of(t.Table)
	for _, r := range p.rows {
		sent.set(r.Int, 1)
	}
}

// runsAhead reports whether a column's value may refer to a row that no part has brought yet. here are the integers of the rows of the
// same block.
func (l *load) runsAhead(t *schema.Table, c *schema.Column, value []byte, here map[int64]bool) bool {
	if c.Ref == nil || c.Ref.When == nil && c.Ref.ByName() || !c.Ref.Patched() {
		return false
	}
	n, plain := number(value)
	if plain || n == 0 {
		return false
	}
	return slices.ContainsFunc(c.Ref.Targets(), func(to *schema.Table) bool {
		return to.Position >= t.Position && !(to == t && here[n]) && l.sent.of(to).get(n) == 0
	})
}

// writeDeferred writes the last part of a load: the rows that go once more, with the references that ran ahead.
func (x *exporter) writeDeferred(ctx context.Context) error {
	if x.out.file != nil {
		if err := x.out.finish(ctx); err != nil {
			return err
		}
	}
	if err := x.out.begin(true); err != nil {
		return err
	}
	for _, t := range x.tables {
		for rows := range slices.Chunk(x.load.deferred[t], blockRows) {
			entries, err := journal.Versions(ctx, x.snap, t.meta.ID, rows, x.j.Authors)
			if err != nil {
				return err
			}
			r := newReader(x.plan, t)
			if err := r.see(ctx, rows); err != nil {
				return err
			}
			_, err = r.fetch(ctx, rowkey.From(t.Table, rows), entries, func(p *portion) error {
				return x.writeBlock(ctx, t, p, nil)
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
