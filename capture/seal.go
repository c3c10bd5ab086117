package capture

import (
	"context"
	"fmt"
	"time"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// sealLimit is how many changes one seal takes: what it makes of them is held in memory.
const sealLimit = 50000

// Seal stamps what the application has changed, until less than a full portion is left, and returns how many changes it took. It
// waits so long for the gate; [journal.ErrBusy] if that is not enough.
func Seal(ctx context.Context, j *journal.Journal, wait time.Duration) (int, error) {
	total := 0
	for {
		s, err := sealPortion(ctx, j, wait)
		if err != nil {
			return total, err
		}
		s.Close()
		total += s.changes
		if s.changes < sealLimit {
			return total, nil
		}
	}
}

// sealPortion takes the gate on one connection, opens a snapshot on another, makes versions of the changes that the snapshot holds,
// commits them, and hands on the snapshot, which is from before that commit. A snapshot opened behind the gate holds all that any
// epoch in it wrote: no import commits and no other seal runs between.
func sealPortion(ctx context.Context, j *journal.Journal, wait time.Duration) (_ *Snapshot, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("seal: %w", err)
		}
	}()
	gate, err := j.DB.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer gate.Close()
	snap := &Snapshot{}
	if snap.Conn, err = j.DB.Conn(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			snap.Close()
		}
	}()
	if err := journal.Gate(ctx, gate, false, wait); err != nil {
		return nil, err
	}
	defer gate.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	if err := snap.open(ctx); err != nil {
		return nil, err
	}
	if err := j.Reload(ctx, snap); err != nil {
		return nil, err
	}
	if err := snap.seal(ctx, j, gate); err != nil {
		return nil, err
	}
	return snap, nil
}

// seal makes versions of the changes that the snapshot holds, and commits the gate's transaction with them.
func (s *Snapshot) seal(ctx context.Context, j *journal.Journal, gate sqldb.DB) error {
	changes, err := journal.Changes(ctx, s, sealLimit)
	if err != nil {
		return err
	}
	if s.changes = len(changes); s.changes == 0 {
		return nil
	}
	epoch, err := journal.NextEpoch(ctx, gate, false, j.Now())
	if err != nil {
		return err
	}
	w := &sealer{j: j, snap: s, stamper: merge.Stamper{Self: j.Self, Epoch: epoch.Epoch}, more: len(changes) == sealLimit}
	if s.sealed, err = w.seal(ctx, changes); err != nil {
		return err
	}
	wrote, err := s.record(ctx, j, gate)
	if err != nil {
		return err
	}
	scoped, err := w.followScopes(ctx, gate, s.sealed)
	if err != nil {
		return err
	}
	wrote = wrote || scoped
	if err := w.keepRemoved(ctx, gate, changes, s.sealed); err != nil {
		return err
	}
	var ids []uint64
	for _, c := range changes {
		if !w.isForNext(c) {
			ids = append(ids, c.ID)
		}
	}
	if err := journal.DropChanges(ctx, gate, ids); err != nil {
		return err
	}
	if wrote {
		s.epoch = epoch
	} else if err := journal.DropEpoch(ctx, gate, epoch.Epoch); err != nil {
		return err
	}
	_, err = gate.ExecContext(ctx, "COMMIT")
	return err
}

// record puts what was sealed into the journal, and reports whether there was anything that peers may lack.
func (s *Snapshot) record(ctx context.Context, j *journal.Journal, gate sqldb.DB) (wrote bool, err error) {
	for _, t := range j.Replicated() {
		sealed := s.sealed[t]
		if sealed == nil {
			continue
		}
		id, entries := j.Tables[t.Name].ID, sealed.entries()
		wrote = wrote || len(entries)+len(sealed.dead) > 0
		if err := journal.PutVersions(ctx, gate, id, sealed.replaced, entries, j.Authors); err != nil {
			return false, err
		}
		if err := journal.PutTombstones(ctx, gate, id, sealed.dead, j.Authors); err != nil {
			return false, err
		}
		if err := journal.DropTombstones(ctx, gate, id, sealed.back); err != nil {
			return false, err
		}
		if err := journal.NoteReturned(ctx, gate, id, sealed.returned, j.Now().UnixMicro()); err != nil {
			return false, err
		}
	}
	return wrote, nil
}

// sealer makes versions of changes, as a snapshot shows the rows that they are about.
type sealer struct {
	j       *journal.Journal
	snap    sqldb.DB
	stamper merge.Stamper
	more    bool                                              // the log has more changes than this seal reads
	folded  map[*schema.Table][]*journal.Folded               // by seal, before the first table
	deaths  map[*schema.Table]map[journal.Row][]journal.Death // of them, by foldedAt
	was     map[uint16]map[journal.Row]map[string]int64       // by number of the table: what rows said of their owners before the first change
	formats map[*schema.Condition]map[string]string           // what decides conditional references, as far as it was read
	seen    map[uint16]map[journal.Row]bool                   // of these, the rows of which a change was read
}

// seal makes versions of the changes, table by table.
func (s *sealer) seal(ctx context.Context, changes []journal.Change) (map[*schema.Table]*SealedTable, error) {
	tables := s.j.Replicated() // referred ones first, so that what died with a row that it refers to finds that row's key
	byTable := map[uint16][]journal.Change{}
	for _, c := range changes {
		if !s.addWas(c) {
			byTable[c.Table] = append(byTable[c.Table], c)
		}
	}
	for _, t := range tables {
		if err := s.addKeyChanges(ctx, t, byTable); err != nil {
			return nil, err
		}
	}
	s.folded = map[*schema.Table][]*journal.Folded{}
	for _, t := range tables {
		if cs := byTable[s.j.Tables[t.Name].ID]; cs != nil {
			s.folded[t] = journal.Fold(cs)
		}
	}
	out := map[*schema.Table]*SealedTable{}
	for _, t := range tables {
		if s.folded[t] == nil {
			continue
		}
		sealed, err := s.table(ctx, t)
		if err != nil {
			return nil, err
		}
		out[t] = sealed
	}
	return out, nil
}
