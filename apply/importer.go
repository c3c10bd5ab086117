package apply

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
)

// importer brings in one batch: it reads its items in order, asks who may send what and whose value stays, and has the resolver
// find and the writer write.
type importer struct {
	j      *journal.Journal
	o      Options
	peer   *journal.Peer                   // the sender
	ack    uint64                          // this node's epoch up to which the sender had applied all when it made the batch
	unsent map[uint16]map[journal.Row]bool // rows that were kept back from the sender, by number of the table
	rules  merge.Import
	epoch  *epoch
	scopes *scoping // nil: no scope is anywhere
	notes  *notes

	resolver *resolver
	writer   *writer

	returned     map[uint16][]string           // keys of rows that came back, by number of the table
	recognised   map[*localTable][]journal.Row // rows here that were recognised
	unsentTables map[uint16]bool               // that have rows which were never in a file for the sender; nil: not asked yet

	pendingDeletes  []*deletion // read so far, and not looked into
	deferredDeletes []*deletion // of rows that something here still referred to

	deletions   map[*localTable]*deletionCounts
	deletionsOf []*localTable // the tables of these, in order

	rowsRead int64
	itemSize int    // of the item under way, in bytes; 0: not known
	due      *block // it is looked up, and brought in with the next one; nil: none
	quiet    bool   // the last block wrote nothing
}

// newImporter starts the import of a batch that the rules of the link let pass.
func newImporter(ctx context.Context, l *peerLink, d merge.Decision, o Options, a *asides) (*importer, error) {
	resent, err := journal.ResendEpochs(ctx, l.s.conn, 0)
	if err != nil {
		return nil, err
	}
	unsent, err := journal.Unsent(ctx, l.s.conn, l.peer.ID)
	if err != nil {
		return nil, err
	}
	kept := make(map[uint16]map[journal.Row]bool, len(unsent))
	for t, rows := range unsent {
		kept[t] = set(rows)
	}
	reclaimed, err := journal.ReclaimedEpochs(ctx, l.s.conn, 0)
	if err != nil {
		return nil, err
	}
	ours, theirs, back := set(resent), set(l.header.Resent), set(reclaimed)
	rules := l.peer.Link.Import(l.history, l.rules, d)
	rules.Self, rules.Peer, rules.Epoch, rules.FromParent = l.j.Self, l.peer.ID, l.epoch.Epoch, l.peer.Role == access.Parent
	rules.Horizon = merge.Horizon(l.j.Now().UnixMicro(), o.horizon().Microseconds(), rules.FromParent)
	rules.OwnResent = func(e uint64) bool { return ours[e] }
	rules.PeerResent = func(e uint64) bool { return theirs[e] }
	mending := set(l.header.Mends())
	rules.PeerMends = func(e uint64) bool { return mending[e] }
	if rules.Passed = l.passed; l.passed != 0 {
		mended, err := journal.MendingEpochs(ctx, l.s.conn, 0)
		if err != nil {
			return nil, err
		}
		had := set(mended)
		rules.OwnMends = func(e uint64) bool { return had[e] }
	}
	rules.Reclaimed = func(e uint64) bool { return back[e] }
	v := newResolver(l)
	if l.header.HasManyColumns() {
		v.mask = merge.FromWord
	}
	waiting, err := journal.WaitingTables(ctx, l.s.conn, l.peer.ID)
	if err != nil {
		return nil, err
	}
	for t := range waiting {
		v.waiting[t] = &waitingTable{}
	}
	v.carries, v.scoped = rules.Carries(), !l.scopes.idle()
	w := newWriter(l, v, o)
	w.aside, v.aside, w.arrived = a, a, map[uint16][]string{}
	if w.awaited, err = journal.Awaited(ctx, l.s.conn); err != nil {
		return nil, err
	}
	return &importer{j: l.j, o: o, peer: l.peer, ack: l.rules.Ack.Epoch, unsent: kept, rules: rules, epoch: l.epoch, notes: l.notes,
		scopes: l.scopes, resolver: v, writer: w, quiet: true, deletions: map[*localTable]*deletionCounts{}}, nil
}

// ackOf returns the epoch up to which the sender had applied what is known here of a row, if the batch says no other: none for a row that
// was kept back from it.
func (im *importer) ackOf(l *localTable, r journal.Row) uint64 {
	if im.unsent[l.journal.ID][r] {
		return 0
	}
	return im.ack
}

func set[T comparable](list []T) map[T]bool {
	out := make(map[T]bool, len(list))
	for _, n := range list {
		out[n] = true
	}
	return out
}

// bringIn has the rows read, of a batch or of what waits, and brings them in: deletions first, so that what they free can be used, then rows, then whatever
// had to wait for them. Each step hands to the next what it could not do.
func (im *importer) bringIn(ctx context.Context, read func(context.Context) error) error {
	for _, step := range []func() error{
		func() error { return read(ctx) }, // leaves deletions, where no rows followed them, and below what waits
		func() error { return im.writer.s.finish(ctx) },
		func() error { return im.delete(ctx, reading) },               // leaves deferred deletions, as each delete while reading does
		func() error { return im.checkDeletions() },                   // where no rows followed them
		func() error { return im.writer.fillPatches(ctx, reading) },   // leaves references to rows that are nowhere yet
		func() error { return im.delete(ctx, finishing) },             // the deferred ones
		func() error { return im.writer.writeDeferredRows(ctx) },      // may bring what references wait for
		func() error { return im.writer.fillPatches(ctx, finishing) }, // leaves nothing
		func() error { return im.writer.checkNames(ctx) },             // last of all rows: names may move between them
		func() error { return errors.Join(im.resolver.saveAliases(ctx), im.saveReturned(ctx)) },
		func() error { return im.resendReferring(ctx) },
		func() error { return im.followLate(ctx) },
		func() error { return im.lateAsides(ctx) }, // another try, if rows turned out not to be applicable
		func() error { return im.writer.saveWaiting(ctx) },
		func() error { return im.dropSettled(ctx) },
		func() error { return im.writer.saveBulkVersions(ctx) },
		func() error { return im.writer.saveConflicts(ctx) },
		func() error { return im.writer.saveRefused(ctx) },
		func() error { return im.reindex(ctx) }, // last: the application may want that row too
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// readItems takes in the items of a batch. first are those that were read before.
func (im *importer) readItems(ctx context.Context, first []any, r *batch.Reader) error {
	rows := false
	next := func() (any, error) {
		if len(first) == 0 {
			return r.Next()
		}
		item := first[0]
		if first = first[1:]; item == nil {
			return nil, io.EOF
		}
		return item, nil
	}
	for {
		if err := ctx.Err(); err != nil {
			return err // what comes may never wait for the server
		}
		item, err := next()
		if err != nil {
			if failed := im.settleDue(ctx); failed != nil || errors.Is(err, io.EOF) { // what comes before in the file is said first
				return failed
			}
			return err
		}
		switch item.(type) {
		case *batch.Deletions:
			if rows {
				return fmt.Errorf("%w: deletions after rows", batch.ErrCorrupt) // what was found by then may be gone
			}
		case *batch.Rows:
			if !rows {
				if err := errors.Join(im.delete(ctx, reading), im.checkDeletions()); err != nil {
					return err
				}
			}
			rows = true
		}
		im.itemSize = r.LastSize()
		if err := im.readItem(ctx, item); err != nil {
			return err
		}
	}
}

// readItem takes in one item. Deletions are held back until something else wants the database or the dictionary.
func (im *importer) readItem(ctx context.Context, item any) error {
	switch item.(type) {
	case *batch.Rows, *batch.KeysItem:
	default:
		if err := im.settleDue(ctx); err != nil {
			return err
		}
		if err := im.writer.s.finish(ctx); err != nil {
			return err
		}
	}
	switch item.(type) {
	case *batch.Rows, *batch.Records, *batch.ResetItem, *batch.SectionItem:
		if err := im.delete(ctx, reading); err != nil {
			return err
		}
	}
	switch i := item.(type) {
	case *batch.RulesItem:
		return im.takeRules(ctx, i)
	case *batch.ScopeItem: // see readLead
		return nil
	case *batch.ShortCheckItem: // its reader has checked it
		return nil
	case *batch.TableItem:
		return im.resolver.describe(i)
	case *batch.KeysItem:
		return im.resolver.addKeys(i)
	case *batch.ResetItem:
		im.resolver.keys.reset()
		return nil
	case *batch.SectionItem:
		im.resolver.beginSection()
		return nil
	case *batch.Deletions:
		return im.readDeletions(ctx, i)
	case *batch.Rows:
		return im.readRows(ctx, i)
	case *batch.Records:
		return im.readConflicts(ctx, i)
	}
	return fmt.Errorf("an item of type %T is of a later format: use a newer omsync", item)
}

// policies are what decides conflicts in a table of the batch.
func (im *importer) policies(t *sentTable) merge.Policies {
	var own merge.Policies
	if im.o.Policies != nil {
		own = im.o.Policies(t.local.journal)
	}
	if im.rules.FromParent {
		own = own.Under(t.policies)
	}
	return t.local.rules.Policies(own)
}

// addCounts adds what was done to the report.
func (im *importer) addCounts(r *Report) {
	for _, l := range im.resolver.exchanged {
		r.add(l.count)
		if l.returned > 0 {
			im.notes.add("%d rows of %s that were deleted here came back as they were: rows of %s refer to them", l.returned, l.Name, im.peer.Name)
		}
	}
	r.Conflicts, r.Arrived = im.writer.newConflicts, im.writer.arrived
}
