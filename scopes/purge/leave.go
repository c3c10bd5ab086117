package purge

import (
	"context"
	"fmt"
	"slices"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/owners"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/scope"
	"github.com/omsync/omsync/scopes"
)

// Leave lets owners leave a child's scope, and has the child delete what it has of them: see [scope.Node.Purge]. What of them came from the child
// counts as made here from now on. It returns who left. The store's transaction holds the gate.
func Leave(ctx context.Context, j *journal.Journal, store *scopes.Store, child merge.Peer, who []scope.Owner) (left []scope.Owner, err error) {
	o, err := j.Catalogue.Owners()
	if err != nil || o.Table == nil {
		return nil, err
	}
	keys := make([]string, len(who))
	for i, owner := range who {
		keys[i] = string(owner)
	}
	here, err := rowkey.Find(ctx, store.DB(), o.Table, keys)
	if err != nil {
		return nil, err
	}
	var local []int64
	for _, owner := range who {
		if store.Node().Purge(child, scope.Row{Table: o.Table.Name, Key: string(owner)}) {
			left, local = append(left, owner), append(local, here[string(owner)].Int)
		}
	}
	if err := store.Err(); err != nil || len(left) == 0 {
		return nil, err
	}
	return left, reclaim(ctx, j, store, o, child, local)
}

// reclaim counts as made here what came of owners from a child.
func reclaim(ctx context.Context, j *journal.Journal, store *scopes.Store, o *schema.Owners, child merge.Peer, local []int64) error {
	epoch := store.Epoch()
	for _, t := range j.Replicated() {
		if o.Of(t).Kind != schema.Owned {
			continue
		}
		meta := j.Tables[t.Name]
		err := owners.Rows(ctx, store.DB(), o, t, local, func(rows []journal.Row) error {
			versions, err := journal.Versions(ctx, store.DB(), meta.ID, rows, j.Authors)
			if err != nil {
				return err
			}
			var old []journal.Row
			var entries []journal.Entry
			for _, r := range rows {
				known := meta.Known(versions[r])
				if !slices.ContainsFunc(known.Groups, func(g merge.Group) bool { return g.From == child }) {
					continue
				}
				if versions[r] != nil {
					old = append(old, r)
				}
				entries = append(entries, journal.Entry{Row: r, Groups: known.Reclaim(child, 0, epoch).Groups})
			}
			return journal.PutVersions(ctx, store.DB(), meta.ID, old, entries, j.Authors)
		})
		if err != nil {
			return err
		}
	}
	if err := journal.NoteReclaimed(ctx, store.DB(), epoch); err != nil {
		return fmt.Errorf("note an epoch: %w", err)
	}
	return store.Err()
}
