package export

import (
	"context"
	"fmt"
	"slices"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// block writes rows of a table.
func (x *export) block(ctx context.Context, t *schema.Table, p *portion, again bool) error {
	x.mine(t, p)
	if len(p.rows) == 0 {
		return nil
	}
	if x.w == nil {
		if err := x.open(false); err != nil {
			return err
		}
	}
	if err := x.d.room(len(p.rows) * (2 + len(x.columns(t)))); err != nil {
		return err
	}
	number, err := x.d.table(t)
	if err != nil {
		return err
	}
	columns := x.columns(t)
	b := &batch.Rows{Table: number, Columns: make([]batch.Values, len(columns))}
	for i, c := range columns {
		if b.Columns[i], err = x.values(ctx, t, c, p, p.values[i]); err != nil {
			return err
		}
	}
	ks, err := x.rowKeys(ctx, t, p)
	if err != nil {
		return err
	}
	x.once(t, ks)
	if t.Integer == nil && t.Root == t && refers(t) {
		b.Keys, err = x.composite(ctx, t, p)
	} else {
		b.Keys, err = x.d.own(t, p.rows, ks)
	}
	if err != nil {
		return err
	}
	if x.split && !again {
		x.ahead(t, columns, p, b)
	}
	x.versions(t, columns, p, b)
	keep(b, func(i int) bool { return ks[i] != "" })
	if len(b.Keys) == 0 {
		return nil
	}
	if err := x.w.Rows(b); err != nil {
		return fmt.Errorf("write rows of %s: %w", t.Name, err)
	}
	x.one.Rows += int64(len(b.Keys))
	x.rows += int64(len(b.Keys))
	if x.o.Progress != nil {
		x.o.Progress(x.rows, 0)
	}
	if x.split && !again && x.w.Size() >= x.o.PartSize {
		return x.finish(ctx, false)
	}
	return nil
}

// mine takes out rows that a child may not send up: in a table to which it may add, those that came from the parent; in
// one that only flows down, all. Rows whose deletion by the parent was refused here go all the same.
func (x *export) mine(t *schema.Table, p *portion) {
	d := x.j.Profile.Direction(t.Name)
	if !x.up() || d == access.Both {
		return
	}
	n := 0
	for i, known := range p.known {
		if (d == access.Down || cameFrom(known, x.peer.ID)) && !x.kept[t][p.rows[i]] {
			continue
		}
		p.rows[n], p.known[n] = p.rows[i], known
		for _, column := range append(p.key, p.values...) {
			column[n] = column[i]
		}
		n++
	}
	p.rows, p.known = p.rows[:n], p.known[:n]
	for _, columns := range [][][][]byte{p.key, p.values} {
		for i := range columns {
			columns[i] = columns[i][:n]
		}
	}
}

// cameFrom says whether the peer brought the row here first.
func cameFrom(row merge.Row, peer merge.Peer) bool {
	for _, g := range row.Groups {
		if g.Mask&merge.Existence != 0 {
			return g.From == peer
		}
	}
	return false
}

// rowKeys makes the rows' keys of the key columns that were read with them; "" for one that nothing identifies.
func (x *export) rowKeys(ctx context.Context, t *schema.Table, p *portion) ([]string, error) {
	parts := make([][]*string, len(p.rows))
	for i := range parts {
		parts[i] = make([]*string, len(t.KeyColumns))
	}
	for c, column := range t.KeyColumns {
		var values []string
		for i, v := range p.key[c] {
			if v == nil {
				continue
			}
			s := string(v)
			if column.Ref != nil {
				values = append(values, s)
			}
			parts[i][c] = &s
		}
		if column.Ref == nil {
			continue
		}
		to, err := rowkey.Referred(ctx, x.snap, column.Ref, values)
		if err != nil {
			return nil, err
		}
		for i := range parts {
			if parts[i][c] != nil {
				parts[i][c] = to[*parts[i][c]]
			}
		}
	}
	out := make([]string, len(p.rows))
	for i := range out {
		if out[i] = rowkey.Join(t, parts[i]); out[i] == "" {
			x.j.Warn("a row of %s has nothing that identifies it elsewhere (its key is NULL or refers to nothing); it is not sent", t.Name)
		}
	}
	return out, nil
}

// once takes the keys from rows that have the key of a row before them: nothing tells the two apart elsewhere.
func (x *export) once(t *schema.Table, ks []string) {
	if t.KeyUnique || t.Key == schema.KeyAll {
		return
	}
	seen := map[string]bool{}
	for i, k := range ks {
		k = journal.Canonical(t, k)
		if seen[k] && k != "" {
			x.j.Warn("%s has rows with the same key: the first of them is sent", t.Name)
			ks[i] = ""
		}
		seen[k] = true
	}
}

// refers says whether keys of the table are made of other rows' keys.
func refers(t *schema.Table) bool {
	return slices.ContainsFunc(t.KeyColumns, func(c *schema.Column) bool { return c.Ref != nil })
}

// composite takes keys that are made of other rows' keys into the dictionary.
func (x *export) composite(ctx context.Context, t *schema.Table, p *portion) ([]uint32, error) {
	parts := make([]batch.Values, len(t.KeyColumns))
	for i, c := range t.KeyColumns {
		var err error
		if parts[i], err = x.values(ctx, t, c, p, p.key[i]); err != nil {
			return nil, err
		}
		for n, r := range parts[i].Refs {
			if r == batch.RefNowhere { // the row is left out: see rowKeys
				parts[i].Refs[n] = batch.RefNull
			}
		}
	}
	number, err := x.d.table(t)
	if err != nil {
		return nil, err
	}
	first, err := x.d.w.Keys(number, parts)
	out := make([]uint32, len(p.rows))
	for i := range out {
		out[i] = first + uint32(i)
	}
	return out, err
}

// values makes a column of a block: plain, or references as indexes of the dictionary.
func (x *export) values(ctx context.Context, t *schema.Table, c *schema.Column, p *portion, v [][]byte) (batch.Values, error) {
	if c.Ref == nil {
		return batch.Values{Bytes: v}, nil
	}
	targets, err := x.targets(ctx, c, p, v)
	if err != nil {
		return batch.Values{}, err
	}
	out := batch.Values{Refs: make([]uint32, len(v))}
	wanted := map[*schema.Table][]string{}
	for i, to := range targets {
		if to != nil && v[i] != nil {
			wanted[to] = append(wanted[to], string(v[i]))
		}
	}
	named := c.Ref.When == nil && rowkey.IsName(c.Ref)
	for to, values := range wanted {
		if named {
			continue
		}
		if err := x.d.learn(ctx, to, values); err != nil {
			return out, err
		}
	}
	if c.Ref.When != nil {
		out.Bytes = make([][]byte, len(v))
	}
	for i, to := range targets {
		switch {
		case to == nil:
			out.Bytes[i] = v[i]
		case v[i] == nil:
		case named:
			refs, err := x.d.byKeys(to, []string{string(v[i])})
			if err != nil {
				return out, err
			}
			out.Refs[i] = refs[0]
		default:
			out.Refs[i] = x.d.index(to, v[i])
		}
	}
	return out, nil
}

// targets says which table each row's value refers to; nil for a plain value.
func (x *export) targets(ctx context.Context, c *schema.Column, p *portion, v [][]byte) ([]*schema.Table, error) {
	out := make([]*schema.Table, len(v))
	if c.Ref.When == nil {
		for i := range out {
			out[i] = c.Ref.To
		}
		return out, nil
	}
	decides := c.Ref.When.Via
	if decides == nil {
		decides = c.Ref.When.LookupColumn
	}
	via, err := x.column(c.Table, decides, p)
	if err != nil {
		return nil, err
	}
	formats, err := journal.Discriminator(ctx, x.snap, c.Ref.When)
	if err != nil {
		return nil, err
	}
	for i := range out {
		if _, plain := number(v[i]); plain || via[i] == nil {
			continue
		}
		out[i] = c.Ref.When.Target(formats(string(via[i])))
	}
	return out, nil
}

// number says whether a value is a row's integer, or just a text.
func number(v []byte) (n int64, plain bool) {
	if len(v) == 0 || len(v) > 18 {
		return 0, true
	}
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, true
		}
	}
	return sqldb.Int(v), false
}

// column is a column of the portion, whether it is part of the key or sent.
func (x *export) column(t *schema.Table, c *schema.Column, p *portion) ([][]byte, error) {
	for i, k := range t.KeyColumns {
		if k == c {
			return p.key[i], nil
		}
	}
	for i, k := range x.columns(t) {
		if k == c {
			return p.values[i], nil
		}
	}
	return nil, fmt.Errorf("%s.%s decides about a reference and is not sent: take it off the excluded columns", t.Name, c.Name)
}

// versions fills in what each row is known by: all its versions of what is sent.
func (x *export) versions(t *schema.Table, columns []*schema.Column, p *portion, b *batch.Rows) {
	jt := x.j.Tables[t.Name]
	mask := merge.Existence
	for _, c := range columns {
		mask |= jt.Bit(c.Name)
	}
	ack := x.peer.Link.Applied.Epoch
	for i, known := range p.known {
		groups, _ := known.Outgoing(x.peer.ID)
		n := 0
		for _, g := range groups {
			if g.Mask &= mask; g.Mask == 0 {
				continue
			}
			n++
			b.Masks = append(b.Masks, uint64(g.Mask))
			b.Times = append(b.Times, g.Time)
			b.Authors = append(b.Authors, g.Author)
			b.Epochs = append(b.Epochs, g.Epoch)
		}
		b.Groups = append(b.Groups, n)
		if a := x.peer.Link.RowAck(known, x.peer.ID); a != ack && b.Acks == nil {
			b.Acks = make([]uint64, len(p.known))
			for k := range b.Acks {
				b.Acks[k] = ack
			}
		}
		if b.Acks != nil {
			b.Acks[i] = x.peer.Link.RowAck(known, x.peer.ID)
		}
	}
}

// keep takes out the rows of a block that fail a test.
func keep(b *batch.Rows, test func(int) bool) {
	all := true
	for i := range b.Keys {
		all = all && test(i)
	}
	if all {
		return
	}
	out := batch.Rows{Table: b.Table, Columns: make([]batch.Values, len(b.Columns))}
	v := 0
	for i, k := range b.Keys {
		next := v + b.Groups[i]
		if test(i) {
			out.Keys, out.Groups = append(out.Keys, k), append(out.Groups, b.Groups[i])
			if b.Acks != nil {
				out.Acks = append(out.Acks, b.Acks[i])
			}
			for c, column := range b.Columns {
				if column.Bytes != nil {
					out.Columns[c].Bytes = append(out.Columns[c].Bytes, column.Bytes[i])
				}
				if column.Refs != nil {
					out.Columns[c].Refs = append(out.Columns[c].Refs, column.Refs[i])
				}
			}
			out.Masks = append(out.Masks, b.Masks[v:next]...)
			out.Times = append(out.Times, b.Times[v:next]...)
			out.Authors = append(out.Authors, b.Authors[v:next]...)
			out.Epochs = append(out.Epochs, b.Epochs[v:next]...)
		}
		v = next
	}
	*b = out
}

// ahead takes out each reference that runs ahead to a row which no part has brought yet, and its version: the row is sent once
// more at the end of the load. Then it notes that these rows were sent.
func (x *export) ahead(t *schema.Table, columns []*schema.Column, p *portion, b *batch.Rows) {
	jt := x.j.Tables[t.Name]
	here := map[int64]bool{}
	for _, r := range p.rows {
		here[r.Int] = true
	}
	for i := range p.rows {
		var hold merge.Mask
		for c, column := range columns {
			if column.Ref == nil || column.Ref.When == nil && rowkey.IsName(column.Ref) || !column.Ref.Patched() {
				continue
			}
			n, plain := number(p.values[c][i])
			if plain || n == 0 {
				continue
			}
			for _, to := range column.Ref.Targets() {
				if to.Position < t.Position || to == t && here[n] || x.d.page(x.sent, to).get(n) != 0 {
					continue
				}
				hold |= jt.Bit(column.Name)
				b.Columns[c].Refs[i] = batch.RefNull
			}
		}
		if hold == 0 {
			continue
		}
		var groups []merge.Group
		for _, g := range p.known[i].Groups {
			g.Mask &^= hold
			groups = append(groups, g)
		}
		p.known[i].Groups = merge.Normalise(groups)
		x.later[t] = append(x.later[t], p.rows[i])
	}
	sent := x.d.page(x.sent, t)
	for _, r := range p.rows {
		sent.set(r.Int, 1)
	}
}

// again sends rows of a load once more, with the references that ran ahead.
func (x *export) again(ctx context.Context, t *schema.Table, rows []journal.Row) error {
	r := x.reader(t)
	jt := x.j.Tables[t.Name]
	versions, err := journal.Versions(ctx, x.snap, jt.ID, rows, x.j.Authors)
	if err != nil {
		return err
	}
	return r.fetch(ctx, jt, "WHERE "+rowkey.Where(t, rows), versions, func(p *portion) error { return x.block(ctx, t, p, true) })
}
