package export

import (
	"context"
	"slices"

	"github.com/omsync/omsync/batch"
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
		r.Notes = []string{"deletion"}
	}
	if c.Value != nil {
		r.Values[0] = []byte(x.theirsOfColumn(t.Column(c.Column), *c.Value))
	}
	return f.w.Records(r)
}
