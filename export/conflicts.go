package export

import (
	"cmp"
	"context"
	"slices"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// writeConflicts writes the conflicts that the peer does not know of.
func (x *exporter) writeConflicts(ctx context.Context) error {
	return journal.NewerConflicts(ctx, x.snap, x.head.Base.Epoch, x.peer.ID, func(c journal.Conflict) error {
		t := x.known[x.j.Catalogue.Table(c.Table)]
		if t == nil || !t.sendsConflict(c) { // nil: of a table that is no more
			return nil
		}
		switch {
		case !c.Fits():
			x.left.add("conflict records of %s that are damaged", c.Table)
			return nil
		case c.Value != nil && len(*c.Value) > batch.MaxValue:
			x.left.add("conflict records of %s with a value of more than %d MiB", c.Table, batch.MaxValue>>20)
			return nil
		case !x.sendsKey(t.Table, c.Key, "conflict records"):
			return nil
		}
		return x.writeConflict(t, c)
	})
}

// sendsConflict reports whether the peer may know of a conflict: a record holds a value, which goes no further than its column does. One
// of a secret goes nowhere: it may be of a row that has lost its role.
func (t *table) sendsConflict(c journal.Conflict) bool {
	return t.rules.SendsConflict(c.Deletion) &&
		(c.Column == "" || slices.ContainsFunc(t.columns, func(k *schema.Column) bool { return k.Name == c.Column && !t.rules.Withholds().Has(t.meta.Bit(k.Name)) }))
}

func (x *exporter) writeConflict(t *table, c journal.Conflict) error {
	f, err := x.out.current()
	if err != nil {
		return err
	}
	if err := f.dict.makeRoom(4); err != nil {
		return err
	}
	number, err := f.dict.number(t.Table)
	if err != nil {
		return err
	}
	keys, err := f.dict.indexes(t.Table, []string{c.Key})
	if err != nil {
		return err
	}
	r := &batch.Records{Table: number, Keys: keys, Columns: []string{c.Column}, Values: [][]byte{nil},
		LostTimes: []int64{c.Loser.Time}, LostAuthors: []string{c.Loser.Author},
		WonTimes: []int64{c.Winner.Time}, WonAuthors: []string{c.Winner.Author}, At: []int64{c.At}, Epochs: []uint64{c.Epoch}}
	if c.Deletion {
		r.Notes = []string{batch.NoteDeletion}
	}
	if c.Value != nil {
		r.Values[0] = []byte(x.j.TheirValue(x.aliases, t.Column(c.Column), *c.Value))
	}
	return f.w.Records(r)
}

// resolutionsAtOnce is how many decisions a block has at most.
const resolutionsAtOnce = 500

// writeResolutions writes what people decided about conflicts, to a peer that reads it: after the records that it is about.
func (x *exporter) writeResolutions(ctx context.Context) error {
	if !x.features.Writable(x.peer.Heard).Has(features.Resolutions) {
		return nil
	}
	var of *table
	var some []journal.ResolvedConflict
	err := journal.NewerResolutions(ctx, x.snap, x.head.Base.Epoch, x.peer.ID, func(c journal.ResolvedConflict) error {
		t := x.known[x.j.Catalogue.Table(c.Table)]
		if t == nil || !t.sendsConflict(c.Conflict) || !c.Fits() || !x.sendsKey(t.Table, c.Key, "decisions about conflicts") {
			return nil
		}
		if t != of || len(some) == resolutionsAtOnce {
			if err := x.writeResolved(ctx, of, some); err != nil {
				return err
			}
			of, some = t, nil
		}
		some = append(some, c)
		return nil
	})
	if err != nil {
		return err
	}
	return x.writeResolved(ctx, of, some)
}

// writeResolved writes decisions about conflicts of one table.
func (x *exporter) writeResolved(ctx context.Context, t *table, some []journal.ResolvedConflict) error {
	if len(some) == 0 {
		return nil
	}
	f, err := x.out.current()
	if err != nil {
		return err
	}
	if err := f.dict.makeRoom(4 * len(some)); err != nil {
		return err
	}
	r := &batch.Records{}
	if r.Table, err = f.dict.number(t.Table); err != nil {
		return err
	}
	var keys, digests []string
	for _, c := range some {
		digests = append(digests, c.Digest)
	}
	theirs, err := x.j.TheirDigests(ctx, x.snap, x.aliases, t.Table, digests)
	if err != nil {
		return err
	}
	for _, c := range some {
		d := c.Resolution
		c.Digest = cmp.Or(theirs[c.Digest], c.Digest)
		keys = append(keys, c.Key)
		r.Columns, r.Values, r.Notes = append(r.Columns, c.Column), append(r.Values, []byte(c.Digest)), append(r.Notes, batch.NoteResolution+string(d.How))
		r.LostTimes, r.LostAuthors = append(r.LostTimes, c.Loser.Time), append(r.LostAuthors, c.Loser.Author)
		r.WonTimes, r.WonAuthors = append(r.WonTimes, d.Time), append(r.WonAuthors, d.Author)
		r.At, r.Epochs = append(r.At, d.Time), append(r.Epochs, d.Epoch)
	}
	if r.Keys, err = f.dict.indexes(t.Table, keys); err != nil {
		return err
	}
	return f.w.Records(r)
}
