package export

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// writeTables writes the rows that the peer lacks, those of referred tables before those of referring ones. While rows are read, those before are made
// into blocks.
func (x *exporter) writeTables(ctx context.Context) error {
	type rowsOf struct {
		t *table
		p *portion
	}
	defer func() { x.asks = nil }()
	return inTwo(ctx, func(ctx context.Context, put func(rowsOf) error) error {
		return x.eachTable(ctx, func(t *table, p *portion) error { return put(rowsOf{t, p}) })
	}, func(r rowsOf, ask func(func() error) error) error {
		write := func() error { return x.writeRows(ctx, r.t, r.p) }
		if x.scopes.speaks || x.scopes.filters { // both ask what is known of them
			return ask(write)
		}
		x.asks = ask
		return write()
	})
}

// eachTable hands on the rows that the peer lacks, those of referred tables before those of referring ones.
func (x *exporter) eachTable(ctx context.Context, f func(*table, *portion) error) error {
	base := x.head.Base.Epoch
	for _, t := range x.tables {
		d := t.meta.Default
		comes, err := x.comes(ctx, t)
		if err != nil {
			return err
		}
		if !comes && t.owed == 0 && t.refused == nil && !(t.lost && t.rules.SendsBack()) && (t.staff == nil || len(t.staff.lacked) == 0) && !x.newer[t.meta.ID] && x.snap.Sealed(t.Table) == nil &&
			(d.IsEmpty() || d.Epoch <= base) {
			continue
		}
		if err := newReader(x.plan, t).each(ctx, func(p *portion) error { return f(t, p) }); err != nil {
			return err
		}
	}
	return nil
}

// writeRows writes rows of a table, and finishes a part of a load that is full.
func (x *exporter) writeRows(ctx context.Context, t *table, p *portion) error {
	if err := x.writeBlock(ctx, t, p, x.load); err != nil {
		return err
	}
	if f := x.out.file; x.load != nil && f != nil && f.w.Size() >= x.out.o.PartSize {
		return x.out.finish(ctx)
	}
	return nil
}

// writeBlock writes rows of a table as one block. deferTo takes the references that run ahead of a load in parts; nil: they all go.
func (x *exporter) writeBlock(ctx context.Context, t *table, p *portion, deferTo *load) error {
	if p.lacked != nil {
		x.unsent.lacked[t] = append(x.unsent.lacked[t], p.lacked...)
	}
	for range p.unfit {
		x.left.add("rows of %s with values that are longer than %d MiB", t.Name, batch.MaxValue>>20)
	}
	t.withhold(p)
	return p.split(func(p *portion) error { return x.writePart(ctx, t, p, deferTo) })
}

// writePart writes rows that are not too much for a block.
func (x *exporter) writePart(ctx context.Context, t *table, p *portion, deferTo *load) error {
	if m := x.making; m != nil {
		m.note(x.plan, t, p)
		_, err := x.writeRowsOf(ctx, m.dict, m.w.Rows, t, p, deferTo)
		return err
	}
	f, err := x.out.current()
	if err != nil {
		return err
	}
	n, err := x.writeRowsOf(ctx, f.dict, f.w.Rows, t, p, deferTo)
	if err != nil {
		return err
	}
	f.made.Rows += int64(n)
	x.out.count(n)
	return nil
}

// writeRowsOf has rows written whose keys a dictionary takes in, and returns how many.
func (x *exporter) writeRowsOf(ctx context.Context, dict *dictionary, write func(*batch.Rows) error, t *table, p *portion, deferTo *load) (int, error) {
	if err := dict.makeRoomBeside(p.bytes, len(p.rows)*(2+len(t.columns))); err != nil {
		return 0, err
	}
	b, err := x.block(ctx, dict, t, p, deferTo)
	if err != nil || len(b.Keys) == 0 {
		return 0, err
	}
	if err := write(b); err != nil {
		return 0, fmt.Errorf("write rows of %s: %w", t.Name, err)
	}
	return len(b.Keys), nil
}

// fewKeys is below how many rows of a block keys come last that are theirs alone.
const fewKeys = 100

// block makes a block of rows: their values, keys and versions.
func (x *exporter) block(ctx context.Context, dict *dictionary, t *table, p *portion, deferTo *load) (*batch.Rows, error) {
	number, err := dict.number(t.Table)
	if err != nil {
		return nil, err
	}
	b := &batch.Rows{Table: number, Columns: make([]batch.Values, len(t.columns))}
	// The keys come first: rows of one table often refer to each other, and indexes in the order of the rows take next to no room. Where a file
	// is compressed with the dictionary and rows are few, keys that they refer to do, as in what the dictionary holds: that saves a tenth.
	var keys []string // nil: nobody needs them
	late := dict.short != nil && len(p.rows) < fewKeys
	own := func() (err error) {
		if !t.waiting && !x.saysPublic(t.Table) {
			b.Keys, err = x.asRead(dict, t, p)
		}
		if b.Keys == nil && err == nil {
			keys, b.Keys, err = x.keyIndexes(ctx, dict, t, p)
		}
		return err
	}
	if !late {
		if err := own(); err != nil {
			return nil, err
		}
	}
	for i, c := range t.columns {
		if b.Columns[i], err = x.values(ctx, dict, t, c, p, p.values[i]); err != nil {
			return nil, err
		}
	}
	if late {
		if err := own(); err != nil {
			return nil, err
		}
	}
	if deferTo != nil {
		deferTo.takeAhead(t, p, b)
	}
	partBeside(t, b)
	addIntegers(t, p, b)
	b.Columns = append(b.Columns, make([]batch.Values, len(t.policies))...)
	x.addPublic(t, b, keys)
	if err := x.addVersions(ctx, t, p, b, keys); err != nil {
		return nil, err
	}
	if keys != nil {
		keepRows(b, func(i int) bool { return keys[i] != "" })
	}
	return b, nil
}

// keyIndexes makes the rows' keys, and takes them into the dictionary.
func (x *exporter) keyIndexes(ctx context.Context, dict *dictionary, t *table, p *portion) (keys []string, indexes []uint32, err error) {
	if keys, err = x.keys(ctx, t, p); err != nil {
		return nil, nil, err
	}
	indexes, err = x.indexes(ctx, dict, t, p, keys)
	return keys, indexes, err
}

// indexes takes the rows' keys into the dictionary.
func (x *exporter) indexes(ctx context.Context, dict *dictionary, t *table, p *portion, keys []string) ([]uint32, error) {
	if t.Integer == nil && t.Root == t.Table && hasReferenceInKey(t) {
		return x.composedKeys(ctx, dict, t, p, keys)
	}
	return dict.addRows(ctx, t.Table, p.rows, keys, p.known)
}

// keys makes the rows' keys of the key columns that were read with them; "" for one that nothing identifies.
func (x *exporter) keys(ctx context.Context, t *table, p *portion) ([]string, error) {
	parts := make([][]*string, len(p.rows))
	for i := range parts {
		parts[i] = make([]*string, len(t.KeyColumns))
	}
	for c, column := range t.KeyColumns {
		var values []string
		for i, v := range p.key[c] {
			if v != nil {
				s := string(v)
				values = append(values, s)
				parts[i][c] = &s
			}
		}
		if column.Ref == nil {
			continue
		}
		var referred map[string]*string
		err := x.ask(func() (err error) {
			referred, err = rowkey.Referred(ctx, x.snap, column.Ref, values)
			return err
		})
		if err != nil {
			return nil, err
		}
		for i := range parts {
			if parts[i][c] != nil {
				parts[i][c] = referred[*parts[i][c]]
			}
		}
	}
	out := make([]string, len(p.rows))
	for i := range out {
		if out[i] = rowkey.Join(t.Table, parts[i]); out[i] == "" {
			x.j.Warn("a row of %s has nothing that identifies it elsewhere (its key is NULL or refers to nothing); it is not sent", t.Name)
		} else if !x.sendsKey(t.Table, out[i], "rows") {
			out[i] = ""
		}
	}
	return out, nil
}

// hasReferenceInKey reports whether keys of the table are made of other rows' keys.
func hasReferenceInKey(t *table) bool {
	return slices.ContainsFunc(t.KeyColumns, func(c *schema.Column) bool { return c.Ref != nil })
}

// composedKeys takes keys that are made of other rows' keys into the dictionary.
func (x *exporter) composedKeys(ctx context.Context, dict *dictionary, t *table, p *portion, keys []string) ([]uint32, error) {
	parts := make([]batch.Values, len(t.KeyColumns))
	for i, c := range t.KeyColumns {
		var err error
		if parts[i], err = x.values(ctx, dict, t, c, p, p.key[i]); err != nil {
			return nil, err
		}
		parts[i].Bytes = slices.Clone(parts[i].Bytes)
		for n, r := range parts[i].Refs {
			if r == batch.RefNowhere || keys[n] == "" { // the row is left out: see keys
				parts[i].Refs[n] = batch.RefNull
			}
		}
		for n := range parts[i].Bytes {
			if keys[n] == "" {
				parts[i].Bytes[n] = nil
			}
		}
	}
	number, err := dict.number(t.Table)
	if err != nil {
		return nil, err
	}
	first, err := dict.w.Keys(number, parts)
	out := make([]uint32, len(p.rows))
	for i := range out {
		out[i] = first + uint32(i)
	}
	return out, err
}

// addVersions fills in what each row is known by: all its versions of what is sent. A row of which a version of the peer waits here
// acknowledges no more than what came before that.
func (x *exporter) addVersions(ctx context.Context, t *table, p *portion, b *batch.Rows, keys []string) error {
	link := &x.peer.Link
	var canonical []string
	var waiting map[string]uint64 // by these: see merge.Waiting.Since
	if t.waiting {
		canonical = make([]string, len(keys))
		for i, k := range keys {
			canonical[i] = journal.Canonical(t.Table, k)
		}
		err := x.ask(func() (err error) {
			waiting, err = journal.WaitingSince(ctx, x.snap, x.peer.ID, t.meta.ID, canonical)
			return err
		})
		if err != nil {
			return err
		}
	}
	alike := p.sights == nil && t.refused == nil && t.secret == nil // rows that are known by the same have the same versions
	b.Masks, b.Times, b.Authors, b.Epochs, b.Groups = slices.Grow(b.Masks, len(p.known)), slices.Grow(b.Times, len(p.known)),
		slices.Grow(b.Authors, len(p.known)), slices.Grow(b.Epochs, len(p.known)), slices.Grow(b.Groups, len(p.known))
	for i, known := range p.known {
		if alike && i > 0 && len(known.Groups) > 0 && len(known.Groups) == len(p.known[i-1].Groups) && &known.Groups[0] == &p.known[i-1].Groups[0] {
			from, n := len(b.Masks)-b.Groups[i-1], b.Groups[i-1]
			b.Masks, b.Times = append(b.Masks, b.Masks[from:]...), append(b.Times, b.Times[from:]...)
			b.Authors, b.Epochs = append(b.Authors, b.Authors[from:]...), append(b.Epochs, b.Epochs[from:]...)
			b.Groups = append(b.Groups, n)
		} else {
			x.addGroups(t, p, b, i)
		}
		ack := link.RowAck(known, x.peer.ID)
		if t.waiting {
			if since, waits := waiting[canonical[i]]; waits {
				ack = min(ack, since)
			}
		}
		if ack != link.Applied.Epoch && b.Acks == nil {
			b.Acks = slices.Repeat([]uint64{link.Applied.Epoch}, len(p.known))
		}
		if b.Acks != nil {
			b.Acks[i] = ack
		}
	}
	return nil
}

// addGroups adds the versions of a row.
func (x *exporter) addGroups(t *table, p *portion, b *batch.Rows, i int) {
	told := p.known[i]
	if p.sights != nil {
		told = p.sights[i].Told(told)
	}
	groups := x.outgoing(t, p.rows[i], told)
	n, sent := 0, t.sent(p.rows[i])
	for j := range groups {
		groups[j].Mask = groups[j].And(sent)
	}
	if !x.manyColumns {
		groups = merge.ShareBit(groups)
	}
	for _, g := range groups {
		for mask := range x.masks(g.Mask) {
			n++
			b.Masks = append(b.Masks, mask)
			b.Times = append(b.Times, g.Time)
			b.Authors = append(b.Authors, g.Author)
			b.Epochs = append(b.Epochs, g.Epoch)
		}
	}
	b.Groups = append(b.Groups, n)
}

// masks returns a mask as the file has it: several numbers, if it is of many columns and the peer reads that.
func (p *plan) masks(m merge.Mask) iter.Seq[uint64] {
	if p.manyColumns {
		return m.Words()
	}
	return func(yield func(uint64) bool) {
		if !m.IsEmpty() {
			yield(m.First())
		}
	}
}

// keepRows takes out the rows of a block that fail a test.
func keepRows(b *batch.Rows, test func(i int) bool) {
	all := true
	for i := range b.Keys {
		all = all && test(i)
	}
	if all {
		return
	}
	out := batch.Rows{Table: b.Table, Columns: make([]batch.Values, len(b.Columns))}
	group := 0
	for i, key := range b.Keys {
		next := group + b.Groups[i]
		if test(i) {
			out.Keys, out.Groups = append(out.Keys, key), append(out.Groups, b.Groups[i])
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
			out.Masks = append(out.Masks, b.Masks[group:next]...)
			out.Times = append(out.Times, b.Times[group:next]...)
			out.Authors = append(out.Authors, b.Authors[group:next]...)
			out.Epochs = append(out.Epochs, b.Epochs[group:next]...)
		}
		group = next
	}
	*b = out
}
