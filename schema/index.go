package schema

import "slices"

// ForceIndex returns a hint that makes a server look up rows by values of these columns in an index: FORCE INDEX and the best
// one's name, or nothing if no index begins with one of them. Without it a server reads, and in a locking statement locks,
// the whole of a table that it takes for small, and it takes one for small for a while after many rows came.
func (t *Table) ForceIndex(columns []*Column) string {
	best, most := "", 0
	for _, ix := range t.indexes {
		if !ix.lookup || slices.Contains(ix.columns, nil) {
			continue
		}
		n := 0
		for n < len(ix.columns) && slices.Contains(columns, ix.columns[n]) {
			n++
		}
		if n == 0 {
			continue
		}
		score := n
		if n == len(ix.columns) && ix.unique && !ix.prefix { // one row at most
			score += 1000
			if ix.name == "PRIMARY" {
				score += 1000
			}
		}
		if score > most {
			best, most = ix.name, score
		}
	}
	if best == "" {
		return ""
	}
	return " FORCE INDEX (" + Quote(best) + ")"
}
