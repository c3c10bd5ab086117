package apply

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// rows is a block of rows under way.
type rows struct {
	*batch.Rows
	t       *table
	n       int
	values  [][][]byte          // by place in l.written, then row; nil column: it did not travel
	pending map[int][]reference // by row: references to rows that the batch has yet to bring
	slots   [][]merge.SentGroup // versions by row
	rowsOf
	skip map[int]bool
}

// reference is a column that refers to a row which is not here yet.
type reference struct {
	column *schema.Column
	to     uint32
}

// block brings in rows of one table.
func (x *run) block(b *batch.Rows) error {
	t := x.numbers[b.Table]
	if t.local == nil {
		x.note("rows of %q are left out: %s", t.Name, t.why)
		return nil
	}
	w := &rows{Rows: b, t: t, rowsOf: rowsOf{l: t.local}, n: len(b.Keys), pending: map[int][]reference{}, skip: map[int]bool{}}
	if !x.mayChange(w.l.Table) && !x.mayReturn(w.l.Table) {
		w.l.count.Refused += int64(w.n)
		x.report.Refused += int64(w.n)
		return nil
	}
	if err := x.checkKeys(w.l, b.Keys); err != nil {
		return err
	}
	if err := x.touch(w.l); err != nil {
		return err
	}
	for _, step := range []func(*rows) error{x.locate, x.incoming, x.settle} {
		if err := step(w); err != nil {
			return err
		}
	}
	x.rows += int64(w.n)
	if x.o.Progress != nil {
		x.o.Progress(x.rows, 0)
	}
	return nil
}

// mayChange says whether the sender may change anything in a table at all.
func (x *run) mayChange(t *schema.Table) bool {
	d := x.j.Profile.Direction(t.Name)
	return d != access.None && (d != access.Down || x.im.FromParent)
}

// mayReturn says whether the sender may bring back a row that was deleted here, in a table where it may do nothing else:
// something that it may send refers to the row. Rows that give people rights are no such table.
func (x *run) mayReturn(t *schema.Table) bool {
	return x.j.Profile.Direction(t.Name) == access.Down && !x.j.Profile.Rights(t.Name)
}

// mayTouch says whether the sender may change or delete this row: a child only what it added, in tables to which it may add.
func (x *run) mayTouch(t *schema.Table, row merge.Row) bool {
	if !x.mayChange(t) {
		return row.Known && !row.Alive
	}
	return x.im.FromParent || x.j.Profile.Direction(t.Name) != access.Add || !row.Alive || x.brought(row)
}

// brought says whether a live row came here from the sender.
func (x *run) brought(row merge.Row) bool {
	for _, g := range row.Groups {
		if g.Mask&merge.Existence != 0 {
			return g.From == x.im.Peer
		}
	}
	return false
}

// locate finds the rows that are here, locks them and reads them.
func (x *run) locate(w *rows) error {
	if w.l.Root != w.l.Table || w.l.KeyColumns[0].Ref != nil {
		if err := x.resolve(w.Keys); err != nil {
			return err
		}
	}
	if w.l.virgin {
		return x.resolveParts(w.Keys)
	}
	var err error
	if w.found, err = x.find(w.l, w.Keys, "FOR UPDATE", w.l.written); err != nil {
		return err
	}
	for i, f := range w.found {
		x.identify(w, i, f)
	}
	return nil
}

// identify notes which row here a key is.
func (x *run) identify(w *rows, i int, f found) {
	e := x.entry(w.Keys[i])
	if w.l == e.root {
		var name [][]byte
		if len(w.l.KeyColumns) == 1 {
			name = [][]byte{f.values[w.l.at[w.l.KeyColumns[0]]]}
		}
		e.settle(f.row, name)
		return
	}
	x.exists(w.l, e.shared())
}

func (x *run) exists(l *local, row shared) {
	if x.present[l] == nil {
		x.present[l] = map[shared]bool{}
	}
	x.present[l][row] = true
}

// incoming turns the batch's values into those of this database, and its masks into local bits.
func (x *run) incoming(w *rows) error {
	w.values = make([][][]byte, len(w.l.written))
	for ci, c := range w.t.columns {
		if c == nil {
			continue
		}
		v := w.Columns[ci]
		if c.Ref == nil {
			w.values[w.l.at[c]] = v.Bytes
			continue
		}
		if err := x.references(w, c, v); err != nil {
			return err
		}
	}
	if f := x.j.Profile.RowFilter(w.l.Name); f != nil {
		x.filter(w, f)
	}
	w.slots = make([][]merge.SentGroup, w.n)
	g := 0
	for i := range w.slots {
		n := 1
		if w.Groups != nil {
			n = w.Groups[i]
		}
		for ; n > 0; n-- {
			mask := w.t.bitsOf(merge.Mask(w.Masks[g]))
			if mask != 0 {
				w.slots[i] = append(w.slots[i], merge.SentGroup{Mask: mask, Sent: merge.Sent{Stamp: merge.Stamp{Time: w.Times[g], Author: w.Authors[g]}, Epoch: w.Epochs[g]}})
			}
			g++
		}
		if !slices.ContainsFunc(w.slots[i], func(g merge.SentGroup) bool { return g.Mask&merge.Existence != 0 }) {
			return fmt.Errorf("%w: a row of %s comes without the version of its existence", batch.ErrCorrupt, w.l.Name)
		}
		if len(w.slots[i]) > 1 {
			w.slots[i] = disjoint(w.slots[i])
		}
	}
	return nil
}

// bitsOf turns a mask of the batch's slots into one of the bits here.
func (t *table) bitsOf(slots merge.Mask) (out merge.Mask) {
	for s := range t.bits {
		if slots&(1<<s) != 0 {
			out |= t.bits[s]
		}
	}
	return out
}

// disjoint leaves a bit that several groups have with the latest of them: columns that share a bit here need not there.
func disjoint(groups []merge.SentGroup) []merge.SentGroup {
	for a := range groups {
		for b := range groups {
			if both := groups[a].Mask & groups[b].Mask; a != b && both != 0 {
				if groups[a].Before(groups[b].Stamp) || groups[a].Stamp == groups[b].Stamp && a > b {
					groups[a].Mask &^= both
				}
			}
		}
	}
	return groups
}

// references turns keys into the local integers of their rows.
func (x *run) references(w *rows, c *schema.Column, v batch.Values) error {
	if err := checkPlain(c, v); err != nil {
		return err
	}
	idx := make([]uint32, 0, w.n)
	for _, r := range v.Refs {
		if r >= batch.FirstRef {
			if err := x.checkTarget(c, r); err != nil {
				return err
			}
			idx = append(idx, r)
		}
	}
	if err := x.resolve(idx); err != nil {
		return err
	}
	var to *local // the target shares its ancestor's key: the row itself must be there too
	if c.Ref.When == nil && c.Ref.To.Root != c.Ref.To {
		to = x.local(c.Ref.To)
		var rows []shared
		for _, r := range idx {
			if e := x.entry(r); e.state == here {
				rows = append(rows, e.shared())
			}
		}
		if err := x.check(to, rows); err != nil {
			return err
		}
	}
	out := make([][]byte, w.n)
	for i := range out {
		r := batch.RefNull
		if v.Refs != nil {
			r = v.Refs[i]
		}
		switch {
		case r >= batch.FirstRef:
			value, ok := x.value(c.Ref, r)
			if ok && to != nil && !x.present[to][x.entry(r).shared()] {
				ok = false
			}
			if !ok {
				w.pending[i] = append(w.pending[i], reference{c, r})
				continue
			}
			out[i] = value
		case r == batch.RefNowhere:
			out[i] = []byte("0")
		case v.Bytes != nil:
			out[i] = v.Bytes[i]
		}
	}
	w.values[w.l.at[c]] = out
	return nil
}

// filter leaves out rows that the profile keeps where they are.
func (x *run) filter(w *rows, f *schema.RowFilter) {
	for i := range w.n {
		stays, known := journal.FilteredOut(w.l.Table, f, x.entry(w.Keys[i]).key)
		if c := w.l.Column(f.Column); c != nil && !known {
			if v := w.values[w.l.at[c]]; v != nil && v[i] != nil {
				stays = f.Match(string(v[i]))
			}
		}
		if w.skip[i] = stays; stays {
			w.l.count.Refused++
			x.report.Refused++
		}
	}
}

// settle lets the rules decide row by row, and writes what they decide.
func (x *run) settle(w *rows) error {
	for _, k := range w.Keys {
		w.keys = append(w.keys, x.entry(k).canonical())
	}
	if err := x.knownOf(&w.rowsOf); err != nil {
		return err
	}
	policy := x.policy(w.l.Table)
	q := &writes{l: w.l}
	count := &w.l.count
	for i := range w.n {
		if w.skip[i] {
			continue
		}
		in := merge.Incoming{Alive: true, Groups: w.slots[i], Ack: x.head.Ack.Epoch}
		if w.Acks != nil {
			in.Ack = w.Acks[i]
		}
		in.NeverSent = x.held(w.l, w.known[i])
		f, isHere := w.found[i]
		var cmp merge.Compare
		if isHere {
			cmp = w.compare(i, f)
		}
		if !x.mayTouch(w.l.Table, w.known[i]) {
			if isHere && w.mask(i)&^cmp.Equal == 0 { // it says what is here anyway
				count.Unchanged++
				x.report.Unchanged++
				continue
			}
			count.Refused++
			x.report.Refused++
			continue
		}
		out := x.im.Settle(w.known[i], in, policy, cmp, false)
		if err := x.losses(w, i, out.Conflicts); err != nil {
			return err
		}
		switch out.Action {
		case merge.Insert:
			r, err := x.newRow(w, i, out)
			if err != nil {
				return err
			}
			r.wasDead = w.known[i].Known
			q.insert = append(q.insert, r)
			count.Inserted++
			x.report.Inserted++
		case merge.Update:
			if out.Write &= x.changeable(w.l); out.Write != 0 {
				q.update = append(q.update, x.changed(w, i, f, out))
				count.Updated++
				x.report.Updated++
			}
		default:
			count.Unchanged++
			x.report.Unchanged++
		}
		if isHere && (out.Changed || len(w.used[i]) > 0) {
			q.entries = append(q.entries, journal.Entry{Row: f.row, Groups: out.Row.Groups})
			if w.had[i] {
				q.old = append(q.old, f.row)
			}
			q.used = append(q.used, w.used[i]...)
		}
	}
	return x.write(q)
}

// mask is what of a row came with a version, apart from its existence.
func (w *rows) mask(i int) (m merge.Mask) {
	for _, g := range w.slots[i] {
		m |= g.Mask
	}
	return m &^ merge.Existence
}

// held is what of a row this node never sends to the sender: of what only flows down and of the parent's own rows all, and
// columns that never go up.
func (x *run) held(l *local, row merge.Row) merge.Mask {
	if !x.im.FromParent {
		return 0
	}
	if l.direction == access.Down || l.direction == access.Add && row.Alive && x.brought(row) {
		return ^merge.Mask(0)
	}
	return l.excluded
}

// policy is what decides conflicts in a table. What only flows down is the parent's, whatever a child did to it.
func (x *run) policy(t *schema.Table) merge.Policy {
	if d := x.j.Profile.Direction(t.Name); d == access.Down {
		return merge.Parent
	}
	if x.o.Policy != nil {
		return x.o.Policy(t.Name)
	}
	return merge.Newest
}

// changeable is the columns of a row here that a peer may change: all but those that only come with an insert.
func (x *run) changeable(l *local) merge.Mask {
	m := l.mask
	for _, c := range l.Columns {
		if c.InsertOnly {
			m &^= l.jt.Bit(c.Name)
		}
	}
	return m
}

// compare tells which of a row's values are equal here and there.
func (w *rows) compare(i int, f found) merge.Compare {
	var differ merge.Mask
	greater := map[int]bool{}
	for _, c := range w.l.written {
		at := w.l.at[c]
		bit := w.l.jt.Bit(c.Name)
		if w.values[at] == nil || bit == 0 || c.InsertOnly {
			continue
		}
		if in, mine := w.values[at][i], f.values[at]; !equal(in, mine) {
			differ |= bit
			if less(mine, in) {
				greater[trailing(bit)] = true
			}
		}
	}
	for _, p := range w.pending[i] {
		differ |= w.l.jt.Bit(p.column.Name)
	}
	return merge.Compare{Equal: w.l.mask &^ differ, Greater: func(bit int) bool { return greater[bit] }}
}

func equal(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

func less(a, b []byte) bool {
	if (a == nil) != (b == nil) {
		return a == nil
	}
	return bytes.Compare(a, b) < 0
}

func trailing(m merge.Mask) (n int) {
	for ; m > 1; m >>= 1 {
		n++
	}
	return n
}
