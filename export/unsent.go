package export

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// unsent is the rows that stay here for now: nothing names them elsewhere, or they refer, by way of others if need be, to such rows. A
// row that went without what it refers to would have a reference to nowhere at the peer, and what refers to a row that did not go would
// stop the peer.
type unsent struct {
	nameless map[*schema.Table]map[journal.Row]bool
	waiting  map[*schema.Table]map[journal.Row]bool // they refer to others that stay
	before   map[uint16][]journal.Row               // what earlier exports to the peer kept back, by number of the table

	lacked map[*table][]journal.Row // those of them that the peer lacks: known once the tables were read
}

func (u *unsent) has(t *schema.Table, r journal.Row) bool { return u.nameless[t][r] || u.waiting[t][r] }

// mark adds a row to one of the two kinds.
func mark(to map[*schema.Table]map[journal.Row]bool, t *schema.Table, r journal.Row) {
	if to[t] == nil {
		to[t] = map[journal.Row]bool{}
	}
	to[t][r] = true
}

// findUnsent finds what stays here for now. Where every table has unique keys, none of them NULL, it reads next to nothing.
func (p *plan) findUnsent(ctx context.Context) (err error) {
	u := &unsent{nameless: map[*schema.Table]map[journal.Row]bool{}, waiting: map[*schema.Table]map[journal.Row]bool{}, lacked: map[*table][]journal.Row{}}
	p.unsent = u
	if u.before, err = journal.Unsent(ctx, p.snap, p.peer.ID); err != nil {
		return err
	}
	referring := p.referring()
	todo := map[*schema.Table][]journal.Row{}
	for _, t := range p.j.Catalogue.Tables {
		if p.known[t] == nil && referring[t] == nil {
			continue
		}
		n, err := rowkey.FindNameless(ctx, p.snap, t)
		if err != nil {
			return err
		}
		todo[t] = slices.Concat(n.Empty, n.Repeated)
		for _, r := range todo[t] {
			mark(u.nameless, t, r)
		}
	}
	for len(todo) > 0 {
		next := map[*schema.Table][]journal.Row{}
		for t, rows := range todo {
			for _, c := range referring[t] {
				for some := range slices.Chunk(rows, 1000) {
					if err := p.addReferring(ctx, c, t, some, next); err != nil {
						return err
					}
				}
			}
		}
		todo = next
	}
	return nil
}

// referring returns the columns that refer to each table's rows by their integers and go to the peer, keys among them.
func (p *plan) referring() map[*schema.Table][]*schema.Column {
	out := map[*schema.Table][]*schema.Column{}
	for _, t := range p.tables {
		for _, c := range slices.Concat(t.KeyColumns, t.columns) {
			if c.Ref == nil || c.Ref.When == nil && c.Ref.ByName() {
				continue
			}
			targets := c.Ref.Targets()
			slices.SortFunc(targets, func(a, b *schema.Table) int { return a.Position - b.Position })
			for _, to := range slices.Compact(targets) {
				out[to] = append(out[to], c)
			}
		}
	}
	return out
}

// addReferring adds the rows that refer by a column to rows of a table which stay, in next too those that are new among them.
func (p *plan) addReferring(ctx context.Context, c *schema.Column, to *schema.Table, rows []journal.Row, next map[*schema.Table][]journal.Row) error {
	from := c.Table
	discriminator, refersTo := "NULL", func(string) bool { return true }
	if w := c.Ref.When; w != nil {
		formats, err := journal.Discriminator(ctx, p.snap, w)
		if err != nil {
			return err
		}
		discriminator = schema.Quote(w.Decides().Name)
		refersTo = func(v string) bool { return w.Target(formats(v)) == to }
	}
	b := fmt.Appendf(nil, "SELECT %s, %s FROM %s WHERE %s IN (", journal.Identity(from, ""), discriminator, schema.Quote(from.Name), schema.Quote(c.Name))
	for i, r := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = c.AppendLiteral(b, strconv.AppendInt(nil, r.Int, 10))
	}
	err := sqldb.Each(ctx, p.snap, string(append(b, ')')), func(v []sql.RawBytes) error {
		r := journal.Row{Int: sqldb.Int(v[0]), Key: string(v[1])}
		if !p.unsent.has(from, r) && refersTo(string(v[2])) {
			mark(p.unsent.waiting, from, r)
			next[from] = append(next[from], r)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for what refers to %s: %w", to.Name, err)
	}
	return nil
}

// released returns what earlier exports kept back and nothing keeps any more, by number of the table; rows that are gone too.
func (p *plan) released() map[uint16][]journal.Row {
	out := map[uint16][]journal.Row{}
	for _, t := range p.known {
		for _, r := range p.unsent.before[t.meta.ID] {
			if !p.unsent.has(t.Table, r) {
				out[t.meta.ID] = append(out[t.meta.ID], r)
			}
		}
	}
	return out
}

// release sees that rows which nothing keeps here any more go with the next export: in an epoch that only sends again.
func (p *plan) release(ctx context.Context, rows map[uint16][]journal.Row, o Options) error {
	gate, err := p.j.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer gate.Close()
	if err := journal.Gate(ctx, gate, false, o.Wait); err != nil {
		return err
	}
	defer gate.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	epoch, err := journal.NextEpoch(ctx, gate, true, p.j.Now())
	if err != nil {
		return err
	}
	for _, t := range p.known {
		some := rows[t.meta.ID]
		keys, err := rowkey.Of(ctx, gate, t.Table, some)
		if err != nil {
			return err
		}
		var there []journal.Row
		for _, r := range some {
			if keys[r] != "" {
				there = append(there, r)
			}
		}
		if err := journal.ResendRows(ctx, gate, t.meta, there, epoch.Epoch, p.j.Authors); err != nil {
			return err
		}
		if err := journal.DropUnsent(ctx, gate, p.peer.ID, t.meta.ID, some); err != nil {
			return err
		}
	}
	_, err = gate.ExecContext(ctx, "COMMIT")
	return err
}

// record notes what of the rows that stay the peer lacks.
func (u *unsent) record(ctx context.Context, q sqldb.DB, p *plan) error {
	for t, rows := range u.lacked {
		if err := journal.AddUnsent(ctx, q, p.peer.ID, t.meta.ID, rows); err != nil {
			return err
		}
	}
	return nil
}

// warn says which rows stay here that the peer lacks: once for each table.
func (p *plan) warnUnsent() {
	for _, t := range slices.SortedFunc(maps.Keys(p.unsent.lacked), func(a, b *table) int { return a.Position - b.Position }) {
		var nameless, waiting []journal.Row
		for _, r := range p.unsent.lacked[t] {
			if p.unsent.nameless[t.Table][r] {
				nameless = append(nameless, r)
			} else {
				waiting = append(waiting, r)
			}
		}
		if len(nameless) > 0 {
			p.j.Warn("%s: nothing names %s elsewhere, because the key is NULL or another row has it too: these rows stay here, with those that refer to them, until they have a key of their own", t.Name, rowkey.Named(t.Table, nameless))
		}
		if len(waiting) > 0 {
			p.j.Warn("%s: %s refer to rows that have no key of their own, and stay here until these have one", t.Name, rowkey.Named(t.Table, waiting))
		}
	}
}
