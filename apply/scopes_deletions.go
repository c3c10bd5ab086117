package apply

import (
	"context"
	"errors"
	"slices"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/scope"
	"github.com/omsync/omsync/scopes"
)

// lookDeleted finds what the rules of scopes must know of rows that are to be deleted before any of them is. Whose they are is kept where nobody has
// a scope, too: a child that gets one before it hears of the deletion is to hear of it.
func (im *importer) lookDeleted(ctx context.Context, pending []*deletion) error {
	s := im.scopes
	if s == nil {
		return nil
	}
	var failed error
	each(pending, func(l *localTable, some []*deletion) {
		if s.idle() && s.store.Kind(l.Table) != scope.Owned {
			return
		}
		var keys []string
		for _, d := range some {
			if d.isHere {
				keys = append(keys, d.key)
			}
		}
		failed = errors.Join(failed, im.lookBeside(ctx, l, keys))
		if s.store.Kind(l.Table) != scope.Common {
			s.store.Fetch(l.Table, knownDeletions(some, func(d *deletion) bool { return d.isHere }))
		}
		for _, d := range some {
			x := &scoped{arrival: scope.Arrival{Row: scope.Row{Table: l.Name, Key: d.key}, Place: scope.Place{Kind: s.store.Kind(l.Table)}}}
			for _, o := range d.came {
				x.arrival.Place.Owners = append(x.arrival.Place.Owners, scope.Owner(o))
			}
			if !s.idle() {
				s.see(x, d.known.Known)
			}
			x.buried = s.node.Bury(x.arrival.Row, x.arrival.Place.Owners)
			d.scoped = x
		}
	})
	return errors.Join(failed, s.store.Err())
}

// followDeleted lets the rules follow rows that were deleted, or not.
func (im *importer) followDeleted(settled []*deletion) error {
	s := im.scopes
	if s.idle() {
		return nil
	}
	settled = slices.DeleteFunc(slices.Clone(settled), func(d *deletion) bool { return d.scoped == nil || !d.settled })
	each(settled, func(l *localTable, some []*deletion) {
		if s.store.Kind(l.Table) != scope.Common {
			s.store.Fetch(l.Table, knownDeletions(some, func(d *deletion) bool { return d.isHere && !d.deletes }))
		}
		for _, d := range some {
			s.settled(d.scoped)
		}
	})
	return s.store.Err()
}

// each hands on deletions table by table, in the order in which the tables come.
func each(all []*deletion, f func(*localTable, []*deletion)) {
	of := map[*localTable][]*deletion{}
	var order []*localTable
	for _, d := range all {
		if of[d.l] == nil {
			order = append(order, d.l)
		}
		of[d.l] = append(of[d.l], d)
	}
	for _, l := range order {
		f(l, of[l])
	}
}

func knownDeletions(some []*deletion, alive func(*deletion) bool) []scopes.Known {
	out := make([]scopes.Known, len(some))
	for i, d := range some {
		out[i] = scopes.Known{Key: d.key, Local: d.row.row, Alive: alive(d)}
	}
	return out
}

// owners returns whose a record is of what a deletion took, or of one that lost.
func (d *deletion) owners(lost merge.Conflict) []string {
	if d.scoped == nil {
		return nil
	}
	here := d.scoped.here
	if len(here) == 0 {
		here = d.scoped.buried
	}
	return texts(scope.RecordOwners(lost, here, here))
}

// comes lists the keys of the block's rows that are not here.
func (w *block) comes() (keys []string) {
	for i, key := range w.keys {
		if _, here := w.found[i]; !here && !w.filtered[i] {
			keys = append(keys, key)
		}
	}
	return keys
}

// lookBeside looks at the rows of persons with the keys of patients who come or go: whose a person's row is changes with that, and is
// followed when the batch is in.
func (im *importer) lookBeside(ctx context.Context, l *localTable, keys []string) error {
	s := im.scopes
	if l.Table != s.store.Owners().Table || len(s.store.Children()) == 0 {
		return nil
	}
	for _, base := range s.store.Owners().Bases {
		here, err := rowkey.Find(ctx, im.writer.s.conn, base, keys)
		if err != nil {
			return err
		}
		known := make([]scopes.Known, 0, len(here))
		for key, row := range here {
			known = append(known, scopes.Known{Key: key, Local: row, Alive: true})
		}
		s.store.Fetch(base, known)
		for _, k := range known {
			x := scoped{arrival: scope.Arrival{Row: scope.Row{Table: base.Name, Key: k.Key}}}
			s.see(&x, true)
			s.late = append(s.late, lateRow{base, x})
		}
	}
	return s.store.Err()
}

// look notes where rows that come back stood when they were deleted; what follows from that they are back shows when the batch is in.
func (b *returningRows) look(l *localTable, keys []string) error {
	s := b.im.scopes
	b.owners = map[string][]string{}
	if s.idle() || s.store.Kind(l.Table) == scope.Common {
		return nil
	}
	known := make([]scopes.Known, len(keys))
	for i, key := range keys {
		known[i] = scopes.Known{Key: key}
	}
	s.store.Fetch(l.Table, known)
	for _, key := range keys {
		x := scoped{arrival: scope.Arrival{Row: scope.Row{Table: l.Name, Key: key}}}
		s.see(&x, true)
		b.owners[key] = texts(s.node.Bury(x.arrival.Row, nil))
		s.late = append(s.late, lateRow{l.Table, x})
	}
	return s.store.Err()
}
