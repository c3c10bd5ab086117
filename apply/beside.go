package apply

import (
	"strings"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/schema"
)

// findBeside finds the columns that have the keys of what other columns' values refer to.
func (t *sentTable) findBeside() {
	byName := map[string]int{}
	for i, c := range t.Columns {
		byName[c.Name] = i
	}
	for i, c := range t.Columns {
		name, ok := strings.CutSuffix(c.Name, batch.BesideSuffix)
		if !ok || !c.Ref || c.Slot != 0 {
			continue
		}
		if of, ok := byName[name]; ok && !t.Columns[of].Ref {
			if t.beside == nil {
				t.beside = map[int]int{}
			}
			t.beside[of] = i
		}
	}
}

// hasBeside reports whether keys come beside the values of a column.
func (t *sentTable) hasBeside(i int) bool {
	_, ok := t.beside[i]
	return ok
}

// isBeside reports whether a column has the keys of another's values.
func (t *sentTable) isBeside(i int) bool {
	for _, at := range t.beside {
		if at == i {
			return true
		}
	}
	return false
}

// withoutKeys does what becomes of a column that holds the sender's numbers, and of its table. It reports whether the column is left out.
func (v *resolver) withoutKeys(t *sentTable, st *schema.Table, c *schema.Column) bool {
	const update = "it sends the table again once it runs this program too"
	switch c.WithoutKeys() {
	case schema.TakeValues:
		return false
	case schema.LeaveColumn:
		v.notes.add("%s.%s refers to %s, and %s sends numbers of its own for it: left out; %s", st.Name, c.Name, c.Ref.To.Name, v.peer.Name, update)
	default:
		t.why = v.peer.Name + " sends numbers of its own in " + st.Name + "." + c.Name + ", which refers to " + c.Ref.To.Name + "; " + update
	}
	return true
}

// joinBeside puts keys that came beside values in their place. Of what always refers to a row only the key counts.
func (t *sentTable) joinBeside(b *batch.Rows) {
	for i, at := range t.beside {
		c, keys := t.columns[i], b.Columns[at].Refs
		switch {
		case c == nil || c.Ref == nil || b.Columns[i].Bytes == nil:
		case c.Ref.When != nil:
			b.Columns[i].Refs = keys
		default:
			b.Columns[i] = batch.Values{Refs: keys}
		}
	}
}
