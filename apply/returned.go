package apply

import (
	"context"
	"slices"

	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// A row that was deleted here, in a table of which the sender may not send it, comes back if a row that is taken refers to it: as it
// was here, by what is kept of it, and stamped as an edit made here. Whether the sender names it, and what it says of it, counts for
// nothing. With it comes what it refers to itself. See access.Rules.Returns.

// rowName is a row by its table and its canonical key.
type rowName struct {
	l   *localTable
	key string
}

// mayReturn reports whether it is of a table whose rows may come back, and was not found to stay away: that is looked for once.
func (r rowName) mayReturn(v *resolver) bool {
	return r.l.journal != nil && r.l.rules.ReturnsRows() && v.stayedAway[r] == "" && v.aside.cause(r.l, r.key) == nil
}

// noteNamed remembers a row that was deleted here and that the sender may not bring back with its own values: it is counted as refused
// until it comes back as it was.
func (im *importer) noteNamed(w *block, i int) error {
	if k := w.known[i]; !k.Known || k.Alive || !w.l.rules.ReturnsRows() || w.l.named[w.keys[i]] {
		return nil
	}
	if w.l.named == nil {
		w.l.named = map[string]bool{}
	}
	w.l.named[w.keys[i]] = true
	return im.writer.hold(patchCost + len(w.keys[i]))
}

// bringBackFor brings back rows that the rows of a block refer to which are taken, and takes the references to them off what is pending.
func (im *importer) bringBackFor(ctx context.Context, w *block) (came bool, err error) {
	entries := map[uint32]bool{}
	wanted := map[rowName]bool{}
	for i := range w.n {
		if w.decided[i].taken {
			im.missing(w, i, entries, wanted)
		}
	}
	if len(wanted) == 0 {
		return false, nil
	}
	var list []rowName
	for r := range wanted {
		list = append(list, r)
	}
	slices.SortFunc(list, byPosition)
	for some := range slices.Chunk(list, maxWanted) {
		is, err := im.bringBack(ctx, some)
		if err != nil {
			return false, err
		}
		came = came || is
	}
	if !came {
		return false, nil
	}
	var again []uint32
	for i := range entries {
		if e := im.resolver.keys.at(i); e.state == nowhere {
			e.state = unknown
		}
		again = append(again, i)
	}
	slices.Sort(again)
	if err := im.resolver.resolve(ctx, again); err != nil {
		return false, err
	}
	return true, im.resolver.settlePending(ctx, w)
}

// missing notes the rows that a row needs and that are not here, where they are such as may come back: entries by their places in the
// dictionary, wanted by themselves.
func (im *importer) missing(w *block, i int, entries map[uint32]bool, wanted map[rowName]bool) {
	v := im.resolver
	want := func(to *schema.Table, at uint32) {
		e := v.keys.at(at)
		if e.root == nil {
			return
		}
		need := func(l *localTable) {
			if r := (rowName{l, e.canonical()}); r.mayReturn(v) {
				entries[at], wanted[r] = true, true
			}
		}
		if e.state != here {
			need(e.root)
		}
		if to != nil && to != e.root.Table {
			need(v.table(to))
		}
	}
	if w.decided[i].Action == merge.Insert {
		e := v.keys.at(w.Keys[i])
		if w.l != e.root && e.state != here {
			want(nil, w.Keys[i])
		}
		for p, to := range v.keys.refs(e) {
			if to != 0 && v.keys.at(to).state != here {
				want(w.l.KeyColumns[p].Ref.To, to)
			}
		}
	}
	write := im.written(w, i)
	for _, p := range w.pending[i] {
		if w.l.writes(write, w.l.place[p.column]) {
			want(p.column.Ref.To, p.to)
		}
	}
}

// settlePending fills in the references of a block whose rows have come.
func (v *resolver) settlePending(ctx context.Context, w *block) error {
	for i, refs := range w.pending {
		var left []reference
		for _, p := range refs {
			ok, err := v.arrived(ctx, p.column.Ref, p.to)
			if err != nil {
				return err
			}
			if !ok {
				left = append(left, p)
				continue
			}
			w.values[w.l.place[p.column]][i], _ = v.value(p.column.Ref, p.to)
		}
		if len(left) == 0 {
			delete(w.pending, i)
		} else {
			w.pending[i] = left
		}
	}
	return nil
}
