package apply

import (
	"context"
	"slices"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// deletion is a row that the sender deleted.
type deletion struct {
	l       *localTable
	key     string // canonical
	deleted merge.Sent
	lacks   merge.Lacks // columns that the sender did not have

	// What was found of it.
	isHere   bool
	row      found            // with the values of columns alone
	columns  []*schema.Column // see referredColumns
	known    merge.Row
	hasEntry bool // in the journal
	changes  []uint64

	waiting *journal.WaitingRow // what waits of the row, or did; nil: nothing
	retried bool                // it is the deletion that waited

	came             []string // whose the row was, as the sender says
	scoped           *scoped  // nil: nothing is to be known
	settled, deletes bool     // what became of it
}

// maxPendingDeletes is how many deletions are held at once. What is referred to from beyond is deferred to the end; what refers to
// a row beyond that turns out to stay is gone by then.
const maxPendingDeletes = 200_000

// longKey is the bytes of a key for which a deletion of a row that was never here counts once more.
const longKey = 256

// readDeletions takes in deletions. They are carried out together: whether one may go depends on the others.
func (im *importer) readDeletions(ctx context.Context, b *batch.Deletions) error {
	t := im.resolver.sent[b.Table]
	if t.local == nil {
		im.notes.add("deletions in %q are left out: %s", t.Name, t.why)
		return nil
	}
	l := t.local
	if !l.rules.Takes() && !l.rules.TakesBack() {
		l.count.Refused += int64(len(b.Keys))
		return nil
	}
	if err := im.resolver.alone(); err != nil { // what refers to the rows may just come, or go, in another file
		return err
	}
	if err := im.resolver.checkKeys(l, b.Keys); err != nil {
		return err
	}
	columns := l.referredColumns()
	w, err := im.resolver.locateDeleted(ctx, l, b.Keys, columns)
	if err != nil {
		return err
	}
	if err := im.resolver.readWaiting(ctx, w); err != nil {
		return err
	}
	for i := range b.Keys {
		if l.keeps(w.keys[i], w.found[i], columns) {
			l.count.Refused++
			continue
		}
		d := &deletion{l: l, key: w.keys[i], known: w.known[i], hasEntry: w.hasEntry[i], changes: w.changes[i], columns: columns, lacks: t.lacks,
			deleted: merge.Sent{Stamp: merge.Stamp{Time: b.Times[i], Author: b.Authors[i]}, Epoch: b.Epochs[i]}}
		if d.row, d.isHere = w.found[i]; d.isHere && !d.known.Known {
			d.known = merge.Row{Known: true, Alive: true} // found without versions: they are below every stamp, and the row is kept whole
		}
		if q, ok := w.waited(i); ok {
			if im.rules.OlderThan(q.Waiting) {
				l.count.Unchanged++
				continue
			}
			d.waiting = &q
		}
		if b.Owners != nil && im.scopes != nil {
			for _, o := range b.Owners[i] {
				d.came = append(d.came, ownerHere(im.j, im.resolver.aliases, o))
			}
		}
		im.pendingDeletes = append(im.pendingDeletes, d)
	}
	if len(im.pendingDeletes) < maxPendingDeletes {
		return nil
	}
	return im.delete(ctx, reading)
}

// locateDeleted finds the rows to be deleted that are here, locks them and reads what is known of them.
func (v *resolver) locateDeleted(ctx context.Context, l *localTable, keys []uint32, columns []*schema.Column) (*keyedRows, error) {
	if err := v.touch(ctx, l); err != nil {
		return nil, err
	}
	if l.Root != l.Table || l.KeyColumns[0].Ref != nil {
		if err := v.resolve(ctx, keys); err != nil {
			return nil, err
		}
	}
	rows, err := v.find(ctx, l, keys, lockAlone, columns)
	if err != nil {
		return nil, err
	}
	w := &keyedRows{l: l, found: rows}
	for _, k := range keys {
		w.keys = append(w.keys, v.keys.at(k).canonical())
	}
	return w, v.readKnown(ctx, w)
}

// referredColumns returns the columns by which rows of the table are referred to other than by their integers, and the one that the
// filters look at.
func (l *localTable) referredColumns() (out []*schema.Column) {
	add := func(c *schema.Column) {
		if _, ok := l.place[c]; ok && !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	for _, ref := range l.Children {
		if ref.When == nil && ref.ToColumn != l.Integer {
			add(ref.ToColumn)
		}
	}
	for _, c := range l.filters.Columns(l.Table) {
		add(c)
	}
	return out
}

// keeps reports whether the filters keep a row where it is, by its key or by what it holds here.
func (l *localTable) keeps(key string, here found, columns []*schema.Column) bool {
	stays, known := l.filters.FilteredOut(l.Table, key)
	if known || here.values == nil {
		return stays
	}
	return slices.ContainsFunc(l.filters.Columns(l.Table), func(c *schema.Column) bool {
		at := slices.Index(columns, c)
		return at >= 0 && here.values[at] != nil && l.filters.Match(c, string(here.values[at]))
	})
}

// incoming is the deletion as the rules read it.
func (im *importer) incoming(d *deletion) merge.Incoming {
	ack := im.ackOf(d.l, d.row.row)
	in := merge.Incoming{Dead: d.deleted, Ack: ack, Unseen: d.lacks.Unseen(ack)}
	if d.retried {
		in = d.waiting.Incoming
	}
	in.NeverSent = d.l.rules.NeverSent(d.known, merge.Unsaid)
	if d.scoped != nil {
		in.Since = d.scoped.since
	}
	return in
}

// delete carries out the pending deletions that may go. What something here still refers to is deferred until the rows of the batch
// are in, and stays if that is still so then, in the phase finishing: a deletion never takes anything with it.
func (im *importer) delete(ctx context.Context, phase phase) error {
	if phase == finishing {
		im.pendingDeletes, im.deferredDeletes = im.deferredDeletes, nil
	}
	if len(im.pendingDeletes) == 0 {
		return nil
	}
	pending := im.pendingDeletes
	im.pendingDeletes = nil
	if err := im.lookDeleted(ctx, pending); err != nil {
		return err
	}
	candidates, others := im.deletable(pending)
	if phase == reading {
		if held, err := im.heldUp(ctx, candidates); held || err != nil {
			return err
		}
	}
	out := deletionWrites{tables: map[*localTable]*tableDeletions{}}
	for _, d := range others {
		if err := im.settleDeletion(ctx, d, false, &out); err != nil {
			return err
		}
	}
	refs, err := im.referrers(ctx, candidates)
	if err != nil {
		return err
	}
	for i, stays := range merge.RefuseDeletions(len(candidates), refs) {
		if stays && phase == reading {
			im.deferredDeletes = append(im.deferredDeletes, candidates[i])
			continue
		}
		if err := im.settleDeletion(ctx, candidates[i], stays, &out); err != nil {
			return err
		}
	}
	if err := out.write(ctx, im.writer); err != nil {
		return err
	}
	return im.followDeleted(pending)
}

// deletable returns the rows that are here, that the sender may delete and that are not later than the deletion; and beside them what
// has nothing to delete.
func (im *importer) deletable(pending []*deletion) (candidates, others []*deletion) {
	for _, d := range pending {
		switch {
		case !d.l.takesDeletion(d):
			d.l.count.Refused++
			if d.isHere {
				im.writer.answerRefused(d.l, d.row.row)
			}
			if d.waiting != nil {
				im.writer.settledWaiting = append(im.writer.settledWaiting, d.waiting.ID)
			}
		case !d.isHere || im.rules.Outlives(d.known, im.incoming(d)):
			others = append(others, d)
		default:
			candidates = append(candidates, d)
		}
	}
	return candidates, others
}

// takesDeletion reports whether the sender may delete a row.
func (l *localTable) takesDeletion(d *deletion) bool {
	if l.rules.TakesBack() {
		return d.retried || l.rules.TakesDeletionBack(d.known, d.deleted)
	}
	return l.rules.TakesRow(d.known, access.Added{})
}

// settleDeletion lets the rules decide on a deletion, and adds to out what is to be written. stays: something here refers to the
// row.
func (im *importer) settleDeletion(ctx context.Context, d *deletion, stays bool, out *deletionWrites) error {
	rules := &im.rules
	if d.retried {
		of := im.rules.Of(d.waiting.Waiting)
		rules = &of
	}
	if d.waiting != nil && d.waiting.Dropped.At != 0 && !im.rules.News(im.incoming(d)) {
		return nil
	}
	if why := im.stampsRefused(rules, d.known, merge.SentGroup{Sent: d.deleted}); why != nil {
		return im.waitDeletion(ctx, d, why)
	}
	if d.waiting != nil {
		im.writer.settledWaiting = append(im.writer.settledWaiting, d.waiting.ID)
	}
	o := rules.Settle(d.known, im.incoming(d), merge.Policies{}, merge.Compare{}, stays)
	d.settled, d.deletes = true, o.Action == merge.Delete
	if d.scoped != nil {
		d.scoped.arrival.News = rules.News(im.incoming(d))
	}
	if err := im.recordDeletionConflicts(ctx, d, o.Conflicts); err != nil {
		return err
	}
	im.noteReturned(d.l, d.key, d.known, o.Row)
	w := out.of(d.l)
	switch {
	case o.Action == merge.Delete:
		w.rows = append(w.rows, d.row.row)
		w.keep = append(w.keep, journal.Deleted{Key: d.key, AddedBy: d.known.AddedBy(), Version: o.Row.Dead, DeletedAt: im.j.Now().UnixMicro()})
		w.bury(d, o.Row.Dead)
		d.l.count.Deleted++
		if d.hasEntry {
			w.old = append(w.old, d.row.row)
		}
	case d.isHere:
		d.l.count.Unchanged++
		if stays && d.l.rules.RemembersRefused() {
			w.refused = append(w.refused, journal.Tombstone{Key: d.key, Version: merge.Version{Stamp: d.deleted.Stamp, Epoch: im.epoch.Epoch}})
		}
		if !o.Changed && len(d.changes) == 0 {
			return nil
		}
		w.entries = append(w.entries, journal.Entry{Row: d.row.row, Groups: o.Row.Groups})
		if d.hasEntry {
			w.old = append(w.old, d.row.row)
		}
	default:
		d.l.count.Unchanged++
		if o.Changed && !d.known.Known {
			if err := im.writer.meter.use(access.Tombstones, 1+len(d.key)/longKey); err != nil {
				return err
			}
		}
		if o.Changed {
			w.bury(d, o.Row.Dead)
		}
	}
	w.changes = append(w.changes, d.changes...)
	return nil
}
