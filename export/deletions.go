package export

import (
	"context"
	"iter"
	"slices"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/scope"
)

// writeDeletions writes what the peer does not know to be deleted, children before parents.
func (x *exporter) writeDeletions(ctx context.Context) error {
	for _, t := range slices.Backward(x.tables) {
		if !t.rules.Sends() && !t.rules.SendsBack() {
			continue
		}
		base := t.base(x.head.Base.Epoch)
		if x.filtered(t.Table) && x.scopes.lost(x.plan, base) {
			base = 0
		}
		var dead []journal.Tombstone
		var err error
		if x.buried[t.meta.ID] || base != x.head.Base.Epoch || t.knows != x.peer.ID {
			if dead, err = journal.NewerTombstones(ctx, x.snap, t.meta.ID, base, t.knows, x.j.Authors); err != nil {
				return err
			}
		}
		var sights map[string]scope.Sight
		if x.filtered(t.Table) {
			if dead, sights, err = x.deadInSight(ctx, t, dead); err != nil {
				return err
			}
		}
		dead = slices.DeleteFunc(x.snap.Sealed(t.Table).Tombstones(dead), func(d journal.Tombstone) bool {
			stays, _ := t.filters.FilteredOut(t.Table, d.Key)
			return stays || !x.sendsDeletion(t, d.Version) || !x.sendsKey(t.Table, d.Key, "deletions")
		})
		for some := range chunksOfKeys(dead) {
			if err := x.writeDead(ctx, t, some, sights); err != nil {
				return err
			}
		}
	}
	return nil
}

// chunksOfKeys cuts deletions where there are enough for a block, or their keys have so many bytes.
func chunksOfKeys(dead []journal.Tombstone) iter.Seq[[]journal.Tombstone] {
	return func(yield func([]journal.Tombstone) bool) {
		for len(dead) > 0 {
			n, size := 0, 0
			for n < len(dead) && n < blockRows && (n == 0 || size+len(dead[n].Key) <= blockBytes) {
				size += len(dead[n].Key)
				n++
			}
			if !yield(dead[:n]) {
				return
			}
			dead = dead[n:]
		}
	}
}

// writeDead writes a block of deletions. sights says since when the peer has each in sight; nil: it always had.
func (x *exporter) writeDead(ctx context.Context, t *table, dead []journal.Tombstone, sights map[string]scope.Sight) error {
	f, err := x.out.current()
	if err != nil {
		return err
	}
	if err := f.dict.makeRoom(len(dead) * 4); err != nil {
		return err
	}
	number, err := f.dict.number(t.Table)
	if err != nil {
		return err
	}
	b := &batch.Deletions{Table: number}
	keys := make([]string, len(dead))
	for i, d := range dead {
		keys[i] = d.Key
		known := merge.Row{Known: true, Dead: d.Version}
		if sights != nil {
			known = sights[d.Key].Told(known)
		}
		_, v := x.as(t, journal.Row{}, known).Outgoing(x.peer.ID)
		b.Times, b.Authors, b.Epochs = append(b.Times, v.Time), append(b.Authors, v.Author), append(b.Epochs, v.Epoch)
	}
	if b.Keys, err = f.dict.indexes(t.Table, keys); err != nil {
		return err
	}
	if b.Owners, err = x.ownersOfDead(ctx, t, dead); err != nil {
		return err
	}
	f.made.Deletions += int64(len(dead))
	return f.w.Deletions(b)
}
