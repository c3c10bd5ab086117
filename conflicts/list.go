package conflicts

import (
	"context"
	"time"

	"github.com/omsync/omsync/conflicts/rules"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
)

// maxRecords is how many records a list looks at, without their values.
const maxRecords = 100_000

// Filter chooses conflicts. What is zero chooses all.
type Filter struct {
	Table     string
	Peer      merge.Peer
	Patient   string    // an identifier
	Since     time.Time // came here since
	OpenSince time.Time // what came before is no longer open
	All       bool      // those too that are settled, old, or bookkeeping
	Earlier   bool      // those alone whose lost values are from before their node was one
	Limit     int       // at most so many
}

// Entry is one conflict of a list.
type Entry struct {
	*rules.Conflict
	State string                            // see [rules.Conflict.State]
	Row   string                            // whose row it is, in words
	Link  string                            // the peer over whose link it came; "": an earlier omsync recorded it, or it was decided here
	ByID  map[uint64]journal.ConflictRecord // its records, without values
}

// Listing is what List found.
type Listing struct {
	Conflicts []*Entry
	Open      int                        // how many are open
	More      bool                       // there are more than the limit
	Cut       bool                       // there are more records than a list looks at
	Earlier   []journal.EarlierConflicts // what the list leaves out of before; nothing if it is of one patient
}

// List returns the conflicts that a filter chooses, the newest first.
func List(ctx context.Context, q sqldb.DB, j *journal.Journal, f Filter) (*Listing, error) {
	filter := journal.ConflictFilter{Table: f.Table, Peer: f.Peer, Limit: maxRecords + 1, When: journal.Later}
	if f.Earlier {
		filter.When = journal.Earlier
	}
	if !f.Since.IsZero() {
		first, err := journal.FirstEpoch(ctx, q, f.Since)
		if err != nil || first == 0 {
			return &Listing{}, err
		}
		filter.Since = first
	}
	var records []rules.Record
	byID := map[uint64]journal.ConflictRecord{}
	out := &Listing{}
	err := journal.ConflictRecords(ctx, q, filter, func(r journal.ConflictRecord) error {
		if len(records) == maxRecords {
			out.Cut = true
			return nil
		}
		records = append(records, recordOf(j, r))
		byID[r.ID] = r
		return nil
	})
	if err != nil {
		return nil, err
	}
	peers, err := peerNames(ctx, q)
	if err != nil {
		return nil, err
	}
	labels := newLabels(q, j)
	patient, err := labels.patient(ctx, f.Patient)
	if err != nil {
		return nil, err
	}
	for _, c := range rules.Group(records) {
		open := c.Open(f.OpenSince.UnixMicro())
		if f.Earlier && c.Kind() != rules.Earlier || !f.Earlier && !open && !f.All {
			continue
		}
		if mine, err := patient(ctx, c); err != nil || !mine {
			if err != nil {
				return nil, err
			}
			continue
		}
		if open {
			out.Open++
		}
		if f.Limit > 0 && len(out.Conflicts) == f.Limit {
			out.More = true
			continue
		}
		e := &Entry{Conflict: c, State: c.State(f.OpenSince.UnixMicro()), ByID: map[uint64]journal.ConflictRecord{}}
		for _, r := range c.Records {
			e.ByID[r.ID] = byID[r.ID]
			e.Link = peers[byID[r.ID].Over]
		}
		out.Conflicts = append(out.Conflicts, e)
	}
	for _, e := range out.Conflicts {
		if e.Row, err = labels.of(ctx, e.Table, e.Key); err != nil {
			return nil, err
		}
	}
	if f.Earlier || f.Patient != "" {
		return out, nil
	}
	out.Earlier, err = journal.CountEarlier(ctx, q, filter)
	return out, err
}

// CountOpen returns how many conflicts are open that came here since a time. more: there are more than are looked at.
func CountOpen(ctx context.Context, q sqldb.DB, j *journal.Journal, since time.Time) (open int, more bool, err error) {
	first, err := journal.FirstEpoch(ctx, q, since)
	if err != nil || first == 0 {
		return 0, false, err
	}
	var records []rules.Record
	err = journal.ConflictRecords(ctx, q, journal.ConflictFilter{Since: first, Limit: maxRecords + 1, When: journal.Later}, func(r journal.ConflictRecord) error {
		records = append(records, recordOf(j, r))
		return nil
	})
	if err != nil {
		return 0, false, err
	}
	for _, c := range rules.Group(records) {
		if c.Open(since.UnixMicro()) {
			open++
		}
	}
	return open, len(records) > maxRecords, nil
}

// peerNames returns the names of all peers, of those that were removed too.
func peerNames(ctx context.Context, q sqldb.DB) (map[merge.Peer]string, error) {
	peers, err := journal.Peers(ctx, q)
	if err != nil {
		return nil, err
	}
	names := map[merge.Peer]string{}
	for _, p := range peers {
		names[p.ID] = p.Name
	}
	return names, nil
}
