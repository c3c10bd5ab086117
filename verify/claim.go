package verify

import (
	"context"
	"database/sql"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// claimer stamps rows anew. The connection that it is given holds the gate.
type claimer struct {
	j       *journal.Journal
	stamper merge.Stamper
}

func (c *claimer) claim(ctx context.Context, gate *sql.Conn, t *schema.Table, rows []journal.Row) error {
	meta := c.j.Tables[t.Name]
	keys, err := rowkey.Of(ctx, gate, t, rows)
	if err != nil {
		return err
	}
	canonical := map[journal.Row]string{}
	var all []string
	for r, key := range keys {
		if key != "" { // it is still there, and has one
			canonical[r] = journal.Canonical(t, key)
			all = append(all, canonical[r])
		}
	}
	dead, err := journal.Tombstones(ctx, gate, meta.ID, all, c.j.Authors)
	if err != nil {
		return err
	}
	had, err := journal.Versions(ctx, gate, meta.ID, rows, c.j.Authors)
	if err != nil {
		return err
	}
	var old []journal.Row
	var entries []journal.Entry
	var back []string
	for _, r := range rows {
		key, there := canonical[r]
		if !there {
			continue
		}
		groups := had[r]
		if groups == nil && !meta.Default.IsEmpty() {
			groups = []merge.Group{meta.Default}
		}
		prev := merge.Row{Known: len(groups) > 0, Alive: true, Groups: groups}
		v, was := dead[key]
		now := c.stamper.Claim(prev, merge.Row{Known: was, Dead: v}, c.j.Mask(t), c.j.Now().UnixMicro())
		if had[r] != nil {
			old = append(old, r)
		}
		if was {
			back = append(back, key)
		}
		entries = append(entries, journal.Entry{Row: r, Groups: now.Groups})
	}
	if err := journal.PutVersions(ctx, gate, meta.ID, old, entries, c.j.Authors); err != nil {
		return err
	}
	if len(back) == 0 {
		return nil
	}
	if c.j.Recognises(t) {
		if err := journal.NoteReturned(ctx, gate, meta.ID, back, c.j.Now().UnixMicro()); err != nil {
			return err
		}
	}
	return journal.DropTombstones(ctx, gate, meta.ID, back)
}
