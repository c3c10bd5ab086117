package apply

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// maxWanted is how many rows are brought back at once, maxReturning how many with those that they refer to.
const maxWanted, maxReturning = 200, 10_000

// returning is a row that was deleted here and may come back.
type returning struct {
	rowName
	dead  merge.Row
	refs  []rowName // rows that it refers to
	lacks []rowName // those of them that are not here
	stays string    // why it does not come back
}

// returningRows are rows that may come back, and what they refer to.
type returningRows struct {
	im     *importer
	rows   map[rowName]*returning
	order  []*returning
	keys   map[rowName]uint32  // in a dictionary of their own
	owners map[string][]string // by key, of the rows of the table that are being inserted: whose they were
}

// bringBack inserts rows again that were deleted here, with what they refer to, as far as all of that is here or kept. It reports whether
// any came.
func (im *importer) bringBack(ctx context.Context, wanted []rowName) (bool, error) {
	if err := im.resolver.alone(); err != nil { // it writes rows whose keys did not come
		return false, err
	}
	batch := im.resolver.keys
	defer func() { im.resolver.keys = batch }()
	b := &returningRows{im: im, rows: map[rowName]*returning{}}
	for len(wanted) > 0 {
		b.restart()
		fresh, err := b.find(ctx, wanted)
		if err != nil {
			return false, err
		}
		if wanted, err = b.follow(ctx, fresh); err != nil {
			return false, err
		}
	}
	b.leaveOut()
	var come []*returning
	for _, r := range b.order {
		if r.stays == "" {
			come = append(come, r)
		} else {
			im.resolver.stayedAway[r.rowName] = r.stays
		}
	}
	slices.SortStableFunc(come, func(x, y *returning) int { return cmp.Compare(x.l.Position, y.l.Position) })
	for len(come) > 0 {
		n := slices.IndexFunc(come, func(r *returning) bool { return r.l != come[0].l })
		if n < 0 {
			n = len(come)
		}
		if err := b.insert(ctx, come[:n]); err != nil {
			return false, err
		}
		come = come[n:]
	}
	return slices.ContainsFunc(b.order, func(r *returning) bool { return r.stays == "" }), nil
}

// restart begins with an empty dictionary: what was found before may be another now.
func (b *returningRows) restart() { b.im.resolver.keys, b.keys = dictionary{}, map[rowName]uint32{} }

// find looks for what is kept of those of the rows that are deleted here, and returns what may come back.
func (b *returningRows) find(ctx context.Context, wanted []rowName) (fresh []*returning, err error) {
	slices.SortFunc(wanted, byPosition)
	for len(wanted) > 0 {
		l := wanted[0].l
		var keys []string
		for len(wanted) > 0 && wanted[0].l == l {
			keys, wanted = append(keys, wanted[0].key), wanted[1:]
		}
		some, err := b.findIn(ctx, l, keys)
		if err != nil {
			return nil, err
		}
		fresh = append(fresh, some...)
	}
	return fresh, nil
}

// byPosition puts rows of referred tables before those that refer to them.
func byPosition(x, y rowName) int {
	return cmp.Or(cmp.Compare(x.l.Position, y.l.Position), strings.Compare(x.key, y.key))
}

func (b *returningRows) findIn(ctx context.Context, l *localTable, keys []string) (fresh []*returning, err error) {
	v := b.im.resolver
	if err := v.touch(ctx, l); err != nil {
		return nil, err
	}
	w := &keyedRows{l: l, keys: keys, found: map[int]found{}}
	if err := v.readKnown(ctx, w); err != nil {
		return nil, err
	}
	dead := map[string]merge.Row{}
	var look []string
	for i, k := range w.known {
		if k.Known && !k.Alive {
			dead[keys[i]], look = k, append(look, keys[i])
		}
	}
	err = journal.EachDeleted(ctx, v.s.conn, l.journal.ID, look, v.j.Authors, func(d journal.Deleted) error {
		if !l.rules.Returns(access.Added{Known: true, By: d.AddedBy}) {
			return nil
		}
		r := &returning{rowName: rowName{l, d.Key}, dead: dead[d.Key]}
		r.dead.Dead.Added = merge.Adder{Stored: true, Peer: d.AddedBy}
		for _, c := range l.written {
			to, key, is, err := b.refers(l, c, d.Content)
			if err != nil {
				r.stays = err.Error()
			}
			if is {
				r.refs = append(r.refs, rowName{to, key})
			}
		}
		b.rows[r.rowName] = r
		b.order, fresh = append(b.order, r), append(fresh, r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, key := range look {
		if d := dead[key].Dead; b.rows[rowName{l, key}] == nil && d.From == 0 && d.Epoch == b.im.epoch.Epoch {
			return nil, fmt.Errorf("%s: %w", l.Name, errUnsealed) // what the application deletes is kept by the seal
		}
	}
	return fresh, nil
}

// refers returns the row that a kept value refers to; false if it is a plain value.
func (b *returningRows) refers(l *localTable, c *schema.Column, content journal.Content) (to *localTable, key string, is bool, err error) {
	value := content[c.Name]
	if c.Ref == nil || value.Table == "" || value.Text == nil {
		return nil, "", false, nil
	}
	t := b.im.j.Catalogue.Table(value.Table)
	if t == nil || !slices.Contains(c.Ref.Targets(), t) {
		return nil, "", false, fmt.Errorf("its %s refers to a row of %s, which is no more", c.Name, value.Table)
	}
	return b.im.resolver.table(t), *value.Text, true, nil
}

// follow looks for what rows refer to. It returns the rows that are not here and may come back too; a row that refers to others stays
// away.
func (b *returningRows) follow(ctx context.Context, fresh []*returning) (wanted []rowName, err error) {
	var refs []rowName
	for _, r := range fresh {
		refs = append(refs, r.refs...)
	}
	isHere, err := b.areHere(ctx, refs)
	if err != nil {
		return nil, err
	}
	seen := map[rowName]bool{}
	for _, r := range fresh {
		for _, to := range r.refs {
			if isHere[to] {
				continue
			}
			r.lacks = append(r.lacks, to)
			if b.rows[to] == nil && !seen[to] && to.mayReturn(b.im.resolver) && len(b.rows)+len(wanted) < maxReturning {
				seen[to] = true
				wanted = append(wanted, to)
			}
		}
	}
	return wanted, nil
}

// areHere tells which rows are here, and locks them.
func (b *returningRows) areHere(ctx context.Context, rows []rowName) (map[rowName]bool, error) {
	v := b.im.resolver
	var at []uint32
	for _, r := range rows {
		at = append(at, b.place(r))
	}
	if err := v.resolve(ctx, at); err != nil {
		return nil, err
	}
	out := make(map[rowName]bool, len(rows))
	for i, r := range rows {
		e := v.keys.at(at[i])
		if e.state != here {
			continue
		}
		if r.l.Root == r.l.Table {
			out[r] = true
			continue
		}
		if err := v.check(ctx, r.l, []inherited{e.inherited()}); err != nil {
			return nil, err
		}
		out[r] = v.present[r.l][e.inherited()]
	}
	return out, nil
}

// place returns the place of a row's key in the dictionary, where it puts it.
func (b *returningRows) place(r rowName) uint32 {
	v := b.im.resolver
	r.l = v.table(r.l.Root)
	if i, ok := b.keys[r]; ok {
		return i
	}
	e := entry{root: r.l, key: r.key}
	if parts, ok := journal.SplitKey(r.key, len(r.l.KeyColumns)); ok {
		refs := make([]uint32, len(parts))
		for p, c := range r.l.KeyColumns {
			if c.Ref != nil && parts[p] != nil {
				refs[p] = b.place(rowName{v.table(c.Ref.To), *parts[p]})
			}
		}
		if slices.ContainsFunc(refs, func(i uint32) bool { return i != 0 }) {
			e.refs = v.keys.keep(refs)
		}
	}
	b.keys[r] = v.keys.add(e)
	return b.keys[r]
}

// leaveOut finds the rows that stay away because what they refer to does.
func (b *returningRows) leaveOut() {
	for again := true; again; {
		again = false
		for _, r := range slices.Backward(b.order) { // mostly those that refer come first
			if r.stays != "" {
				continue
			}
			for _, to := range r.lacks {
				if other := b.rows[to]; other == nil || other.stays != "" {
					r.stays = fmt.Sprintf("it referred to a row of %s that is gone too (%s)", to.l.Name, printable(to.l.Table, to.key))
					again = true
					break
				}
			}
		}
	}
}

// insert brings back rows of one table. What they refer to is here, or comes with them or later: that is filled in at the end.
func (b *returningRows) insert(ctx context.Context, rows []*returning) error {
	b.restart()
	im, l := b.im, rows[0].l
	var keys []string
	var refs []rowName
	for _, r := range rows {
		keys, refs = append(keys, r.key), append(refs, r.refs...)
	}
	if _, err := b.areHere(ctx, refs); err != nil {
		return err
	}
	if err := b.look(l, keys); err != nil {
		return err
	}
	q, held := &writes{l: l}, 0
	err := journal.EachDeleted(ctx, im.resolver.s.conn, l.journal.ID, keys, im.j.Authors, func(d journal.Deleted) error {
		out := im.rules.Return(b.rows[rowName{l, d.Key}].dead, l.mask, im.j.Now().UnixMicro())
		im.noteReturned(l, d.Key, b.rows[rowName{l, d.Key}].dead, out.Row)
		r, err := b.row(ctx, l, d, out)
		if err != nil {
			return err
		}
		for _, lost := range out.Conflicts {
			if err := im.recordConflict(ctx, l, d.Key, lost, b.owners[d.Key], nil); err != nil {
				return err
			}
		}
		q.insert = append(q.insert, r)
		l.count.Inserted++
		l.returned++
		if l.named[d.Key] {
			l.count.Refused--
			delete(l.named, d.Key)
		}
		if held += (&deferredRow{row: r}).size(); held < keepBytes {
			return nil
		}
		full := q
		q, held = &writes{l: l}, 0
		return im.writer.write(ctx, full)
	})
	if err != nil {
		return err
	}
	return im.writer.write(ctx, q)
}

// row puts together a row as it was.
func (b *returningRows) row(ctx context.Context, l *localTable, d journal.Deleted, out merge.Outcome) (*row, error) {
	v := b.im.resolver
	r := &row{key: d.Key, groups: out.Row.Groups, wasDead: true, names: newNames{l.rules.NewNames(false, merge.Mask{}), true}, values: make([][]byte, len(l.written)), unset: make([]bool, len(l.written))}
	for at, c := range l.written {
		value, known := d.Content[c.Name]
		switch {
		case c == l.Integer && c.Local && !c.AutoIncrement:
			n, err := b.im.writer.nextInteger(ctx, l)
			if err != nil {
				return nil, err
			}
			r.values[at] = strconv.AppendInt(nil, n, 10)
		case c.Local || !known:
			r.unset[at] = true
		case value.Text == nil:
		case c.Ref == nil || value.Table == "" && c.Ref.When != nil:
			r.values[at] = []byte(*value.Text)
		case value.Table == "": // it pointed to no row
			r.values[at] = []byte("0")
		default:
			to, key, _, err := b.refers(l, c, d.Content)
			if err != nil {
				return nil, &rowError{fmt.Errorf("%s, row %s: %w", l.Name, printable(l.Table, d.Key), err)}
			}
			i := b.place(rowName{to, key})
			if err := v.resolve(ctx, []uint32{i}); err != nil {
				return nil, err
			}
			ok, err := v.arrived(ctx, c.Ref, i)
			if err != nil {
				return nil, err
			}
			if ok {
				r.values[at], _ = v.value(c.Ref, i)
				continue
			}
			r.pending = append(r.pending, b.im.patchFor(l, d.Key, reference{column: c, to: i}))
			if !c.Nullable {
				r.values[at] = []byte("0")
			}
		}
	}
	return r, nil
}
