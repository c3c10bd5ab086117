package capture

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// tableSealer makes versions of one table's changes. Its fields are filled in from top to bottom, by the steps that [sealer.table]
// lists.
type tableSealer struct {
	*sealer
	table  *schema.Table
	meta   *journal.Table
	mask   merge.Mask // a row's existence and all its columns
	folded []*journal.Folded

	entries map[journal.Row][]merge.Group // as they are before this seal
	keys    map[journal.Row]string        // of the rows that exist; "" if nothing identifies one elsewhere

	ended      map[string]ending        // rows that were deleted, by key
	alive      map[string]journal.Row   // keys that live, among them those of ended that live on under another local key
	tombstones map[string]merge.Version // known of what was inserted or has ended

	out *SealedTable
}

// ending is the last deletion of a key, and what its row was known by when the log began. Where rows have one key, it is of the first
// of those that were deleted.
type ending struct {
	at  int64 // µs since 1970 UTC
	row journal.Row
	was merge.Row

	last journal.Row // which row it was that had the key last
	how  journal.Death
}

// table makes versions of a table's changes.
func (s *sealer) table(ctx context.Context, t *schema.Table) (*SealedTable, error) {
	x := &tableSealer{sealer: s, table: t, meta: s.j.Tables[t.Name], mask: s.j.Mask(t), folded: s.folded[t],
		out: &SealedTable{live: map[journal.Row][]merge.Group{}}}
	for _, step := range []func(context.Context) error{x.readRows, x.findEnded, x.findAlive, x.readTombstones} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	var nameless []journal.Row
	for _, f := range x.folded {
		if x.stampRow(f) {
			nameless = append(nameless, f.Row)
		}
	}
	if len(nameless) > 0 {
		x.j.Warn("%s: nothing names %s elsewhere (the key is NULL or refers to nothing): they stay here", t.Name, rowkey.Named(t, nameless))
	}
	if err := x.stampMoved(ctx); err != nil {
		return nil, err
	}
	x.stampDeletions()
	return x.out, nil
}

// readRows reads the entries and the keys of the rows that changed.
func (x *tableSealer) readRows(ctx context.Context) (err error) {
	rows := make([]journal.Row, len(x.folded))
	for i, f := range x.folded {
		rows[i] = f.Row
	}
	if x.entries, err = journal.Versions(ctx, x.snap, x.meta.ID, rows, x.j.Authors); err != nil {
		return err
	}
	if x.keys, err = rowkey.Of(ctx, x.snap, x.table, rows); err != nil {
		return err
	}
	for r, key := range x.keys {
		x.keys[r] = journal.Canonical(x.table, key)
	}
	return nil
}

// before returns what the row that had this local key when the log began was known by.
func (x *tableSealer) before(r journal.Row) merge.Row {
	if groups := x.entries[r]; groups != nil {
		return merge.Row{Known: true, Alive: true, Groups: groups}
	}
	if !x.meta.Default.IsEmpty() {
		return merge.Row{Known: true, Alive: true, Groups: []merge.Group{x.meta.Default}}
	}
	return merge.Row{}
}

// findEnded finds the keys of the rows that were deleted.
func (x *tableSealer) findEnded(ctx context.Context) error {
	x.ended = map[string]ending{}
	var nameless []journal.Row
	for _, f := range x.folded {
		for _, d := range f.Deaths {
			key, err := x.deadKey(ctx, x.table, f.Row, d)
			if err != nil {
				return err
			}
			if key == "" {
				if _, there := x.keys[f.Row]; !there { // otherwise it has just got a key
					nameless = append(nameless, f.Row)
				}
				continue
			}
			e, other := x.ended[key]
			first := !other || rowkey.Compare(f.Row, e.row) <= 0
			e.at = max(e.at, d.At)
			if !other || d.ID > e.how.ID {
				e.last, e.how = f.Row, d
			}
			if first {
				e.row = f.Row
			}
			if (d.First || x.hadTwin(f)) && (first || !e.was.Known) {
				e.was = x.before(f.Row)
			}
			x.ended[key] = e
		}
	}
	if len(nameless) > 0 {
		x.j.Warn("%s: nothing named %s elsewhere that were deleted; the peers keep what they have of them", x.table.Name, rowkey.Named(x.table, nameless))
	}
	return nil
}

// hadTwin reports whether a row that was equal throughout to those of a local key was there when the log began, and is gone: in a table
// without a primary key.
func (x *tableSealer) hadTwin(f *journal.Folded) bool {
	return len(x.table.PrimaryKey) == 0 && f.Fewer > 0
}

// findAlive finds where keys live: in the rows that changed, and those that ended under one local key in rows that this log does not
// name. A key that lives on has not ended.
func (x *tableSealer) findAlive(ctx context.Context) error {
	x.alive = map[string]journal.Row{}
	for r, key := range x.keys {
		if before, twice := x.alive[key]; key != "" && (!twice || rowkey.Compare(r, before) < 0) {
			x.alive[key] = r
		}
	}
	if x.table.Key != schema.KeyUUID {
		return nil
	}
	var look []string
	for key := range x.ended {
		if _, ok := x.alive[key]; !ok || !x.table.KeyOnce() {
			look = append(look, key)
		}
	}
	slices.Sort(look)
	found, err := rowkey.ByUUID(ctx, x.snap, x.table, look)
	for key, r := range found {
		if before, ok := x.alive[key]; !ok || rowkey.Compare(r, before) < 0 {
			x.alive[key] = r
		}
	}
	return err
}

// readTombstones reads the deletions known of what was inserted or has ended.
func (x *tableSealer) readTombstones(ctx context.Context) error {
	any, err := journal.AnyTombstones(ctx, x.snap, x.meta.ID)
	if err != nil || !any {
		return err
	}
	var look []string
	for _, f := range x.folded {
		if key := x.keys[f.Row]; key != "" && inserted(f) {
			look = append(look, key)
		}
	}
	for key := range x.ended {
		look = append(look, key)
	}
	slices.Sort(look)
	x.tombstones, err = journal.Tombstones(ctx, x.snap, x.meta.ID, slices.Compact(look), x.j.Authors)
	if err != nil || len(x.tombstones) == 0 || x.table.Direction != access.Add {
		return err
	}
	by, err := journal.DeletedAuthors(ctx, x.snap, x.meta.ID, slices.Sorted(maps.Keys(x.tombstones)))
	for key, p := range by { // who had added a row that comes back still has
		dead := x.tombstones[key]
		dead.Added = merge.Adder{Stored: true, Peer: p}
		x.tombstones[key] = dead
	}
	return err
}

// inserted reports whether the row that has a local key now, if any, was inserted in this log.
func inserted(f *journal.Folded) bool { return f.Born || len(f.Deaths) > 0 }

// stampRow gives the row that has a local key now its versions. nameless: it has no key that others know.
func (x *tableSealer) stampRow(f *journal.Folded) (nameless bool) {
	key, exists := x.keys[f.Row]
	if !exists && len(f.Deaths) == 0 && x.more { // the next portion tells how it went
		return false
	}
	if x.entries[f.Row] != nil {
		x.out.replaced = append(x.out.replaced, f.Row)
	}
	switch {
	case !exists:
		x.out.live[f.Row] = nil
		if len(f.Deaths) == 0 {
			x.j.Warn("a row of %s is gone and no trigger saw it go; the peers keep it", x.table.Name)
		}
	case key == "":
		return true
	case inserted(f):
		x.out.live[f.Row] = x.stampInsert(f, key)
	default:
		x.out.live[f.Row] = x.stampEdits(f)
	}
	return false
}

// stampInsert returns the versions of a row that was inserted: above all that is known of its key. A peer's deletion may have come
// between the application's and this.
func (x *tableSealer) stampInsert(f *journal.Folded, key string) []merge.Group {
	row := x.ended[key].was
	if !row.Known && len(x.table.PrimaryKey) == 0 { // a row that is equal throughout may have been there before
		row = x.before(f.Row)
	}
	if dead, ok := x.tombstones[key]; ok {
		row.Known, row.Dead = true, dead
		x.out.back = append(x.out.back, key)
	}
	if row.Known && x.j.Recognises(x.table) {
		x.out.returned = append(x.out.returned, key)
	}
	return merge.Normalise(x.stamper.Insert(row, x.mask, f.BornAt).Groups)
}

// stampEdits returns the versions of a row that was there before the log began. One that was found without versions counts as
// inserted with its first edit.
func (x *tableSealer) stampEdits(f *journal.Folded) []merge.Group {
	row := x.before(f.Row)
	if !row.Known {
		return merge.Normalise(x.stamper.Insert(row, x.mask, f.Edits[0].At).Groups)
	}
	for _, e := range f.Edits {
		if m := e.Mask.And(x.mask).Columns(); !m.IsEmpty() {
			row = x.stamper.Edit(row, m, e.At)
		}
	}
	return merge.Normalise(row.Groups)
}

// stampMoved gives versions to rows that live on under a local key whose insert a later seal will read. One that an import brought
// back meanwhile has its versions. Where another row had the key too, and stayed here for that, it stands for the key from now on: with
// all that it holds, above what the first was known by.
func (x *tableSealer) stampMoved(ctx context.Context) error {
	var rows []journal.Row
	endings := map[journal.Row]ending{}
	for key, e := range x.ended {
		r, ok := x.alive[key]
		if _, done := x.out.live[r]; ok && (!done || x.follows(r, e)) {
			rows, endings[r] = append(rows, r), e
		}
	}
	had, err := journal.Versions(ctx, x.snap, x.meta.ID, rows, x.j.Authors)
	if err != nil {
		return err
	}
	for _, r := range rows {
		groups, follows := had[r], x.follows(r, endings[r])
		if sealed := x.out.live[r]; sealed != nil {
			groups = sealed
		}
		now := x.stamper.Insert(endings[r].was, x.mask, endings[r].at).Groups
		if groups != nil && (!follows || above(groups, now[0].Stamp)) {
			continue
		}
		if groups == nil && !x.table.KeyOnce() && !x.meta.Default.IsEmpty() && rowkey.Compare(r, endings[r].row) < 0 {
			continue // it had the key before, and has it still: a second row that had it too is gone
		}
		if had[r] != nil {
			x.out.replaced = append(x.out.replaced, r)
		}
		x.out.live[r] = now
	}
	return nil
}

// above reports whether all of a row's versions are above a stamp.
func above(groups []merge.Group, s merge.Stamp) bool {
	return !slices.ContainsFunc(groups, func(g merge.Group) bool { return !s.Before(g.Stamp) })
}

// follows reports whether a row has a key that another row before it had until it was deleted.
func (x *tableSealer) follows(r journal.Row, e ending) bool {
	return !x.table.KeyOnce() && x.table.Key == schema.KeyUUID && rowkey.Compare(e.row, r) < 0
}

// stampDeletions makes tombstones of the keys that ended and live nowhere.
func (x *tableSealer) stampDeletions() {
	for key, e := range x.ended {
		if _, ok := x.alive[key]; ok {
			continue
		}
		if !e.was.Known {
			continue // inserted and deleted since the last seal: nobody has heard of it
		}
		dead := x.stamper.Delete(e.was, e.at).Dead
		if known, ok := x.tombstones[key]; ok && !known.Before(dead.Stamp) {
			continue // a peer's later deletion came meanwhile
		}
		x.out.dead = append(x.out.dead, journal.Tombstone{Key: key, Version: dead})
		x.out.removed = append(x.out.removed, removedRow{row: e.last, death: e.how, Deleted: journal.Deleted{Key: key, AddedBy: e.was.AddedBy(), Version: dead, DeletedAt: x.j.Now().UnixMicro()}})
	}
	slices.SortFunc(x.out.dead, func(a, b journal.Tombstone) int { return strings.Compare(a.Key, b.Key) })
}
