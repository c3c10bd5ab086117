package apply

import (
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/merge"
)

// saysPolicy takes in a column that is none of the table but says by what the sender decides conflicts in one; false if it is something else.
func (v *resolver) saysPolicy(t *sentTable, i int) bool {
	sent := t.Columns[i]
	name, says, ok := batch.ParsePolicyColumn(sent.Name)
	if !ok || sent.Slot != 0 || sent.Ref {
		return false
	}
	policy, known := merge.ParsePolicy(says)
	l := t.local
	switch c := l.Column(name); {
	case !known:
	case name == "":
		t.policies.Set(l.mask.Columns(), policy)
	case c != nil:
		if bit := l.journal.Bit(c.Name); bit > 0 {
			t.policies.Set(merge.Bit(bit), policy)
		}
	}
	return true
}
