package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// errUnsealed asks for a seal, and for another attempt after it: the application has just made or deleted a row that the batch
// has too, and only the log of changes as a whole tells what that row was known by before.
var errUnsealed = errors.New("the application has just made or deleted rows that the batch changes: import it again")

// keyedRows is rows of one table by their keys, and what is known here of each.
type keyedRows struct {
	l        *localTable
	keys     []string                      // canonical
	found    map[int]found                 // those that are here, locked
	known    []merge.Row                   // versions, unsealed changes stamped
	hasEntry []bool                        // in the journal
	changes  [][]uint64                    // the unsealed ones that went into known
	unsealed *unsealed                     // what the application changed of the table
	earlier  map[string]journal.WaitingRow // by key: what waits of the row, or waited
	ahead    *lookedUp                     // nil: nothing was asked before
}

// readKnown finds what is known here of rows: their versions with what the application changed since the last seal, which is
// stamped here and now, or the deletion of a row that is not here. The rows are locked by now, and no seal commits while
// this import holds the gate: what is read here stays so.
func (v *resolver) readKnown(ctx context.Context, w *keyedRows) error {
	if err := w.distinct(); err != nil {
		return err
	}
	n := len(w.keys)
	w.known, w.hasEntry, w.changes = make([]merge.Row, n), make([]bool, n), make([][]uint64, n)
	if w.l.emptyAtStart {
		return nil
	}
	ahead := w.ahead
	if !ahead.isFresh(v.s) {
		ahead = nil
	}
	u, err := v.unsealedOf(ctx, w.l, ahead)
	if err != nil {
		return err
	}
	w.unsealed = u
	if err := w.requireSealed(u); err != nil {
		return err
	}
	var rows []journal.Row
	for _, f := range w.found {
		rows = append(rows, f.row)
	}
	var absent []string
	for i, key := range w.keys {
		if _, ok := w.found[i]; ok {
			continue
		}
		absent = append(absent, key)
		if d, ok := u.deletions[key]; ok && d.existed {
			rows = append(rows, d.row)
		}
	}
	versions, err := v.versionsOf(ctx, w.l, rows, ahead)
	if err != nil {
		return err
	}
	var tombstones map[string]merge.Version
	if w.l.tombstones && len(absent) > 0 {
		if tombstones, err = journal.Tombstones(ctx, v.s.conn, w.l.journal.ID, absent, v.j.Authors); err != nil {
			return err
		}
	}
	for i, key := range w.keys {
		f, ok := w.found[i]
		if !ok {
			w.known[i] = v.knownAbsent(w.l, key, tombstones, versions, u)
			continue
		}
		w.hasEntry[i] = versions[f.row] != nil
		w.known[i] = v.knownHere(w.l, f.row, versions[f.row], u)
		w.changes[i] = u.ids[f.row]
	}
	return nil
}

// unsealedOf is unsealed, or what was asked before.
func (v *resolver) unsealedOf(ctx context.Context, l *localTable, ahead *lookedUp) (*unsealed, error) {
	if ahead != nil {
		return ahead.unsealed, nil
	}
	return v.unsealed(ctx, l)
}

// versionsOf returns the entries of rows, of which those that were looked up before were asked for then.
func (v *resolver) versionsOf(ctx context.Context, l *localTable, rows []journal.Row, ahead *lookedUp) (map[journal.Row][]merge.Group, error) {
	if ahead != nil && len(ahead.unsealed.deletions) == 0 {
		return ahead.versions, nil
	}
	return journal.Versions(ctx, v.s.conn, l.journal.ID, rows, v.j.Authors)
}

// distinct makes sure that each row comes once: what is known of it is read before anything is written. Rows that nothing
// but all their values tells apart may be the same.
func (w *keyedRows) distinct() error {
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

// requireSealed returns errUnsealed if the log has more than edits of these rows: one that was made there, perhaps under a key that
// was known before, or one that was deleted. Only a deletion by uuid says by itself which row it was.
func (w *keyedRows) requireSealed(u *unsealed) error {
	for _, f := range w.found {
		if c := u.rows[f.row]; c != nil && (c.Born || len(c.Deaths) > 0) {
			return fmt.Errorf("%s: %w", w.l.Name, errUnsealed)
		}
	}
	if w.l.Key != schema.KeyUUID && len(w.found) < len(w.keys) && u.anyDeleted {
		return fmt.Errorf("%s: %w", w.l.Name, errUnsealed)
	}
	return nil
}

// unsealed is what the triggers wrote about a table since the last seal.
type unsealed struct {
	rows       map[journal.Row]*journal.Folded
	ids        map[journal.Row][]uint64
	deletions  map[string]unsealedDeletion // by the canonical form of the uuid
	anyDeleted bool
}

type unsealedDeletion struct {
	row     journal.Row
	at      int64 // µs since 1970 UTC
	existed bool  // at the last seal
}

func (v *resolver) unsealed(ctx context.Context, l *localTable) (*unsealed, error) {
	return readUnsealed(ctx, v.s.conn, l)
}

func readUnsealed(ctx context.Context, conn sqldb.DB, l *localTable) (*unsealed, error) {
	changes, err := journal.TableChanges(ctx, conn, l.journal.ID)
	if err != nil {
		return nil, err
	}
	u := &unsealed{rows: map[journal.Row]*journal.Folded{}, ids: map[journal.Row][]uint64{}, deletions: map[string]unsealedDeletion{}}
	for _, c := range changes {
		u.ids[c.Row] = append(u.ids[c.Row], c.ID)
	}
	for _, f := range journal.Fold(changes) {
		u.rows[f.Row] = f
		u.anyDeleted = u.anyDeleted || len(f.Deaths) > 0
		for _, d := range f.Deaths {
			if l.Key == schema.KeyUUID && d.DeletedKey != nil {
				u.deletions[journal.Canonical(l.Table, *d.DeletedKey)] = unsealedDeletion{f.Row, d.At, d.First}
			}
		}
	}
	return u, nil
}

// checkReusedIDs returns errUnsealed if a row just inserted got the identity of one whose deletion is not sealed: a server may give
// an integer out again, and a key without integers has no other.
func (v *resolver) checkReusedIDs(ctx context.Context, l *localTable, inserted []*row) error {
	if l.emptyAtStart || len(inserted) == 0 {
		return nil
	}
	u, err := v.unsealed(ctx, l)
	if err != nil || !u.anyDeleted {
		return err
	}
	for _, r := range inserted {
		if f := u.rows[r.at]; f != nil && len(f.Deaths) > 0 {
			return fmt.Errorf("%s: %w", l.Name, errUnsealed)
		}
	}
	return nil
}

// withoutEntry is what is known of rows without an entry in the journal.
func (l *localTable) withoutEntry() merge.Row {
	switch {
	case !l.journal.Default.IsEmpty():
		return merge.Row{Known: true, Alive: true, Groups: []merge.Group{l.journal.Default}}
	case l.bulkVersion != nil:
		return merge.Row{Known: true, Alive: true, Groups: []merge.Group{*l.bulkVersion}}
	}
	return merge.Row{}
}

// knownHere is what is known of a row that is here. groups are those of its entry.
func (v *resolver) knownHere(l *localTable, row journal.Row, groups []merge.Group, u *unsealed) merge.Row {
	known := l.withoutEntry()
	if groups != nil {
		known = merge.Row{Known: true, Alive: true, Groups: groups}
	}
	f := u.rows[row]
	if f == nil {
		return known
	}
	if !known.Known { // found without versions: it counts as inserted with its first edit
		known = v.stamper.Insert(known, l.mask, f.Edits[0].At)
	}
	for _, e := range f.Edits {
		if m := e.Mask.And(l.mask).Columns(); !m.IsEmpty() {
			known = v.stamper.Edit(known, m, e.At)
		}
	}
	return known
}

// knownAbsent is what is known of a row that is not here.
func (v *resolver) knownAbsent(l *localTable, key string, tombstones map[string]merge.Version, versions map[journal.Row][]merge.Group, u *unsealed) merge.Row {
	known := merge.Row{}
	if t, ok := tombstones[key]; ok {
		known = merge.Row{Known: true, Dead: t}
	}
	if d, ok := u.deletions[key]; ok && d.existed {
		was := l.withoutEntry()
		if g := versions[d.row]; g != nil {
			was = merge.Row{Known: true, Alive: true, Groups: g}
		}
		if dead := v.stamper.Delete(was, d.at).Dead; !known.Known || known.Dead.Before(dead.Stamp) {
			known = merge.Row{Known: true, Dead: dead}
		}
	}
	return known
}
