package export

import (
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/merge"
)

// tellPolicies settles by which columns, without values, a child is told the policies of a table. Those of whole tables take one.
func (t *table) tellPolicies(p merge.Policies) {
	all := t.mask &^ merge.Existence
	for _, policy := range []merge.Policy{merge.Parent, merge.Child} {
		var has merge.Mask
		for _, c := range t.columns {
			if bit := t.meta.Bit(c.Name); bit != 0 && p.Of(bit) == policy {
				has |= bit
			}
		}
		if has != 0 && has == all {
			t.policies = []string{batch.PolicyColumn("", policy.String())}
			return
		}
		for _, c := range t.columns {
			if has&t.meta.Bit(c.Name) != 0 {
				t.policies = append(t.policies, batch.PolicyColumn(c.Name, policy.String()))
			}
		}
	}
}
