package scoping

import (
	"context"
	"fmt"
	"slices"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/owners"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/scope"
)

// Purge lets patients leave a child's scope, and has the child delete what it has of them. What came of them from the child counts as made here
// from now on.
func (s *Session) Purge(ctx context.Context, name string, patients []Patient) ([]Outcome, error) {
	p, err := s.scoped(ctx, name)
	if err != nil {
		return nil, err
	}
	keys := make([]string, len(patients))
	for i, patient := range patients {
		keys[i] = string(patient.Key)
	}
	t := s.store.OwnerTable()
	here, err := rowkey.Find(ctx, s.q, t, keys)
	if err != nil {
		return nil, err
	}
	var gone []int64
	for _, patient := range patients {
		if _, is := here[string(patient.Key)]; !is {
			return nil, failure.Hinted(fmt.Errorf("%w with the key %s, so %s may hold what nobody else does", ErrNobody, patient.Key, name), "omsync scope leave %s %s, without --purge", name, patient.Key)
		}
	}
	out, err := s.each(name, patients, func(o scope.Owner) bool {
		left := s.node.Purge(p.ID, scope.Row{Table: t.Name, Key: string(o)})
		if left {
			gone = append(gone, here[string(o)].Int)
		}
		return left
	})
	if err != nil || len(gone) == 0 {
		return out, err
	}
	return out, s.reclaim(ctx, p.ID, gone)
}

// reclaim counts as made here what came of owners from a child.
func (s *Session) reclaim(ctx context.Context, p merge.Peer, local []int64) error {
	o, err := s.n.Journal.Catalogue.Owners()
	if err != nil {
		return err
	}
	epoch := s.store.Epoch()
	for _, t := range s.n.Journal.Replicated() {
		if o.Of(t).Kind != schema.Owned {
			continue
		}
		meta := s.n.Journal.Tables[t.Name]
		err := owners.Rows(ctx, s.q, o, t, local, func(rows []journal.Row) error {
			versions, err := journal.Versions(ctx, s.q, meta.ID, rows, s.n.Journal.Authors)
			if err != nil {
				return err
			}
			var old []journal.Row
			var entries []journal.Entry
			for _, r := range rows {
				known := meta.Known(versions[r])
				if !slices.ContainsFunc(known.Groups, func(g merge.Group) bool { return g.From == p }) {
					continue
				}
				if versions[r] != nil {
					old = append(old, r)
				}
				entries = append(entries, journal.Entry{Row: r, Groups: known.Reclaim(p, 0, epoch).Groups})
			}
			return journal.PutVersions(ctx, s.q, meta.ID, old, entries, s.n.Journal.Authors)
		})
		if err != nil {
			return err
		}
	}
	if err := journal.NoteReclaimed(ctx, s.q, epoch); err != nil {
		return fmt.Errorf("note an epoch: %w", err)
	}
	return s.store.Err()
}
