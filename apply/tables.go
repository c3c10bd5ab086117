package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// sentTable is a table as the batch describes it, beside what it is here.
type sentTable struct {
	batch.Table
	local    *localTable      // nil: not here, or it is not exchanged here
	keys     *localTable      // where its rows are looked up by their keys; nil: nowhere
	keyAt    []int            // by key column here: its place in Table.Key
	columns  []*schema.Column // parallel to Table.Columns; nil: not here
	beside   map[int]int      // by column: the column that has the keys of its values
	policies merge.Policies   // that the sender says it has
	lacks    merge.Lacks      // columns that are here and are not, or were not, at the sender
	why      string           // why its rows cannot be applied
}

// localTable is a table as it is here, with what this import knows of it.
type localTable struct {
	*schema.Table
	journal *journal.Table         // nil: it is not exchanged, and keys are looked up in it alone
	rules   access.Rules           // on the link to the sender
	filters journal.Filters        // of rows that stay where they are
	written []*schema.Column       // all columns but generated ones: what is read of a row to be updated, and written back
	bits    []int                  // their bits; 0: none
	place   map[*schema.Column]int // their places in written
	mask    merge.Mask             // existence and all columns with versions
	whole   merge.Mask             // columns that every sender sends who has them
	byName  bool                   // others refer to its rows by name

	collides     bool         // another row here had a value of a new one that only one may have: from then on such rows are looked for first
	touched      bool         // the following is known
	emptyAtStart bool         // there was nothing in it when it was first touched, and nothing is known of it: nothing need be looked up
	tombstones   bool         // there are deletions to look up
	filled       bool         // this import has put rows into it
	bulkVersion  *merge.Group // the default version that this import gives it
	nextInteger  int64        // the last one given, where the server gives none
	highest      int64        // integer above which nothing is known, once highestKnown, apart from apartFrom and what is above it
	highestKnown bool
	apartFrom    int64 // 0: there is none

	named    map[string]bool    // keys of rows that were deleted here and that the sender may only name: counted as refused
	returned int                // rows that came back as they were here
	newNames map[int64]newNames // rows that this import gave names to, by which people log in

	count TableReport
}

// isEmpty reports whether there is nothing to find in the table.
func (l *localTable) isEmpty() bool { return l.emptyAtStart && !l.filled }

// describe takes in a table's description and finds its counterpart.
func (v *resolver) describe(i *batch.TableItem) error {
	t := &sentTable{Table: i.Table, columns: make([]*schema.Column, len(i.Table.Columns))}
	v.sent[i.Number] = t
	st := v.j.Catalogue.Named(t.Name)
	for _, other := range v.sent {
		if st != nil && other != t && v.j.Catalogue.Named(other.Name) == st {
			return fmt.Errorf("%w: %s and %s of the sender are one table here: rename one of them there, or name both under never in a profile file there", ErrSchemas, other.Name, t.Name)
		}
	}
	switch {
	case st == nil:
		t.why = "there is no such table here"
	case !st.Replicated || v.j.Tables[st.Name] == nil:
		t.why = "the table does not travel here (" + st.Why + ")"
		if st.Key != schema.KeyNone && v.sameKey(t, st) == nil { // what is exchanged may refer to its rows
			t.keys = v.table(st)
		}
	default:
		return v.match(t, st)
	}
	return nil
}

// beginSection forgets which tables the numbers of a batch stand for, and its keys. What was found of rows here stays.
func (v *resolver) beginSection() {
	clear(v.sent)
	v.keys.reset()
}

// sameKey makes sure that rows are identified in the same way on both sides, and finds where each key column is in the sender's order:
// that of a primary key may be another there.
func (v *resolver) sameKey(t *sentTable, st *schema.Table) error {
	if len(t.Key) != len(st.KeyColumns) || v.j.Catalogue.Named(t.Root) != st.Root {
		return fmt.Errorf("%w: rows of %s are identified in another way there: use the same profile on both sides", ErrSchemas, t.Name)
	}
	t.keyAt = make([]int, len(st.KeyColumns))
	for i, c := range st.KeyColumns {
		t.keyAt[i] = slices.IndexFunc(t.Key, func(k batch.Column) bool { return strings.EqualFold(k.Name, c.Name) && k.Ref == (c.Ref != nil) })
		if t.keyAt[i] < 0 {
			return fmt.Errorf("%w: rows of %s are identified by %s there and by %s here: use the same profile on both sides", ErrSchemas, t.Name, t.keyNames(), c.Name)
		}
	}
	return nil
}

// keyNames lists the columns of the key as the sender has them.
func (t *sentTable) keyNames() string {
	var names []string
	for _, k := range t.Key {
		names = append(names, k.Name)
	}
	return strings.Join(names, ", ")
}

// match finds the columns of a described table.
func (v *resolver) match(t *sentTable, st *schema.Table) error {
	if err := v.sameKey(t, st); err != nil {
		return err
	}
	t.local = v.table(st)
	t.keys = t.local
	t.findBeside()
	t.lacks = v.peer.Lacks(t.local.journal)
	t.lacks.Now = t.local.whole
	for i, sent := range t.Columns {
		c := st.Column(sent.Name)
		if c != nil {
			t.lacks.Now = t.lacks.Now.Without(merge.Bit(t.local.journal.Bit(c.Name)))
		}
		switch {
		case t.isInteger(i):
			if t.local.keepsIntegers() {
				t.columns[i] = st.Integer
			}
			continue
		case c == nil && (t.isBeside(i) || v.saysPolicy(t, i) || sent.Name == batch.PublicColumn):
			continue
		case c == nil:
			v.notes.add("the column %s.%q is not here: its values are left out until it is", st.Name, sent.Name)
			continue
		case c.Excluded != "":
			v.notes.add("the column %s.%s is kept back here (%s): what came for it is left out", st.Name, c.Name, c.Excluded)
			continue
		case t.local.rules.TakesNot().Has(t.local.journal.Bit(c.Name)):
			v.notes.add("%s may not send the column %s.%s: left out", v.peer.Name, st.Name, c.Name)
			continue
		case !sent.Ref && c.Ref != nil && c.Ref.Beside && !t.hasBeside(i) && v.withoutKeys(t, st, c):
			continue
		}
		t.columns[i] = c
	}
	if t.why != "" {
		t.local = nil
	}
	return nil
}

// table returns what this import knows of a table here.
func (v *resolver) table(st *schema.Table) *localTable {
	if l := v.local[st.Name]; l != nil {
		return l
	}
	l := &localTable{Table: st, journal: v.j.Tables[st.Name], place: map[*schema.Column]int{}}
	l.byName = slices.ContainsFunc(st.Children, (*schema.Ref).ByName)
	for _, c := range st.Columns {
		if c.Generated {
			continue
		}
		l.place[c] = len(l.written)
		l.written = append(l.written, c)
		if l.journal != nil {
			l.bits = append(l.bits, l.journal.Bit(c.Name))
		}
	}
	if l.journal != nil {
		l.mask = v.j.Mask(st)
		l.rules = v.j.On(st, v.peer)
		l.filters = v.j.Filters(st, v.peer)
		for _, c := range v.j.Columns(st) {
			if !v.j.Secret(st, c) && !v.j.ExcludedUp(st, c) {
				l.whole = l.whole.Or(merge.Bit(l.journal.Bit(c.Name)))
			}
		}
		l.whole = l.whole.Without(l.rules.TakesNot())
		l.count.Table = st.Name
		v.exchanged = append(v.exchanged, l)
	}
	v.local[st.Name] = l
	return l
}

// touch is called before anything is looked up in a table or written to it: it finds out whether there is anything to be
// looked up at all.
func (v *resolver) touch(ctx context.Context, l *localTable) error {
	if l.touched {
		return nil
	}
	l.touched = true
	if l.journal == nil {
		return nil
	}
	var err error
	if l.tombstones, err = journal.AnyTombstones(ctx, v.s.conn, l.journal.ID); err != nil {
		return err
	}
	if !v.s.bulkVersions || !l.journal.Default.IsEmpty() || l.tombstones {
		return nil
	}
	rows, err := v.s.number(ctx, "SELECT 1 FROM "+schema.Quote(l.Name)+" LIMIT 1")
	if err != nil {
		return fmt.Errorf("look into %s: %w", l.Name, err)
	}
	if rows > 0 {
		return nil
	}
	known, err := journal.AnyVersionsOrChanges(ctx, v.s.conn, l.journal.ID)
	l.emptyAtStart = !known
	return err
}
