package apply

import (
	"bytes"
	"context"
	"slices"
	"strconv"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// decision is what the rules say of a row of a block.
type decision struct {
	taken bool // the sender may say something of it, and says it
	merge.Outcome
}

// settle lets the rules decide row by row, brings back what rows that are taken refer to, and writes what was decided.
func (im *importer) settle(ctx context.Context, w *block) error {
	policies := im.policies(w.t)
	added, err := im.resolver.whoAdded(ctx, w)
	if err != nil {
		return err
	}
	w.decided = make([]decision, w.n)
	for i := range w.n {
		if w.filtered[i] {
			im.noLongerWaits(w, i)
			continue
		}
		if err := im.decide(ctx, w, i, policies, added); err != nil {
			return err
		}
	}
	came, err := im.bringBackFor(ctx, w)
	if err != nil {
		return err
	}
	if err := im.giveIntegers(ctx, w); err != nil {
		return err
	}
	q := &writes{l: w.l}
	if !came && im.writer.aside != nil {
		q.mayWait = func(r *row) *journal.WaitingRow { return im.mayWait(w, r.place) }
	}
	for i := range w.n {
		if w.decided[i].taken {
			if err := im.carryOut(ctx, w, i, q); err != nil {
				return err
			}
		}
	}
	return im.writer.writeOn(ctx, q, func() error { return im.follow(w, q) })
}

// whoAdded returns who had added rows of a block that were deleted here, where the rules ask for it.
func (v *resolver) whoAdded(ctx context.Context, w *block) (map[string]merge.Peer, error) {
	if !w.l.rules.AsksWhoAdded() {
		return nil, nil
	}
	var dead []string
	for i, k := range w.known {
		if k.Known && !k.Alive {
			dead = append(dead, w.keys[i])
		}
	}
	if dead == nil {
		return nil, nil
	}
	return journal.DeletedAuthors(ctx, v.s.conn, w.l.journal.ID, dead)
}

// decide lets the rules decide on one row. One that waits is none that is taken: nothing comes back for it.
func (im *importer) decide(ctx context.Context, w *block, i int, policies merge.Policies, added map[string]merge.Peer) error {
	l, known, count := w.l, w.known[i], &w.l.count
	f, isHere := w.found[i]
	var cmp merge.Compare
	if isHere {
		cmp = w.compare(i, f)
	}
	by, is := added[w.keys[i]]
	if is && !known.Alive {
		known.Dead.Added = merge.Adder{Stored: true, Peer: by}
	}
	if !im.takesBack(w, i) && !l.rules.TakesRow(known, access.Added{Known: is, By: by}) {
		im.noLongerWaits(w, i)
		if isHere && w.mask(i).Without(cmp.Equal).IsEmpty() { // it says what is here anyway
			count.Unchanged++
			return nil
		}
		count.Refused++
		if isHere {
			im.writer.answerRefused(l, f.row)
		}
		return im.noteNamed(w, i)
	}
	if im.passedOver(w, i) {
		count.Unchanged++
		return nil
	}
	in, rules := im.incomingRow(w, i, known)
	if w.scoped != nil {
		in.Since, w.scoped[i].arrival.News = w.scoped[i].since, rules.News(in)
	}
	if why := im.mustWait(w, i, rules, known); why != nil {
		return im.wait(ctx, w, i, why)
	}
	if isHere && !known.Known { // capture never saw it
		known = merge.Row{Known: true, Alive: true}
	}
	w.decided[i] = decision{true, rules.Settle(known, in, policies, cmp, false)}
	why, err := im.lacks(ctx, w, i, true)
	if why == nil && err == nil {
		why = im.changesValue(w, i)
	}
	if why != nil {
		w.decided[i].taken = false
		return im.wait(ctx, w, i, why)
	}
	return err
}

// carryOut adds to q what is to be written of a row.
func (im *importer) carryOut(ctx context.Context, w *block, i int, q *writes) error {
	l, count, out := w.l, &w.l.count, w.decided[i].Outcome
	f, isHere := w.found[i]
	if why, err := im.lacks(ctx, w, i, false); err != nil {
		return err
	} else if why != nil {
		return im.wait(ctx, w, i, why)
	}
	im.noLongerWaits(w, i)
	im.noteReturned(l, w.keys[i], w.known[i], out.Row)
	if err := im.recordRowConflicts(ctx, w, i, out.Conflicts); err != nil {
		return err
	}
	switch out.Action {
	case merge.Insert:
		key, ok := im.resolver.keyValues(l, w.Keys[i])
		if !ok {
			why, err := im.keyless(ctx, w, i)
			if err != nil {
				return err
			}
			return im.writer.setAside(l, im.resolver.keys.at(w.Keys[i]).key, why)
		}
		r, err := im.newRow(ctx, w, i, key, out)
		if err != nil {
			return err
		}
		r.place, r.names.columns = i, l.rules.NewNames(false, merge.Mask{})
		q.insert = append(q.insert, r)
		count.Inserted++
	case merge.Update:
		if write := im.written(w, i); !write.IsEmpty() {
			r := im.changedRow(w, i, f, out.Row.Groups, write)
			r.place, r.names.columns = i, l.rules.NewNames(true, write.Without(w.compare(i, f).Equal))
			q.update = append(q.update, r)
			count.Updated++
		}
	default:
		count.Unchanged++
	}
	if isHere && (out.Changed || len(w.changes[i]) > 0) {
		q.entries = append(q.entries, journal.Entry{Row: f.row, Groups: out.Row.Groups})
		if w.hasEntry[i] {
			q.old = append(q.old, f.row)
		}
		q.changes = append(q.changes, w.changes[i]...)
	}
	return nil
}

// written returns the columns that a row which is taken has written: of a new one all that come, of one that is here those that change.
func (im *importer) written(w *block, i int) merge.Mask {
	switch out := w.decided[i].Outcome; out.Action {
	case merge.Insert:
		return out.Write
	case merge.Update:
		return w.l.rules.Writes(out.Write.And(w.l.mask))
	}
	return merge.Mask{}
}

// keyless is the cause of a new row whose key is made of another row's which is not here.
func (im *importer) keyless(ctx context.Context, w *block, i int) (*cause, error) {
	c, at := im.missingPart(w, i)
	e := im.resolver.keys.at(at)
	return im.resolver.refersNowhere(ctx, c, e.root, e.key)
}

// missingPart returns the key column of a row whose row is not here, and that row's place in the dictionary.
func (im *importer) missingPart(w *block, i int) (*schema.Column, uint32) {
	e := im.resolver.keys.at(w.Keys[i])
	c, at := w.l.KeyColumns[0], w.Keys[i]
	for p, to := range im.resolver.keys.refs(e) {
		if to != 0 && im.resolver.keys.at(to).state != here {
			c, at = w.l.KeyColumns[p], to
		}
	}
	return c, at
}

// newRow puts together a row to be inserted. key is the values of its key columns.
func (im *importer) newRow(ctx context.Context, w *block, i int, key [][]byte, out merge.Outcome) (*row, error) {
	l := w.l
	r := &row{entry: w.Keys[i], key: im.resolver.keys.at(w.Keys[i]).key, groups: out.Row.Groups, wasDead: w.known[i].Known,
		values: make([][]byte, len(l.written)), unset: make([]bool, len(l.written))}
	if w.integers != nil {
		r.integer = w.integers[i]
	}
	for at, c := range l.written {
		switch {
		case c.Key:
			r.values[at] = key[slices.Index(l.KeyColumns, c)]
		case c == l.Integer && c.Local && r.integer != 0:
			r.values[at] = strconv.AppendInt(nil, r.integer, 10)
		case c.AutoIncrement && c.Local:
			r.unset[at] = true
		case c == l.Integer && c.Local:
			n, err := im.writer.nextInteger(ctx, l)
			if err != nil {
				return nil, err
			}
			r.integer, r.values[at] = n, strconv.AppendInt(nil, n, 10)
		case w.values[at] == nil || !l.writes(out.Write, at):
			r.unset[at] = true
		default:
			r.values[at] = w.values[at][i]
		}
	}
	for _, p := range w.pending[i] {
		at := l.place[p.column]
		if !l.writes(out.Write, at) {
			continue
		}
		later := im.patchFor(l, r.key, p)
		later.index = p.to
		r.pending = append(r.pending, later)
		r.unset[at] = false
		if r.values[at] = nil; !p.column.Nullable {
			r.values[at] = []byte("0")
		}
	}
	return r, nil
}

// changedRow puts together a row to be updated: as it is here, with the values that come in.
func (im *importer) changedRow(w *block, i int, f found, groups []merge.Group, write merge.Mask) *row {
	l := w.l
	r := &row{at: f.row, entry: w.Keys[i], key: im.resolver.keys.at(w.Keys[i]).key, groups: groups,
		values: slices.Clone(f.values), changed: make([]bool, len(l.written))}
	for at, c := range l.written {
		if w.values[at] != nil && !c.Key && l.writes(write, at) {
			r.values[at], r.changed[at] = w.values[at][i], true
		}
	}
	for _, p := range w.pending[i] {
		at := l.place[p.column]
		if !r.changed[at] {
			continue
		}
		r.pending = append(r.pending, im.patchFor(l, r.key, p))
		r.values[at], r.changed[at] = f.values[at], false // as it is, until its row comes
	}
	return r
}

// patchFor is a reference to be filled in once its row is here. It holds the key, not its place in the dictionary, which the
// batch may empty in between.
func (im *importer) patchFor(l *localTable, key string, p reference) patch {
	return patch{l: l, key: key, column: p.column, to: im.resolver.target(p.to), plain: p.plain}
}

// writes reports whether a column, by its place in written, is among some.
func (l *localTable) writes(columns merge.Mask, at int) bool {
	return l.bits[at] != 0 && columns.Has(l.bits[at])
}

// mask is what of a row came with a version, apart from its existence.
func (w *block) mask(i int) merge.Mask { return merge.MaskOf(w.groups[i]).Columns() }

// compare tells which of a row's values are equal here and there.
func (w *block) compare(i int, f found) merge.Compare {
	var differ, greater merge.MaskBuilder
	for at, c := range w.l.written {
		bit := w.l.bits[at]
		if w.values[at] == nil || bit == 0 || c.InsertOnly {
			continue
		}
		if in, mine := w.values[at][i], f.values[at]; !equal(in, mine) {
			differ.Add(bit)
			if less(mine, in) {
				greater.Add(bit)
			}
		}
	}
	for _, p := range w.pending[i] {
		if bit := w.l.bits[w.l.place[p.column]]; bit != 0 {
			differ.Add(bit)
		}
	}
	above := greater.Mask()
	return merge.Compare{Equal: w.l.mask.Without(differ.Mask()), Greater: above.Has}
}

func equal(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

func less(a, b []byte) bool {
	if (a == nil) != (b == nil) {
		return a == nil
	}
	return bytes.Compare(a, b) < 0
}
