package export

import (
	"context"
	"slices"

	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
)

// apart returns rows whose columns have several versions where the peer knows of one: see [merge.Stamper.Together].
func (p *plan) apart(ctx context.Context) (map[*table][]journal.Row, error) {
	out := map[*table][]journal.Row{}
	if p.manyColumns {
		return out, nil
	}
	for _, t := range p.tables {
		if !t.meta.HasManyColumns() {
			continue
		}
		rows, err := journal.Apart(ctx, p.snap, t.meta.ID)
		if err != nil {
			return nil, err
		}
		sealed := p.snap.Sealed(t.Table)
		rows = slices.DeleteFunc(sealed.Rows(rows), func(r journal.Row) bool {
			groups := sealed.Groups(r, nil)
			if groups == nil {
				return false // as it is stored
			}
			_, apart := merge.Stamper{}.Together(merge.Row{Known: true, Alive: true, Groups: groups})
			return !apart
		})
		if len(rows) > 0 {
			out[t] = rows
		}
	}
	return out, nil
}

// bringTogether gives rows that were apart one version where the peer knows of one.
func (p *plan) bringTogether(ctx context.Context, rows map[*table][]journal.Row, o Options) error {
	gate, err := p.j.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer gate.Close()
	if err := journal.Gate(ctx, gate, false, o.Wait); err != nil {
		return err
	}
	defer gate.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	epoch, err := journal.NextEpoch(ctx, gate, false, p.j.Now())
	if err != nil {
		return err
	}
	stamper := merge.Stamper{Self: p.j.Self, Epoch: epoch.Epoch}
	for t, some := range rows {
		for part := range slices.Chunk(some, blockRows) {
			entries, err := journal.Versions(ctx, gate, t.meta.ID, part, p.j.Authors)
			if err != nil {
				return err
			}
			var old []journal.Row
			var now []journal.Entry
			for _, r := range part { // as they are by now: another run may have been quicker
				if row, apart := stamper.Together(merge.Row{Known: true, Alive: true, Groups: entries[r]}); apart {
					old, now = append(old, r), append(now, journal.Entry{Row: r, Groups: row.Groups})
				}
			}
			if err := journal.PutVersions(ctx, gate, t.meta.ID, old, now, p.j.Authors); err != nil {
				return err
			}
		}
	}
	_, err = gate.ExecContext(ctx, "COMMIT")
	return err
}
