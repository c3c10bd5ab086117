package apply

import (
	"errors"
	"fmt"
	"io"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// apply reads the batch and brings it in: deletions first, so that what they free can be used, then rows, then whatever
// had to wait for them.
func (x *run) apply(h *batch.Header, im merge.Import) error {
	x.im = im
	x.im.Self, x.im.Peer, x.im.Epoch, x.im.FromParent = x.j.Self, x.peer.ID, x.epoch.Epoch, x.peer.Role == access.Parent
	x.maker = merge.Stamper{Self: x.j.Self, Epoch: x.epoch.Epoch}
	resent, err := journal.ResendEpochs(x.ctx, x.c, 0)
	if err != nil {
		return err
	}
	x.again = set(resent)
	theirs := set(h.Resent)
	x.im.PeerResent = func(e uint64) bool { return theirs[e] }
	x.im.OwnResent = func(e uint64) bool { return x.again[e] }
	x.tables, x.numbers, x.locals = map[string]*table{}, map[uint32]*table{}, map[string]*local{}
	x.present = map[*local]map[shared]bool{}
	rows := false
	for {
		item, err := x.r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if _, dead := item.(*batch.Deletions); !dead && len(x.going) > 0 {
			switch item.(type) {
			case *batch.Rows, *batch.Records, *batch.ResetItem:
				if err := x.delete(false); err != nil {
					return err
				}
			}
		}
		switch i := item.(type) {
		case *batch.TableItem:
			err = x.describe(i)
		case *batch.KeysItem:
			err = x.learn(i)
		case *batch.ResetItem:
			x.dict.reset()
		case *batch.Deletions:
			if rows {
				return fmt.Errorf("%w: deletions after rows", batch.ErrCorrupt) // what was found by then may be gone
			}
			err = x.collect(i)
		case *batch.Rows:
			rows = true
			err = x.block(i)
		case *batch.Records:
			err = x.records(i)
		default:
			err = fmt.Errorf("an item of type %T is of a later format: use a newer omsync", i)
		}
		if err != nil {
			return err
		}
	}
	if err := x.delete(false); err != nil {
		return err
	}
	if err := x.patch(false); err != nil {
		return err
	}
	x.going, x.deferred = x.deferred, nil
	if err := x.delete(true); err != nil {
		return err
	}
	if err := x.writeLate(); err != nil {
		return err
	}
	if err := x.patch(true); err != nil {
		return err
	}
	if err := x.saveDefaults(); err != nil {
		return err
	}
	if err := x.recordLost(); err != nil {
		return err
	}
	for _, l := range x.counted {
		x.report.Tables = append(x.report.Tables, l.count)
	}
	return x.reindex() // last: the application may want that row too
}

func set(list []uint64) map[uint64]bool {
	out := make(map[uint64]bool, len(list))
	for _, n := range list {
		out[n] = true
	}
	return out
}

// table is a table as the batch describes it, beside what it is here.
type table struct {
	batch.Table
	local   *local           // nil: not here, or it does not travel here
	keys    *local           // where its rows are looked up by their keys; nil: nowhere
	columns []*schema.Column // parallel to Table.Columns; nil: not here
	bits    [64]merge.Mask   // slot in the batch → bits here
	why     string           // why its rows cannot be applied
}

// local is a table as it is here.
type local struct {
	*schema.Table
	jt      *journal.Table         // nil: it does not travel, and keys are looked up in it alone
	written []*schema.Column       // all columns but generated ones: what is read of a row to be updated, and written back
	at      map[*schema.Column]int // place in written
	mask    merge.Mask             // existence and all columns with versions

	direction access.Direction
	excluded  merge.Mask // columns that never go up

	touched  bool
	virgin   bool         // it was empty when this import first touched it, and nothing is known of it: nothing need be looked up
	filled   bool         // but this import has put rows into it
	deaths   bool         // there are deletions to look up
	standard *merge.Group // the default version that this import gives it
	next     int64        // last integer given, where the server gives none

	count TableReport // its line in the report
}

// describe takes in a table's description and finds its counterpart.
func (x *run) describe(i *batch.TableItem) error {
	t := &table{Table: i.Table, columns: make([]*schema.Column, len(i.Table.Columns))}
	x.tables[t.Name], x.numbers[i.Number] = t, t
	st := x.j.Catalogue.Table(t.Name)
	switch {
	case st == nil:
		t.why = "there is no such table here"
	case !st.Replicated || x.j.Tables[st.Name] == nil:
		t.why = "the table does not travel here (" + st.Why + ")"
		if st.Key != schema.KeyNone && sameKey(t, st) == nil { // what does travel may refer to its rows
			t.keys = x.local(st)
		}
	default:
		return x.match(t, st)
	}
	return nil
}

// sameKey makes sure that rows are identified in the same way on both sides.
func sameKey(t *table, st *schema.Table) error {
	if len(t.Key) != len(st.KeyColumns) || t.Root != st.Root.Name {
		return fmt.Errorf("%w: rows of %s are identified in another way there: use the same profile on both sides", ErrSchemas, t.Name)
	}
	for i, c := range st.KeyColumns {
		if t.Key[i].Name != c.Name || t.Key[i].Ref != (c.Ref != nil) {
			return fmt.Errorf("%w: rows of %s are identified by %s there and by %s here: use the same profile on both sides", ErrSchemas, t.Name, t.Key[i].Name, c.Name)
		}
	}
	return nil
}

func (x *run) match(t *table, st *schema.Table) error {
	if err := sameKey(t, st); err != nil {
		return err
	}
	t.local = x.local(st)
	t.keys = t.local
	for i, bc := range t.Columns {
		c := st.Column(bc.Name)
		switch {
		case c == nil:
			x.note("the column %s.%q is not here: its values are left out until it is", st.Name, bc.Name)
			continue
		case c.Excluded != "":
			x.note("the column %s.%s is kept back here (%s): what came for it is left out", st.Name, c.Name, c.Excluded)
			continue
		case bc.Ref != (c.Ref != nil):
			return fmt.Errorf("%w: %s.%s is a reference on one side only: use the same profile on both sides", ErrSchemas, t.Name, bc.Name)
		case x.peer.Role == access.Child && x.j.Profile.Excluded(st.Name, c.Name) == schema.ExcludeUp:
			x.note("%s may not send the column %s.%s: left out", x.peer.Name, st.Name, c.Name)
			continue
		}
		t.columns[i] = c
		t.bits[bc.Slot] |= t.local.jt.Bit(c.Name)
	}
	t.bits[0] = merge.Existence
	return nil
}

// local is what this import knows of a table here.
func (x *run) local(st *schema.Table) *local {
	if l := x.locals[st.Name]; l != nil {
		return l
	}
	l := &local{Table: st, jt: x.j.Tables[st.Name], at: map[*schema.Column]int{}}
	l.direction = x.j.Profile.Direction(st.Name)
	for _, c := range st.Columns {
		if l.jt != nil && x.j.Profile.Excluded(st.Name, c.Name) == schema.ExcludeUp {
			l.excluded |= l.jt.Bit(c.Name)
		}
		if !c.Generated {
			l.at[c] = len(l.written)
			l.written = append(l.written, c)
		}
	}
	if l.jt != nil {
		l.mask = x.j.Mask(st)
		l.count.Table = st.Name
		x.counted = append(x.counted, l)
	}
	x.locals[st.Name] = l
	return l
}
