package apply

import (
	"context"
	"fmt"
	"slices"

	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// deletionWrites is what is to be written about deletions, table by table.
type deletionWrites struct {
	tables map[*localTable]*tableDeletions
	order  []*localTable
}

// tableDeletions is what is to be written about deletions in one table.
type tableDeletions struct {
	rows       []journal.Row     // to be deleted
	keep       []journal.Deleted // they, without their values
	tombstones []journal.Tombstone
	graves     []journal.Grave // whose the rows were, where that is to be known
	refused    []journal.Tombstone
	entries    []journal.Entry // of rows that stay
	old        []journal.Row   // rows whose entries are replaced, or go
	changes    []uint64        // unsealed ones, which are sealed by this
}

func (o *deletionWrites) of(l *localTable) *tableDeletions {
	if o.tables[l] == nil {
		o.tables[l] = &tableDeletions{}
		o.order = append(o.order, l)
	}
	return o.tables[l]
}

// bury notes a tombstone.
func (o *tableDeletions) bury(d *deletion, dead merge.Version) {
	o.tombstones = append(o.tombstones, journal.Tombstone{Key: d.key, Version: dead})
	if d.scoped != nil && len(d.scoped.buried) > 0 {
		o.graves = append(o.graves, journal.Grave{Key: d.key, Owners: texts(d.scoped.buried)})
	}
}

// write keeps the rows whole that are to be deleted, while what they refer to is there, and then writes table by table.
func (o *deletionWrites) write(ctx context.Context, w *writer) error {
	for _, l := range o.order {
		if err := w.keepDeleted(ctx, l, o.tables[l]); err != nil {
			return err
		}
	}
	for _, l := range o.order {
		if err := w.writeDeletions(ctx, l, o.tables[l]); err != nil {
			return err
		}
	}
	return nil
}

// writeDeletions deletes rows of one table, and writes what is known of them from now on.
func (w *writer) writeDeletions(ctx context.Context, l *localTable, d *tableDeletions) error {
	if len(d.rows)+len(d.entries)+len(d.tombstones)+len(d.refused) == 0 {
		return nil
	}
	w.epoch.used = true
	if err := w.addAuthors(ctx, d.authors()); err != nil {
		return err
	}
	if err := w.deleteRows(ctx, l, d.rows); err != nil {
		return err
	}
	if err := journal.DropChanges(ctx, w.s.conn, d.changes); err != nil {
		return err
	}
	if err := journal.PutVersions(ctx, w.s.conn, l.journal.ID, d.old, d.entries, w.j.Authors); err != nil {
		return err
	}
	if err := journal.PutRefusedDeletions(ctx, w.s.conn, l.journal.ID, d.refused, w.j.Authors); err != nil {
		return err
	}
	if err := journal.PutTombstones(ctx, w.s.conn, l.journal.ID, d.tombstones, w.j.Authors); err != nil {
		return err
	}
	return journal.Bury(ctx, w.s.conn, l.journal.ID, d.graves)
}

// authors lists the names that the versions have, each once.
func (d *tableDeletions) authors() []string {
	var names []string
	for _, t := range slices.Concat(d.tombstones, d.refused) {
		names = append(names, t.Author)
	}
	for _, e := range d.entries {
		for _, g := range e.Groups {
			names = append(names, g.Author)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// maxDeleted is how many rows one statement deletes.
const maxDeleted = 1000

func (w *writer) deleteRows(ctx context.Context, l *localTable, rows []journal.Row) error {
	if l.Integer == nil {
		for _, r := range rows {
			b := l.whereRow([]byte("DELETE FROM "+schema.Quote(l.Name)+" WHERE "), r)
			if _, err := w.s.exec(ctx, b); err != nil {
				return fmt.Errorf("delete from %s: %w", l.Name, err)
			}
		}
		return nil
	}
	for part := range slices.Chunk(rows, maxDeleted) {
		integers := make([]int64, len(part))
		for i, r := range part {
			integers[i] = r.Int
		}
		b := journal.Integers([]byte("DELETE t FROM "), integers)
		b = fmt.Appendf(b, " STRAIGHT_JOIN %s t%s ON t.%s = d.id", schema.Quote(l.Name), l.byInteger(), schema.Quote(l.Integer.Name))
		if _, err := w.s.exec(ctx, b); err != nil {
			return fmt.Errorf("delete from %s: %w", l.Name, err)
		}
	}
	return nil
}
