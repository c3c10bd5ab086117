package apply

import (
	"context"
	"fmt"
	"slices"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// recordRowConflicts records values of a block's row that lost.
func (im *importer) recordRowConflicts(ctx context.Context, w *block, i int, conflicts []merge.Conflict) error {
	for _, lost := range conflicts {
		err := im.recordConflict(ctx, w.l, w.keys[i], lost, im.recordOwners(w, i, lost), func(c *schema.Column) (*string, error) {
			if !lost.Incoming {
				return im.resolver.portable(ctx, c, w.found[i].values[w.l.place[c]])
			}
			for _, p := range w.pending[i] {
				if p.column == c {
					k := im.resolver.keys.at(p.to).canonical()
					return &k, nil
				}
			}
			return im.resolver.sentValue(w, i, c), nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sentValue is an incoming value as the sender has it: references by their keys.
func (v *resolver) sentValue(w *block, i int, c *schema.Column) *string {
	at := slices.Index(w.t.columns, c)
	if at < 0 {
		return nil
	}
	sent := w.Columns[at]
	if sent.Refs != nil && sent.Refs[i] >= batch.FirstRef {
		e := v.keys.at(sent.Refs[i])
		k := e.key
		if e.root != nil {
			k = e.canonical()
		}
		return &k
	}
	if sent.Bytes != nil && sent.Bytes[i] != nil {
		s := string(sent.Bytes[i])
		return &s
	}
	return nil
}

// recordDeletionConflicts records values of a row that is deleted, or its deletion.
func (im *importer) recordDeletionConflicts(ctx context.Context, d *deletion, conflicts []merge.Conflict) error {
	var values [][]byte // read again: there may be many deletions, and few are recorded
	value := func(c *schema.Column) (*string, error) {
		if values == nil {
			if err := im.resolver.readRows(ctx, d.l, []journal.Row{d.row.row}, lockNone, d.l.written, func(f found) { values = f.values }); err != nil {
				return nil, err
			}
		}
		if values == nil {
			return nil, fmt.Errorf("%s: a row that was locked is gone", d.l.Name)
		}
		return im.resolver.portable(ctx, c, values[d.l.place[c]])
	}
	for _, lost := range conflicts {
		if err := im.recordConflict(ctx, d.l, d.key, lost, d.owners(lost), value); err != nil {
			return err
		}
	}
	return nil
}

// recordConflict records one conflict, column by column. owners are whose the row with the losing value was, value gives the losing value of a column.
func (im *importer) recordConflict(ctx context.Context, l *localTable, key string, lost merge.Conflict, owners []string, value func(*schema.Column) (*string, error)) error {
	c := journal.Conflict{Table: l.Name, Key: key, Loser: lost.Loser, Winner: lost.Winner, At: im.j.Now().UnixMicro(), Epoch: im.epoch.Epoch, Over: im.peer.ID, Deletion: lost.Deletion, Owners: owners}
	columns := 0
	if !lost.Deletion {
		for at, column := range l.written {
			if !l.writes(lost.Mask, at) || !l.writes(l.mask, at) || column.InsertOnly {
				continue
			}
			v, err := value(column)
			if err != nil {
				return err
			}
			columns++
			c.Column, c.Value = column.Name, v
			if err := im.writer.recordConflict(ctx, c); err != nil {
				return err
			}
		}
	}
	if columns == 0 && lost.Mask.Has(merge.Existence) {
		c.Column, c.Value = "", nil
		return im.writer.recordConflict(ctx, c)
	}
	return nil
}

// portable is a value of this database as it means the same everywhere: a reference is the key of its row.
func (v *resolver) portable(ctx context.Context, c *schema.Column, value []byte) (*string, error) {
	if value == nil {
		return nil, nil
	}
	s := string(value)
	return rowkey.Portable(ctx, v.s.conn, c, &s)
}

// readConflicts takes in conflicts that others recorded: of what the sender may send, like the values themselves.
func (im *importer) readConflicts(ctx context.Context, b *batch.Records) error {
	if err := im.resolver.alone(); err != nil {
		return err
	}
	t := im.resolver.sent[b.Table]
	if t.local == nil {
		im.notes.add("records of conflicts in %q are left out: %s", t.Name, t.why)
		return nil
	}
	if err := im.resolver.checkKeys(t.local, b.Keys); err != nil {
		return err
	}
	resolutions, err := im.readResolutions(ctx, t, b)
	if err != nil {
		return err
	}
	for i, k := range b.Keys {
		if resolutions[i] {
			continue
		}
		c := journal.Conflict{Table: t.local.Name, Key: im.resolver.keys.at(k).canonical(), Column: b.Columns[i], Loser: merge.Stamp{Time: b.LostTimes[i], Author: b.LostAuthors[i]},
			Winner: merge.Stamp{Time: b.WonTimes[i], Author: b.WonAuthors[i]}, At: b.At[i], Epoch: im.epoch.Epoch, From: im.peer.ID, Over: im.peer.ID}
		if b.Values[i] != nil {
			v := string(b.Values[i])
			c.Value = &v
		}
		c.Deletion = c.Column == "" && b.Notes != nil && b.Notes[i] == batch.NoteDeletion
		if b.Owners != nil {
			for _, o := range b.Owners[i] {
				c.Owners = append(c.Owners, ownerHere(im.j, im.resolver.aliases, o))
			}
		}
		if local := t.local.Column(c.Column); local != nil {
			c.Column = local.Name // the sender's server may write it with other capitals
		}
		if !t.takesConflict(c) {
			im.notes.add("records of conflicts in %s.%q are left out: %s may not send them", t.local.Name, c.Column, im.peer.Name)
			continue
		}
		if !c.Fits() {
			return fmt.Errorf("%w: a conflict record of %s names no node as its author", batch.ErrCorrupt, t.local.Name)
		}
		if err := im.writer.recordConflict(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// takesConflict reports whether the sender may record a conflict about this.
func (t *sentTable) takesConflict(c journal.Conflict) bool {
	if !t.local.rules.TakesConflict(c.Deletion) {
		return false
	}
	return c.Column == "" || slices.ContainsFunc(t.columns, func(k *schema.Column) bool { return k != nil && k.Name == c.Column })
}
