package schema

import (
	"cmp"
	"slices"
)

// edges are what one table must, or should, come after.
type edges struct {
	hard map[*Table]bool // must exist before: NOT NULL, or part of the key
	soft map[*Table]bool // can be patched afterwards
}

// orderTables returns the replicated tables, referred ones first, and sets their Position and Depth.
//
// The tables of a cycle are taken in turn: next comes the one with no hard parent left in the cycle and the fewest soft ones,
// by name among equals. What is left of the cycle may then be none, and is looked at anew. If hard references alone form
// the cycle, the table with the fewest of them goes first.
func orderTables(tables []*Table) []*Table {
	graph := map[*Table]edges{}
	var nodes []*Table
	for _, t := range tables {
		if t.Replicated {
			nodes = append(nodes, t)
			graph[t] = edges{map[*Table]bool{}, map[*Table]bool{}}
		}
	}
	slices.SortFunc(nodes, byName)
	for _, to := range nodes {
		for _, r := range to.Children {
			from := r.From.Table
			e, ok := graph[from]
			switch {
			case !ok || from == to:
			case r.When == nil && (!r.From.Nullable || r.From.Key):
				e.hard[to] = true
			case r.From.Excluded == "":
				e.soft[to] = true
			}
		}
	}
	order := (&sorter{graph: graph}).sort(nodes)
	for i, t := range order {
		t.Position, t.Depth = i, 0
		for p := range graph[t].hard {
			if p.Position >= 0 && p.Position < i {
				t.Depth = max(t.Depth, p.Depth+1)
			}
		}
	}
	return order
}

type sorter struct{ graph map[*Table]edges }

// sort orders the nodes, which are sorted by name, looking at edges among them alone.
func (s *sorter) sort(nodes []*Table) []*Table {
	var order []*Table
	for _, part := range s.components(nodes) {
		if len(part) == 1 {
			order = append(order, part[0])
			continue
		}
		among := map[*Table]bool{}
		for _, t := range part {
			among[t] = true
		}
		count := func(parents map[*Table]bool) (n int) {
			for p := range parents {
				if among[p] {
					n++
				}
			}
			return n
		}
		// The first of equals, and a part is sorted by name.
		first := slices.MinFunc(part, func(a, b *Table) int {
			return cmp.Or(
				cmp.Compare(count(s.graph[a].hard), count(s.graph[b].hard)),
				cmp.Compare(count(s.graph[a].soft), count(s.graph[b].soft)))
		})
		rest := slices.DeleteFunc(part, func(t *Table) bool { return t == first })
		order = append(append(order, first), s.sort(rest)...)
	}
	return order
}

// components returns the strongly connected components among the nodes (Tarjan's algorithm), referred ones first, each sorted by
// name.
func (s *sorter) components(nodes []*Table) [][]*Table {
	var (
		parts [][]*Table
		stack []*Table
		index = map[*Table]int{} // 1 and up: order of discovery
		low   = map[*Table]int{}
		among = map[*Table]bool{}
		open  = map[*Table]bool{}
		visit func(t *Table)
	)
	for _, t := range nodes {
		among[t] = true
	}
	visit = func(t *Table) {
		index[t] = len(index) + 1
		low[t] = index[t]
		stack, open[t] = append(stack, t), true
		for _, p := range s.graph[t].parents() {
			switch {
			case !among[p]:
			case index[p] == 0:
				visit(p)
				low[t] = min(low[t], low[p])
			case open[p]:
				low[t] = min(low[t], index[p])
			}
		}
		if low[t] != index[t] {
			return
		}
		at := slices.Index(stack, t)
		part := slices.Clone(stack[at:])
		stack = stack[:at]
		for _, m := range part {
			open[m] = false
		}
		slices.SortFunc(part, byName)
		parts = append(parts, part)
	}
	for _, t := range nodes {
		if index[t] == 0 {
			visit(t)
		}
	}
	return parts
}

// parents returns the tables of both kinds of edges, by name.
func (e edges) parents() []*Table {
	var all []*Table
	for t := range e.hard {
		all = append(all, t)
	}
	for t := range e.soft {
		if !e.hard[t] {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, byName)
	return all
}

func byName(a, b *Table) int { return cmp.Compare(a.Name, b.Name) }
