package conflicts

import (
	"context"
	"fmt"
	"time"

	"github.com/omsync/omsync/conflicts/rules"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
)

// Before reports whether the time of a stamp says that the value was there before its node was one. Where two such values meet, the one
// that stays has a stamp just above the other's.
func Before(µs int64) bool { return µs < time.Second.Microseconds() }

// Time is a time of a stamp as people read it, by this computer's zone.
func Time(µs int64) string {
	if Before(µs) {
		return "before omsync"
	}
	return time.UnixMicro(µs).Local().Format("2006-01-02 15:04")
}

// recordOf is a record as the rules want it.
func recordOf(j *journal.Journal, r journal.ConflictRecord) rules.Record {
	return rules.Record{ID: r.ID, Table: r.Table, Key: r.Key, Column: r.Column, Deletion: r.Deletion, Loser: r.Loser, Winner: r.Winner, Came: r.CameAt,
		Resolution: r.Resolution, Bookkeeping: j.Profile.Bookkeeping(r.Table, r.Column)}
}

// read reads the conflict that has a record of this number, and its records without their values.
func read(ctx context.Context, q sqldb.DB, j *journal.Journal, id uint64) (*rules.Conflict, map[uint64]journal.ConflictRecord, error) {
	one, err := journal.ConflictByID(ctx, q, id)
	if err != nil {
		return nil, nil, err
	}
	byID := map[uint64]journal.ConflictRecord{}
	var records []rules.Record
	f := journal.ConflictFilter{Table: one.Table, Key: one.Key, Loser: &one.Loser, Limit: maxRecords}
	err = journal.ConflictRecords(ctx, q, f, func(r journal.ConflictRecord) error {
		byID[r.ID] = r
		records = append(records, recordOf(j, r))
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	for _, c := range rules.Group(records) {
		for _, r := range c.Records {
			if r.ID == id {
				return c, byID, nil
			}
		}
	}
	return nil, nil, fmt.Errorf("conflict %d is one of more than %d about one version of one row: look at omsync_conflict, where they came from", id, maxRecords)
}
