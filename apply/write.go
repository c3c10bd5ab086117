package apply

import (
	"context"
	"fmt"
	"slices"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// writer carries out what was decided: rows, their versions, deletions and conflict records. It holds what cannot be written yet.
type writer struct {
	j        *journal.Journal
	s        *session
	resolver *resolver
	epoch    *epoch
	keep     bool // rows that are deleted are kept whole
	meter    *meter

	held         int           // bytes of what follows, about
	fillAt       int           // of them, when patches are next filled in before the end
	patches      []patch       // references to be filled in
	deferredRows []deferredRow // rows whose unique values others hold

	conflicts     []journal.Conflict // not written yet
	conflictBytes int
	newConflicts  int // written, and not known before

	aside          *asides              // nil: rows may not wait
	waiting        []journal.WaitingRow // not stored yet
	waitingBytes   int
	settledWaiting []uint64     // rows that waited and need not any more
	triedWaiting   []uint64     // rows that go on waiting, for the same
	room           *waitingRoom // what is taken of what may wait; nil: not asked yet

	refused     map[*localTable][]journal.Row // rows that the sender may not change, and is to be sent as they are here
	refusedRows map[refusedRow]bool

	awaited map[uint16]bool     // tables of which rows are waited for
	arrived map[uint16][]string // keys of rows of them that came, canonical
}

func newWriter(l *peerLink, v *resolver, o Options) *writer {
	return &writer{j: l.j, s: l.s, resolver: v, epoch: l.epoch, meter: l.meter, keep: o.keepDeleted() > 0}
}

// maxHeld is how many bytes of patches and deferred rows an import holds until the batch is in; fillFrom is from how many on it fills in
// what can be filled in while the batch is read.
const maxHeld, fillFrom = 64 << 20, 16 << 20

// hold notes that so many bytes more are held to the end of the batch.
func (w *writer) hold(n int) error {
	if w.held += n; w.held > maxHeld {
		return batch.Excess("what must wait for its end has more than %d bytes", maxHeld)
	}
	if w.held > fillFrom { // there is room in memory for one that holds so much
		return w.resolver.alone()
	}
	return nil
}

// phase is how much of the batch is in.
type phase uint8

const (
	reading   phase = iota // it may still bring what is missing, and free what is taken
	finishing              // all else is in: what is missing or taken now stays so
)

// writes is what is to be written of one block.
type writes struct {
	l       *localTable
	phase   phase
	insert  []*row
	update  []*row
	entries []journal.Entry
	old     []journal.Row // rows whose entries are replaced
	changes []uint64      // unsealed ones, which are sealed by this

	mayWait func(r *row) *journal.WaitingRow // what is to be kept of a row that waits at once if it is not taken; see importer.mayWait
	leftAt  []int                            // places in their block of those of insert and update that wait
	left    int                              // rows of insert and update that wait
}

// row is a row to be written.
type row struct {
	at      journal.Row // of one that is here
	entry   uint32      // its key in the dictionary, until that is reset
	key     string
	values  [][]byte // by place in localTable.written
	unset   []bool   // of a new row: takes the column's default
	changed []bool   // of one that is here: to be written
	groups  []merge.Group
	wasDead bool
	integer int64 // of a new one: what it gets; 0: the server gives it
	names   newNames
	place   int                 // in its block
	waits   *journal.WaitingRow // of one that is deferred: what is to be kept of it if it is not taken
	left    bool                // it waits, and is not written
	later   bool                // it is deferred: it is not written yet

	pending []patch // references to be filled in later, until patchLater hands them to the writer
}

// write carries out what was decided of a block: rows first, so that their integers are known, then their versions. Updates go
// before inserts: a new row may take what they give up of values that only one may have.
func (w *writer) write(ctx context.Context, q *writes) error {
	if err := w.writeOn(ctx, q, func() error { return nil }); err != nil {
		return err
	}
	return w.s.finish(ctx)
}

// writeOn is write, and may return while the server is still at work on new rows. then is called when all is written.
func (w *writer) writeOn(ctx context.Context, q *writes, then func() error) error {
	if len(q.update) > 0 || len(q.insert) > 0 {
		if err := w.s.answered(); err != nil { // it is about none of these rows
			return err
		}
	}
	if err := w.update(ctx, q); err != nil {
		return err
	}
	if err := w.insert(ctx, q); err != nil {
		return err
	}
	return w.s.afterRunning(ctx, func(ctx context.Context) error {
		if err := w.writeVersions(ctx, q); err != nil {
			return err
		}
		return then()
	})
}

// writeVersions writes the versions of rows that were written, and what else follows from these.
func (w *writer) writeVersions(ctx context.Context, q *writes) error {
	q.dropLeft()
	if err := w.resolver.checkReusedIDs(ctx, q.l, q.insert); err != nil {
		return err
	}
	if err := w.noteNames(q); err != nil {
		return err
	}
	var authors []string
	for _, e := range q.entries {
		for _, g := range e.Groups {
			if !slices.Contains(authors, g.Author) {
				authors = append(authors, g.Author)
			}
		}
	}
	if err := w.addAuthors(ctx, authors); err != nil {
		return err
	}
	if len(q.entries) > 0 || slices.ContainsFunc(q.insert, func(r *row) bool { return !r.later }) {
		w.epoch.used = true
	}
	if err := journal.DropChanges(ctx, w.s.conn, q.changes); err != nil {
		return err
	}
	gone, err := w.haveEntries(ctx, q)
	if err != nil {
		return err
	}
	return journal.PutVersions(ctx, w.s.conn, q.l.journal.ID, append(q.old, gone...), q.distinctEntries(), w.j.Authors)
}

// haveEntries returns rows that were just inserted and whose identities may have entries all the same: of rows that went without a trigger seeing
// it, by TRUNCATE, say, after which the server gives the integers out again.
func (w *writer) haveEntries(ctx context.Context, q *writes) (out []journal.Row, err error) {
	if len(q.insert) == 0 {
		return nil, nil
	}
	last := int64(0)
	if q.l.Integer != nil {
		if q.l.emptyAtStart { // and there was no entry either
			return nil, nil
		}
		if last, err = journal.LastEntry(ctx, w.s.conn, q.l.journal.ID); err != nil {
			return nil, err
		}
	}
	for _, r := range q.insert {
		if q.l.Integer == nil || r.at.Int <= last {
			out = append(out, r.at)
		}
	}
	return out, nil
}

// addAuthors gives new authors their numbers.
func (w *writer) addAuthors(ctx context.Context, names []string) error {
	names = slices.DeleteFunc(names, func(n string) bool { return w.j.Authors.ID(n) != 0 })
	for _, n := range names {
		if !journal.IsName(n) {
			return fmt.Errorf("%w: %.40q is no name of a node", batch.ErrCorrupt, n)
		}
	}
	if err := w.meter.use(access.Authors, len(names)); err != nil {
		return err
	}
	return w.j.Authors.Add(ctx, w.s.conn, names)
}

// saveBulkVersions writes the default versions that this import gave to tables that were empty.
func (w *writer) saveBulkVersions(ctx context.Context) error {
	for _, l := range w.resolver.exchanged {
		if l.bulkVersion == nil {
			continue
		}
		l.journal.Default = *l.bulkVersion
		if err := journal.SaveDefault(ctx, w.s.conn, l.journal, w.j.Authors); err != nil {
			return err
		}
	}
	return nil
}

// maxConflictBytes is how much of conflicts is held before it is written.
const maxConflictBytes = 4 << 20

// recordConflict notes a conflict, to be written later.
func (w *writer) recordConflict(ctx context.Context, c journal.Conflict) error {
	w.conflicts = append(w.conflicts, c)
	w.conflictBytes += 200 + len(c.Key)
	if c.Value != nil {
		w.conflictBytes += len(*c.Value)
	}
	if w.conflictBytes < maxConflictBytes {
		return nil
	}
	return w.saveConflicts(ctx)
}

// saveConflicts writes the conflicts that were noted.
func (w *writer) saveConflicts(ctx context.Context) error {
	w.resolver.callByOwnKeys(w.conflicts)
	n, size, err := journal.PutConflicts(ctx, w.s.conn, w.conflicts)
	if err != nil {
		return err
	}
	if n > 0 {
		w.epoch.used = true
	}
	w.newConflicts += n
	w.conflicts, w.conflictBytes = nil, 0
	if err := w.meter.use(access.Conflicts, n); err != nil {
		return err
	}
	return w.meter.use(access.ConflictBytes, size)
}

// distinctEntries returns the entries, one for each local identity: rows that are equal throughout, in a table without a primary key,
// share one.
func (q *writes) distinctEntries() []journal.Entry {
	if q.l.Key != schema.KeyAll {
		return q.entries
	}
	seen := map[journal.Row]bool{}
	return slices.DeleteFunc(q.entries, func(e journal.Entry) bool {
		twice := seen[e.Row]
		seen[e.Row] = true
		return twice
	})
}
