package schema

import (
	"slices"
	"testing"
)

func TestForceIndex(t *testing.T) {
	a, b, c, d := &Column{Name: "a"}, &Column{Name: "b"}, &Column{Name: "c"}, &Column{Name: "d"}
	table := &Table{indexes: []index{
		{name: "PRIMARY", unique: true, lookup: true, columns: []*Column{a, b}},
		{name: "expression", unique: true, lookup: true, columns: []*Column{nil, d}},
		{name: "text", columns: []*Column{d}},
		{name: "two`", lookup: true, columns: []*Column{c, b}},
		{name: "u_b", unique: true, lookup: true, columns: []*Column{b}},
		{name: "u_c", unique: true, lookup: true, prefix: true, columns: []*Column{c}},
	}}
	for _, x := range []struct {
		on   []*Column
		want string
	}{
		{[]*Column{a, b}, " FORCE INDEX (`PRIMARY`)"},
		{[]*Column{b}, " FORCE INDEX (`u_b`)"},
		{[]*Column{a}, " FORCE INDEX (`PRIMARY`)"}, // its beginning
		{[]*Column{b, c}, " FORCE INDEX (`u_b`)"},  // one row is better than two columns
		{[]*Column{a, c}, " FORCE INDEX (`PRIMARY`)"},
		{[]*Column{c}, " FORCE INDEX (`two```)"},
		{[]*Column{d}, ""},
		{nil, ""},
	} {
		if got := table.ForceIndex(x.on); got != x.want {
			t.Errorf("%v: %q, want %q", slices.Collect(func(yield func(string) bool) {
				for _, c := range x.on {
					yield(c.Name)
				}
			}), got, x.want)
		}
	}
}
