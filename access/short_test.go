package access_test

import (
	"testing"

	"github.com/omsync/omsync/access"
)

// Rows are named short at both ends where the child has all that the parent has.
func TestNamesShort(t *testing.T) {
	named := map[access.Direction]bool{access.Both: true, access.Down: true, access.Add: true}
	for _, d := range []access.Direction{access.Both, access.Down, access.Add, access.None, access.Up, access.Own} {
		for _, role := range []access.Role{access.Parent, access.Child} {
			r := access.On(access.Table{Direction: d}, 1, role)
			if got := r.NamesShort(false); got != named[d] {
				t.Errorf("%s, to a %s: %v", d, role, got)
			}
			if r.NamesShort(true) {
				t.Errorf("%s, to a %s: although rows stay", d, role)
			}
		}
	}
}
