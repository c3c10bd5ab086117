package apply

import (
	"errors"
	"fmt"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// errUnsealed asks for a seal, and for another run after it: the application has just made or deleted a row that the batch
// has too, and only the log of changes as a whole tells what that row was known by before.
var errUnsealed = errors.New("the application has just made or deleted rows that the batch changes: import it again")

// rowsOf is rows of one table by their keys, and what is known here of each.
type rowsOf struct {
	l     *local
	keys  []string      // canonical
	found map[int]found // those that are here, locked
	known []merge.Row   // versions, unsealed changes stamped
	had   []bool        // it has an entry in the journal
	used  [][]uint64    // the unsealed changes that went into known
}

// knownOf finds what is known here of rows: their versions with what the application changed since the last seal, which is
// stamped here and now, or the deletion of a row that is not here. The rows are locked by now, and no seal commits while
// this import holds the gate: what is read here stays so.
func (x *run) knownOf(w *rowsOf) error {
	if err := w.distinct(); err != nil {
		return err
	}
	n := len(w.keys)
	w.known, w.had, w.used = make([]merge.Row, n), make([]bool, n), make([][]uint64, n)
	if w.l.virgin {
		return nil
	}
	var ids []journal.Row
	for _, f := range w.found {
		ids = append(ids, f.row)
	}
	u, err := x.unsealed(w.l)
	if err != nil {
		return err
	}
	if err := w.certain(u); err != nil {
		return err
	}
	var absent []string
	for i, key := range w.keys {
		if _, ok := w.found[i]; ok {
			continue
		}
		absent = append(absent, key)
		if d, ok := u.dead[key]; ok && d.was {
			ids = append(ids, d.row)
		}
	}
	versions, err := journal.Versions(x.ctx, x.c, w.l.jt.ID, ids, x.j.Authors)
	if err != nil {
		return err
	}
	var tombs map[string]merge.Version
	if w.l.deaths && len(absent) > 0 {
		if tombs, err = journal.Tombstones(x.ctx, x.c, w.l.jt.ID, absent, x.j.Authors); err != nil {
			return err
		}
	}
	for i, key := range w.keys {
		f, ok := w.found[i]
		if !ok {
			w.known[i] = x.dead(w.l, key, tombs, versions, u)
			continue
		}
		w.had[i] = versions[f.row] != nil
		w.known[i] = x.alive(w.l, f.row, versions[f.row], u)
		w.used[i] = u.ids[f.row]
	}
	return nil
}

// distinct makes sure that each row comes once: what is known of it is read before anything is written. Rows that nothing
// but all their values tells apart may be the same.
func (w *rowsOf) distinct() error {
	if w.l.Key == schema.KeyAll {
		return nil
	}
	keys, rows := make(map[string]bool, len(w.keys)), make(map[journal.Row]bool, len(w.found))
	for i, k := range w.keys {
		f, here := w.found[i]
		if keys[k] || here && rows[f.row] {
			return fmt.Errorf("%w: a row of %s comes twice in one block", batch.ErrCorrupt, w.l.Name)
		}
		keys[k] = true
		if here {
			rows[f.row] = true
		}
	}
	return nil
}

// certain is errUnsealed if the log has more than edits of these rows: one that was made there, perhaps under a key that was
// known before, or one that was deleted. Only a deletion by uuid says by itself which row it was.
func (w *rowsOf) certain(u *unsealed) error {
	for _, f := range w.found {
		if c := u.rows[f.row]; c != nil && (c.Born || len(c.Deaths) > 0) {
			return fmt.Errorf("%s: %w", w.l.Name, errUnsealed)
		}
	}
	if w.l.Key != schema.KeyUUID && len(w.found) < len(w.keys) && u.died {
		return fmt.Errorf("%s: %w", w.l.Name, errUnsealed)
	}
	return nil
}

// unsealed is what the triggers wrote about a table since the last seal.
type unsealed struct {
	rows map[journal.Row]*journal.Folded
	ids  map[journal.Row][]uint64
	dead map[string]death // by the canonical form of the uuid
	died bool             // rows were deleted
}

type death struct {
	row journal.Row
	at  int64 // µs since 1970 UTC
	was bool  // it was there before
}

func (x *run) unsealed(l *local) (*unsealed, error) {
	changes, err := journal.TableChanges(x.ctx, x.c, l.jt.ID)
	if err != nil {
		return nil, err
	}
	u := &unsealed{rows: map[journal.Row]*journal.Folded{}, ids: map[journal.Row][]uint64{}, dead: map[string]death{}}
	for _, c := range changes {
		u.ids[c.Row] = append(u.ids[c.Row], c.ID)
	}
	for _, f := range journal.Fold(changes) {
		u.rows[f.Row] = f
		u.died = u.died || len(f.Deaths) > 0
		for _, d := range f.Deaths {
			if l.Key == schema.KeyUUID && d.UUID != nil {
				u.dead[journal.Canonical(l.Table, *d.UUID)] = death{f.Row, d.At, d.First}
			}
		}
	}
	return u, nil
}

// withoutEntry is the version of rows without an entry.
func (l *local) withoutEntry() merge.Row {
	switch {
	case l.jt.Default.Mask != 0:
		return merge.Row{Known: true, Alive: true, Groups: []merge.Group{l.jt.Default}}
	case l.standard != nil:
		return merge.Row{Known: true, Alive: true, Groups: []merge.Group{*l.standard}}
	}
	return merge.Row{}
}

// alive is what is known of a row that is here.
func (x *run) alive(l *local, row journal.Row, groups []merge.Group, u *unsealed) merge.Row {
	known := l.withoutEntry()
	if groups != nil {
		known = merge.Row{Known: true, Alive: true, Groups: groups}
	}
	f := u.rows[row]
	if f == nil {
		return known
	}
	if !known.Known { // found without versions: it counts as inserted with its first edit
		known = x.maker.Insert(known, l.mask, f.Edits[0].At)
	}
	for _, e := range f.Edits {
		if m := e.Mask & l.mask &^ merge.Existence; m != 0 {
			known = x.maker.Edit(known, m, e.At)
		}
	}
	return known
}

// dead is what is known of a row that is not here.
func (x *run) dead(l *local, key string, tombs map[string]merge.Version, versions map[journal.Row][]merge.Group, u *unsealed) merge.Row {
	known := merge.Row{}
	if v, ok := tombs[key]; ok {
		known = merge.Row{Known: true, Dead: v}
	}
	if d, ok := u.dead[key]; ok && d.was {
		was := l.withoutEntry()
		if g := versions[d.row]; g != nil {
			was = merge.Row{Known: true, Alive: true, Groups: g}
		}
		if v := x.maker.Delete(was, d.at).Dead; !known.Known || known.Dead.Before(v.Stamp) {
			known = merge.Row{Known: true, Dead: v}
		}
	}
	return known
}
