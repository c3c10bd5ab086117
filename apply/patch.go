package apply

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// patch is a reference to be filled in once the row that it points to is here.
type patch struct {
	l      *localTable
	at     journal.Row
	key    string
	column *schema.Column
	to     *target
	index  uint32 // the row's place in the dictionary, as long as the row that refers to it is not written; 0: none
	plain  []byte // what the column gets if the row does not come; nil: the row is set aside
}

// target is a row that is referred to, as it can be found again once the dictionary is another one.
type target struct {
	root  *localTable
	key   string
	parts []*target // of a key that is made of other rows' keys; nil for its other parts

	counted bool // among what the writer holds
}

// patchCost is about what a patch, or a target, takes beside its key.
const patchCost = 64

// target takes an entry out of the dictionary: one of each for all that refer to it.
func (v *resolver) target(i uint32) *target {
	if t := v.keys.targets[i]; t != nil {
		return t
	}
	e := v.keys.at(i)
	t := &target{root: e.root, key: e.key}
	for p, r := range v.keys.refs(e) {
		if r != 0 {
			if t.parts == nil {
				t.parts = make([]*target, e.refs.n)
			}
			t.parts[p] = v.target(r)
		}
	}
	if v.keys.targets == nil {
		v.keys.targets = map[uint32]*target{}
	}
	v.keys.targets[i] = t
	return t
}

// addTarget takes it back in, and returns its index. added are those that are in.
func (v *resolver) addTarget(t *target, added map[*target]uint32) uint32 {
	if i, ok := added[t]; ok {
		return i
	}
	e := entry{root: t.root, key: t.key}
	if t.parts != nil {
		refs := make([]uint32, len(t.parts))
		for p, part := range t.parts {
			if part != nil {
				refs[p] = v.addTarget(part, added)
			}
		}
		e.refs = v.keys.keep(refs)
	}
	e.key, e.aliased = v.ownSince(e.root, e.key) // it may have been found out since
	added[t] = v.keys.add(e)
	return added[t]
}

// patchLater remembers the references of a row that are still to be filled in, once the row has its identity.
func (w *writer) patchLater(r *row) error {
	for _, p := range r.pending {
		p.at = r.at
		w.patches = append(w.patches, p)
		if err := w.hold(p.size()); err != nil {
			return err
		}
	}
	r.pending = nil
	return nil
}

// size is about what a patch takes, with its target if that was not counted yet.
func (p *patch) size() int {
	n := patchCost + len(p.key) + len(p.at.Key) + len(p.plain)
	if !p.to.counted {
		p.to.counted = true
		n += patchCost + len(p.to.key)
	}
	return n
}

// fillEarly fills in what has come meanwhile, once much waits for it: most references to rows that come later are to the next ones. The
// dictionary stays as it is. What only one row may have waits for the end: a later row of the batch may give it up.
func (w *writer) fillEarly(ctx context.Context) error {
	if w.held < max(fillFrom, w.fillAt) {
		return nil
	}
	if err := w.s.finish(ctx); err != nil {
		return err
	}
	var wait []patch
	w.patches = slices.DeleteFunc(w.patches, func(p patch) bool {
		unique := slices.ContainsFunc(p.l.Unique, func(index []*schema.Column) bool { return slices.Contains(index, p.column) })
		if unique {
			wait = append(wait, p)
		}
		return unique
	})
	keys := w.resolver.keys
	w.resolver.keys = dictionary{}
	err := w.fillPatches(ctx, reading)
	w.resolver.keys = keys
	if err != nil {
		return err
	}
	w.patches = append(w.patches, wait...)
	for _, p := range w.patches {
		p.to.counted = false
	}
	w.held = 0
	for i := range w.patches {
		w.held += w.patches[i].size()
	}
	for _, r := range w.deferredRows {
		w.held += r.size()
	}
	w.fillAt = 2 * w.held
	return nil
}

// fillPatches fills in references to rows that came later in the batch. Those whose row is still nowhere wait for the next call,
// or are set aside when the batch is in: a reference is never left empty in place of one that was not found.
func (w *writer) fillPatches(ctx context.Context, phase phase) error {
	patches := w.patches
	w.patches = nil
	for part := range slices.Chunk(patches, 1000) {
		w.resolver.keys.reset()
		to, added := make([]uint32, len(part)), map[*target]uint32{}
		for i, p := range part {
			to[i] = w.resolver.addTarget(p.to, added)
		}
		if err := w.resolver.resolve(ctx, to); err != nil {
			return err
		}
		if err := w.fillSome(ctx, phase, part, to); err != nil {
			return err
		}
	}
	return nil
}

// fillSome fills in patches whose targets are in the dictionary.
func (w *writer) fillSome(ctx context.Context, phase phase, patches []patch, to []uint32) error {
	ready := map[*schema.Column][]int{}
	var order []*schema.Column
	for i, p := range patches {
		ok, err := w.resolver.arrived(ctx, p.column.Ref, to[i])
		if err != nil {
			return err
		}
		switch {
		case ok:
			if ready[p.column] == nil {
				order = append(order, p.column)
			}
			ready[p.column] = append(ready[p.column], i)
		case phase == finishing && p.plain != nil:
			if err := w.fillOne(ctx, p, p.plain); err != nil {
				return err
			}
		case phase == finishing:
			why, err := w.resolver.refersNowhere(ctx, p.column, p.to.root, p.to.key)
			if err != nil {
				return err
			}
			if err := w.setAside(p.l, p.key, why); err != nil {
				return err
			}
		default:
			w.patches = append(w.patches, p)
		}
	}
	for _, c := range order {
		if err := w.fill(ctx, c, patches, to, ready[c]); err != nil {
			return err
		}
	}
	return nil
}

// arrived reports whether the row that a reference is to is here.
func (v *resolver) arrived(ctx context.Context, ref *schema.Ref, i uint32) (bool, error) {
	if _, ok := v.value(ref, i); !ok {
		return false, nil
	}
	if ref.When != nil || ref.To.Root == ref.To {
		return true, nil
	}
	to := v.table(ref.To)
	row := v.keys.at(i).inherited()
	if err := v.check(ctx, to, []inherited{row}); err != nil {
		return false, err
	}
	return v.present[to][row], nil
}

// fill writes one column of many rows. If the server refuses them, it halves them until it has found which.
func (w *writer) fill(ctx context.Context, c *schema.Column, patches []patch, to []uint32, which []int) error {
	l := patches[which[0]].l
	if l.Integer == nil || c.Ref.When != nil || c.Ref.ToColumn != c.Ref.To.Integer { // what refers by name holds the sender's text
		for _, i := range which {
			value, _ := w.resolver.value(c.Ref, to[i])
			if err := w.fillOne(ctx, patches[i], value); err != nil {
				return err
			}
		}
		return nil
	}
	b, _ := sqldb.AppendDerived([]byte("UPDATE "), []string{"id", "v"}, len(which), 0, func(b []byte, row, column int) []byte {
		i := which[row]
		if column == 0 {
			return strconv.AppendInt(b, patches[i].at.Int, 10)
		}
		value, _ := w.resolver.value(c.Ref, to[i])
		return c.AppendLiteral(b, value)
	})
	b = fmt.Appendf(b, " STRAIGHT_JOIN %s t%s ON t.%s = d.id SET t.%s = d.v%s", schema.Quote(l.Name), l.byInteger(), schema.Quote(l.Integer.Name), schema.Quote(c.Name), l.unmoved("t."))
	_, err := w.s.exec(ctx, b)
	if err == nil || len(which) == 1 || !aboutRows(err) {
		return w.filled(patches[which[0]], err)
	}
	half := len(which) / 2
	if err := w.fill(ctx, c, patches, to, which[:half]); err != nil {
		return err
	}
	return w.fill(ctx, c, patches, to, which[half:])
}

// fillOne writes one column of one row.
func (w *writer) fillOne(ctx context.Context, p patch, value []byte) error {
	c := p.column
	b := c.AppendLiteral([]byte("UPDATE "+schema.Quote(p.l.Name)+" SET "+schema.Quote(c.Name)+" = "), value)
	b = p.l.whereRow(append(append(b, p.l.unmoved("")...), " WHERE "...), p.at)
	_, err := w.s.exec(ctx, b)
	return w.filled(p, err)
}

// filled looks at the error of the statement that filled in a reference: a row that does not take it is set aside.
func (w *writer) filled(p patch, err error) error {
	switch {
	case err == nil:
		return nil
	case aboutRows(err):
		return w.setAside(p.l, p.key, notTaken(p.l, err))
	}
	return fmt.Errorf("fill in %s.%s: %w", p.l.Name, p.column.Name, err)
}
