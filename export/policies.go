package export

import (
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/merge"
)

// tellPolicies settles by which columns, without values, a child is told the policies of a table. One for all columns takes one.
func (t *table) tellPolicies(p merge.Policies) {
	for _, policy := range []merge.Policy{merge.Parent, merge.Child} {
		var has []string
		for _, c := range t.columns {
			if bit := t.meta.Bit(c.Name); bit > 0 && p.Of(bit) == policy {
				has = append(has, batch.PolicyColumn(c.Name, policy.String()))
			}
		}
		if len(has) > 0 && len(has) == len(t.columns) {
			has = []string{batch.PolicyColumn("", policy.String())}
		}
		t.policies = append(t.policies, has...)
	}
}
