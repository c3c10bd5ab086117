package schema

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// edge is a reference in a made-up catalogue.
type edge struct {
	from, to         int
	nullable, isCond bool
}

// graph makes a catalogue of n tables with those references, as build would.
func graph(n int, list []edge) []*Table {
	tables := make([]*Table, n)
	for i := range tables {
		tables[i] = &Table{Name: fmt.Sprintf("t%02d", i), Replicated: true, Position: -1}
	}
	for i, e := range list {
		c := &Column{Table: tables[e.from], Name: fmt.Sprintf("c%d", i), Nullable: e.nullable}
		r := &Ref{From: c, To: tables[e.to]}
		if e.isCond {
			r.To, r.When = nil, &Condition{Targets: map[string]*Table{"X": tables[e.to]}}
		}
		c.Ref = r
		tables[e.from].Columns = append(tables[e.from].Columns, c)
		tables[e.to].Children = append(tables[e.to].Children, r)
	}
	return tables
}

func edgesOf(t *rapid.T, n int, acyclic func(e edge) bool) []edge {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) edge {
		e := edge{rapid.IntRange(0, n-1).Draw(t, "from"), rapid.IntRange(0, n-1).Draw(t, "to"), rapid.Bool().Draw(t, "nullable"), rapid.IntRange(0, 9).Draw(t, "conditional") == 0}
		if acyclic(e) && e.from < e.to { // numbers fall from child to parent
			e.from, e.to = e.to, e.from
		}
		return e
	}), 0, 3*n).Draw(t, "edges")
}

func positions(order []*Table) string {
	var s []string
	for _, t := range order {
		s = append(s, t.Name)
	}
	return strings.Join(s, " ")
}

// Without cycles of hard references every hard reference is respected; soft ones are broken only inside cycles.
func TestOrderRespectsHardReferences(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 14).Draw(t, "tables")
		list := edgesOf(t, n, func(e edge) bool { return !e.nullable && !e.isCond })
		tables := graph(n, list)
		order := orderTables(tables)
		if len(order) != n {
			t.Fatalf("%d of %d tables in the order", len(order), n)
		}
		for i, table := range order {
			if table.Position != i {
				t.Fatalf("%s has position %d, not %d", table.Name, table.Position, i)
			}
		}
		for _, e := range list {
			from, to := tables[e.from], tables[e.to]
			if from == to || to.Position < from.Position {
				continue
			}
			if !e.nullable && !e.isCond {
				t.Fatalf("%s must come after %s: %s", from.Name, to.Name, positions(order))
			}
			if !reaches(list, e.to, e.from) {
				t.Fatalf("%s could have come after %s: %s", from.Name, to.Name, positions(order))
			}
		}
	})
}

// The order depends on names and references alone, whatever order they are found in and whatever cycles there are.
func TestOrderIsDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 14).Draw(t, "tables")
		list := edgesOf(t, n, func(edge) bool { return false })
		first := orderTables(graph(n, list))
		tables := graph(n, rapid.Permutation(list).Draw(t, "permuted"))
		slices.Reverse(tables)
		again := orderTables(tables)
		if a, b := positions(first), positions(again); a != b || len(first) != n {
			t.Fatalf("%s\n%s", a, b)
		}
		for i, table := range first {
			if again[i].Depth != table.Depth {
				t.Fatalf("%s: depth %d and %d", table.Name, table.Depth, again[i].Depth)
			}
		}
	})
}

func reaches(list []edge, from, to int) bool {
	seen := map[int]bool{from: true}
	for todo := []int{from}; len(todo) > 0; todo = todo[1:] {
		for _, e := range list {
			if e.from == todo[0] && !seen[e.to] {
				seen[e.to] = true
				todo = append(todo, e.to)
			}
		}
	}
	return seen[to]
}

func TestPatched(t *testing.T) {
	// person's creator is a user, who is a person; obs belong to groups of obs.
	tables := graph(3, []edge{{0, 1, true, false}, {1, 0, false, false}, {2, 2, true, false}, {2, 0, false, false}})
	orderTables(tables)
	for i, want := range []bool{true, false} {
		if got := tables[i].Columns[0].Ref.Patched(); got != want {
			t.Errorf("%s: patched %t, want %t", tables[i].Name, got, want)
		}
	}
	if !tables[2].Columns[0].Ref.Patched() || tables[2].Columns[1].Ref.Patched() {
		t.Error("a self-reference is patched, a reference to an earlier table is not")
	}
}

func TestLongChain(t *testing.T) {
	const n = 400
	var list []edge
	for i := range n {
		list = append(list, edge{i, (i + 1) % n, true, false}) // one ring
	}
	if got := orderTables(graph(n, list)); len(got) != n {
		t.Errorf("%d of %d tables in the order", len(got), n)
	}
}
