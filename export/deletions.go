package export

import (
	"context"
	"slices"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// deletions writes what the peer does not know to be deleted, children before parents.
func (x *export) deletions(ctx context.Context) error {
	tables := x.tables()
	for i := len(tables) - 1; i >= 0; i-- {
		t := tables[i]
		if x.up() && x.j.Profile.Direction(t.Name) == access.Down {
			continue
		}
		dead, err := journal.NewerTombstones(ctx, x.snap, x.j.Tables[t.Name].ID, x.head.Base.Epoch, x.peer.ID, x.j.Authors)
		if err != nil {
			return err
		}
		filter := x.j.Profile.RowFilter(t.Name)
		dead = slices.DeleteFunc(x.laidOver(t, dead), func(d journal.Tombstone) bool {
			stays, _ := journal.FilteredOut(t, filter, d.Key)
			return stays
		})
		for start := 0; start < len(dead); start += blockRows {
			if err := x.dead(t, dead[start:min(start+blockRows, len(dead))]); err != nil {
				return err
			}
		}
	}
	return nil
}

// laidOver brings what was just sealed into the deletions that the snapshot holds.
func (x *export) laidOver(t *schema.Table, dead []journal.Tombstone) []journal.Tombstone {
	st := x.sealed.Tables[t]
	if st == nil {
		return dead
	}
	gone := map[string]bool{}
	for _, k := range st.Back {
		gone[k] = true
	}
	for _, d := range st.Dead {
		gone[d.Key] = true
	}
	out := append([]journal.Tombstone(nil), st.Dead...)
	for _, d := range dead {
		if !gone[d.Key] {
			out = append(out, d)
		}
	}
	return out
}

func (x *export) dead(t *schema.Table, dead []journal.Tombstone) error {
	if x.w == nil {
		if err := x.open(false); err != nil {
			return err
		}
	}
	if err := x.d.room(len(dead) * 4); err != nil {
		return err
	}
	number, err := x.d.table(t)
	if err != nil {
		return err
	}
	b := &batch.Deletions{Table: number}
	ks := make([]string, len(dead))
	for i, d := range dead {
		ks[i] = d.Key
		_, s := merge.Row{Known: true, Dead: d.Version}.Outgoing(x.peer.ID)
		b.Times, b.Authors, b.Epochs = append(b.Times, s.Time), append(b.Authors, s.Author), append(b.Epochs, s.Epoch)
	}
	if b.Keys, err = x.d.byKeys(t, ks); err != nil {
		return err
	}
	x.one.Deletions += int64(len(dead))
	return x.w.Deletions(b)
}

// tells says whether the peer may know of a conflict: a record holds a value, which goes no further than its column does.
// That a deletion lost goes up with the row that stayed, see mine.
func (x *export) tells(t *schema.Table, c journal.Conflict) bool {
	switch d := x.j.Profile.Direction(t.Name); {
	case d == access.None, d == access.Down && x.up() && (!c.Deletion || x.j.Profile.Rights(t.Name)):
		return false
	}
	return c.Column == "" || slices.ContainsFunc(x.columns(t), func(k *schema.Column) bool { return k.Name == c.Column })
}

// records writes the conflicts that the peer does not know of.
func (x *export) records(ctx context.Context) error {
	return journal.NewerConflicts(ctx, x.snap, x.head.Base.Epoch, x.peer.ID, func(c journal.Conflict) error {
		t := x.j.Catalogue.Table(c.Table)
		if t == nil || x.j.Tables[c.Table] == nil {
			return nil // of a table that is no more
		}
		if !x.tells(t, c) {
			return nil
		}
		if x.w == nil {
			if err := x.open(!x.split); err != nil {
				return err
			}
		}
		if err := x.d.room(4); err != nil {
			return err
		}
		number, err := x.d.table(t)
		if err != nil {
			return err
		}
		ks, err := x.d.byKeys(t, []string{c.Key})
		if err != nil {
			return err
		}
		r := &batch.Records{Table: number, Keys: ks, Columns: []string{c.Column}, Values: [][]byte{nil}, LostTimes: []int64{c.Loser.Time}, LostAuthors: []string{c.Loser.Author},
			WonTimes: []int64{c.Winner.Time}, WonAuthors: []string{c.Winner.Author}, At: []int64{c.At}, Epochs: []uint64{c.Epoch}}
		if c.Deletion {
			r.Notes = []string{"deletion"}
		}
		if c.Value != nil {
			r.Values[0] = []byte(*c.Value)
		}
		return x.w.Records(r)
	})
}
