package tables

import (
	"cmp"
	"slices"
)

// Sums is a [Set] with what is the same on several links put together: with many children a set is long.
type Sums struct {
	Sums   []Sum `json:"sums"`
	Cuts   []Cut `json:"cuts,omitempty"` // each at the first peer alone
	DryRun bool  `json:"dry_run,omitempty"`
}

// Sum is a change of a table that is the same on some links.
type Sum struct {
	Table  string   `json:"table"`
	Before string   `json:"before"`
	After  string   `json:"after"`
	Links  int      `json:"links"`
	Peers  []string `json:"peers"` // the first of them
	Again  bool     `json:"sent_again,omitempty"`
	Sends  int64    `json:"sends,omitempty"` // rows here, of which each of them is sent what it is to have
	Stays  int64    `json:"stays,omitempty"` // rows here of which each of them keeps what it has
}

// maxNamed is how many peers a sum names.
const maxNamed = 3

// Sum puts together what is the same on several links, in the order of tables.
func (s *Set) Sum() *Sums {
	out := &Sums{Sums: []Sum{}, DryRun: s.DryRun}
	type same struct {
		table, before, after string
		again                bool
	}
	at := map[same]int{}
	for _, c := range s.Changes {
		id := same{c.Table, c.Before, c.After, c.Again}
		i, ok := at[id]
		if !ok {
			i = len(out.Sums)
			at[id] = i
			out.Sums = append(out.Sums, Sum{Table: c.Table, Before: c.Before, After: c.After, Again: c.Again, Sends: c.Sends, Stays: c.Stays})
		}
		if out.Sums[i].Links++; out.Sums[i].Links <= maxNamed {
			out.Sums[i].Peers = append(out.Sums[i].Peers, c.Peer)
		}
	}
	slices.SortStableFunc(out.Sums, func(a, b Sum) int { return cmp.Or(cmp.Compare(a.Table, b.Table), b.Links-a.Links) })
	for _, c := range s.Cuts {
		if !slices.ContainsFunc(out.Cuts, func(x Cut) bool { return x.Table == c.Table && x.Column == c.Column && x.To == c.To }) {
			out.Cuts = append(out.Cuts, c)
		}
	}
	return out
}
