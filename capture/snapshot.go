package capture

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"time"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// fewChanges is how many changes may be left to the seal that a snapshot is taken with: what it makes of them is held in memory for as
// long as the snapshot is.
const fewChanges = 1000

// Snapshot is a connection whose reads all see one moment of the database, and the seal that was made at that moment. The seal was
// committed just after it, so that the snapshot still has the changes and not yet their versions: see [Snapshot.Sealed].
type Snapshot struct {
	*sql.Conn
	changes int
	epoch   merge.Position // of the seal; zero if it wrote nothing
	sealed  map[*schema.Table]*SealedTable
}

// TakeSnapshot seals what the application has changed and returns a snapshot in which every row has its version. It waits so long for
// the gate; [journal.ErrBusy] if that is not enough. The caller closes the snapshot.
func TakeSnapshot(ctx context.Context, j *journal.Journal, wait time.Duration) (*Snapshot, error) {
	for {
		s, err := sealPortion(ctx, j, wait)
		if err != nil || s.changes == 0 {
			return s, err
		}
		s.Close()
		if s.changes < fewChanges {
			break
		}
	}
	for {
		s, err := sealPortion(ctx, j, wait)
		if err != nil || s.changes < sealLimit {
			return s, err
		}
		s.Close() // a large transaction came in between, and the snapshot has rows of it without versions
	}
}

// open begins the snapshot's transaction.
func (s *Snapshot) open(ctx context.Context) error {
	for _, statement := range []string{"SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION WITH CONSISTENT SNAPSHOT"} {
		if _, err := s.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the snapshot and gives its connection back, also when the context it was made with is over.
func (s *Snapshot) Close() error {
	s.ExecContext(context.Background(), "ROLLBACK")
	return s.Conn.Close()
}

// Last returns the newest epoch that the snapshot and its seal hold; the zero Position if there is none.
func (s *Snapshot) Last(ctx context.Context) (merge.Position, error) {
	if s.epoch.Epoch != 0 {
		return s.epoch, nil
	}
	return journal.LastEpoch(ctx, s)
}

// SealedSome reports whether the seal found changes. What follows from these of whom children may have is committed with it, and so is not in
// the snapshot.
func (s *Snapshot) SealedSome() bool { return s.epoch.Epoch != 0 }

// Sealed returns what the seal made of a table's changes, nil if there were none.
func (s *Snapshot) Sealed(t *schema.Table) *SealedTable { return s.sealed[t] }

// SealedTable is what a seal made of one table's changes. The methods lay it over what the journal holds in the snapshot; those of a
// nil SealedTable change nothing.
type SealedTable struct {
	live     map[journal.Row][]merge.Group // new entries; without groups: the row is gone
	replaced []journal.Row                 // rows that had entries before
	dead     []journal.Tombstone           // by key
	back     []string                      // keys that have a tombstone and live again
	returned []string                      // keys of rows that were known and are inserted anew, where rows are recognised by natural keys
	removed  []removedRow                  // those of dead, to be kept whole if the triggers wrote them
	moved    []movedRow                    // rows that may be others' now
	came     []string                      // keys of owners that were not known here
}

// Groups returns the versions of a row, where groups are those in its entry: nil if it has none.
func (s *SealedTable) Groups(r journal.Row, groups []merge.Group) []merge.Group {
	if s != nil {
		if sealed, ok := s.live[r]; ok {
			return sealed
		}
	}
	return groups
}

// Rows returns rows and those that the seal gave an entry, in the order of their local keys if there are any of the latter.
func (s *SealedTable) Rows(rows []journal.Row) []journal.Row {
	if s == nil {
		return rows
	}
	all := make(map[journal.Row]bool, len(rows)+len(s.live))
	for _, r := range rows {
		all[r] = true
	}
	for r, groups := range s.live {
		if len(groups) > 0 {
			all[r] = true
		}
	}
	return slices.SortedFunc(maps.Keys(all), rowkey.Compare)
}

// Tombstones returns the seal's tombstones and those of dead that it did not replace or take back.
func (s *SealedTable) Tombstones(dead []journal.Tombstone) []journal.Tombstone {
	if s == nil {
		return dead
	}
	over := map[string]bool{}
	for _, key := range s.back {
		over[key] = true
	}
	for _, d := range s.dead {
		over[d.Key] = true
	}
	out := slices.Clone(s.dead)
	for _, d := range dead {
		if !over[d.Key] {
			out = append(out, d)
		}
	}
	return out
}

// entries are the rows that get an entry, by local key.
func (s *SealedTable) entries() []journal.Entry {
	var out []journal.Entry
	for r, groups := range s.live {
		if len(groups) > 0 {
			out = append(out, journal.Entry{Row: r, Groups: groups})
		}
	}
	slices.SortFunc(out, func(a, b journal.Entry) int { return rowkey.Compare(a.Row, b.Row) })
	return out
}
