package apply

import (
	"bytes"
	"context"
	"slices"
	"strconv"

	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
)

// settle lets the rules decide row by row, and writes what they decide.
func (im *importer) settle(ctx context.Context, w *block) error {
	policy := im.policy(w.l)
	q := &writes{l: w.l}
	for i := range w.n {
		if w.filtered[i] {
			continue
		}
		if err := im.settleRow(ctx, w, i, policy, q); err != nil {
			return err
		}
	}
	return im.writer.write(ctx, q)
}

// settleRow decides on one row, and adds to q what is to be written.
func (im *importer) settleRow(ctx context.Context, w *block, i int, policy merge.Policy, q *writes) error {
	l, known, count := w.l, w.known[i], &w.l.count
	f, isHere := w.found[i]
	var cmp merge.Compare
	if isHere {
		cmp = w.compare(i, f)
	}
	if !l.rules.TakesRow(known) {
		if isHere && w.mask(i)&^cmp.Equal == 0 { // it says what is here anyway
			count.Unchanged++
		} else {
			count.Refused++
		}
		return nil
	}
	if err := im.checkStamps(l, im.resolver.keys.at(w.Keys[i]).key, known, w.groups[i]...); err != nil {
		return err
	}
	in := merge.Incoming{Alive: true, Groups: w.groups[i], Ack: im.ack, NeverSent: l.rules.NeverSent(known)}
	if w.Acks != nil {
		in.Ack = im.rules.RowAck(w.Acks[i])
	}
	out := im.rules.Settle(known, in, policy, cmp, false)
	if err := im.recordRowConflicts(ctx, w, i, out.Conflicts); err != nil {
		return err
	}
	switch out.Action {
	case merge.Insert:
		key, ok := im.resolver.keyValues(l, w.Keys[i])
		if !ok {
			return im.setAsideKeyless(w, i)
		}
		r, err := im.newRow(ctx, w, i, key, out)
		if err != nil {
			return err
		}
		q.insert = append(q.insert, r)
		count.Inserted++
	case merge.Update:
		if write := out.Write & l.mask & l.rules.Writes(); write != 0 {
			q.update = append(q.update, im.changedRow(w, i, f, out.Row.Groups, write))
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

// checkStamps sets a row aside of which a stamp is not taken. Its error ends the import, as long as there is no place for such rows.
func (im *importer) checkStamps(l *localTable, key string, known merge.Row, groups ...merge.SentGroup) error {
	for _, g := range groups {
		if !im.rules.Takes(known, g.Stamp) {
			return im.writer.setAside(l, key, im.beyondHorizon(g.Stamp))
		}
	}
	return nil
}

// setAsideKeyless sets a new row aside whose key is made of another row's which is not here.
func (im *importer) setAsideKeyless(w *block, i int) error {
	e := im.resolver.keys.at(w.Keys[i])
	c := w.l.KeyColumns[0]
	for p, to := range im.resolver.keys.refs(e) {
		if to != 0 && im.resolver.keys.at(to).state != here {
			c = w.l.KeyColumns[p]
		}
	}
	return im.writer.setAside(w.l, e.key, refersNowhere(c, e.root, e.key))
}

// newRow puts together a row to be inserted. key is the values of its key columns.
func (im *importer) newRow(ctx context.Context, w *block, i int, key [][]byte, out merge.Outcome) (*row, error) {
	l := w.l
	r := &row{entry: w.Keys[i], key: im.resolver.keys.at(w.Keys[i]).key, groups: out.Row.Groups, wasDead: w.known[i].Known,
		values: make([][]byte, len(l.written)), unset: make([]bool, len(l.written))}
	for at, c := range l.written {
		switch {
		case c.Key:
			r.values[at] = key[slices.Index(l.KeyColumns, c)]
		case c.AutoIncrement && c.Local:
			r.unset[at] = true
		case c == l.Integer && c.Local:
			n, err := im.writer.nextInteger(ctx, l)
			if err != nil {
				return nil, err
			}
			r.values[at] = strconv.AppendInt(nil, n, 10)
		case w.values[at] == nil || out.Write&l.bits[at] == 0:
			r.unset[at] = true
		default:
			r.values[at] = w.values[at][i]
		}
	}
	for _, p := range w.pending[i] {
		at := l.place[p.column]
		if out.Write&l.bits[at] == 0 {
			continue
		}
		r.pending = append(r.pending, im.patchFor(l, r.key, p))
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
		if w.values[at] != nil && !c.Key && write&l.bits[at] != 0 {
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

// mask is what of a row came with a version, apart from its existence.
func (w *block) mask(i int) (m merge.Mask) {
	for _, g := range w.groups[i] {
		m |= g.Mask
	}
	return m &^ merge.Existence
}

// compare tells which of a row's values are equal here and there.
func (w *block) compare(i int, f found) merge.Compare {
	var differ, greater merge.Mask
	for at, c := range w.l.written {
		bit := w.l.bits[at]
		if w.values[at] == nil || bit == 0 || c.InsertOnly {
			continue
		}
		if in, mine := w.values[at][i], f.values[at]; !equal(in, mine) {
			differ |= bit
			if less(mine, in) {
				greater |= bit
			}
		}
	}
	for _, p := range w.pending[i] {
		differ |= w.l.bits[w.l.place[p.column]]
	}
	return merge.Compare{Equal: w.l.mask &^ differ, Greater: func(bit int) bool { return greater&(1<<bit) != 0 }}
}

func equal(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

func less(a, b []byte) bool {
	if (a == nil) != (b == nil) {
		return a == nil
	}
	return bytes.Compare(a, b) < 0
}
