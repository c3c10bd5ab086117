package merge

// Return returns what becomes of a row that was deleted here and that comes back as it was, because a row that is taken refers to it: an
// edit made here at that time (µs since 1970 UTC), above the deletion, which goes to everybody. The deletion lost; that its author
// may have known better is recorded, as it is of every deletion that loses.
func (im *Import) Return(dead Row, columns Mask, at int64) Outcome {
	row := im.stamper().Insert(dead, columns, at)
	return Outcome{Row: row, Action: Insert, Write: columns.Columns(), Changed: true,
		Conflicts: []Conflict{{Mask: Bit(Existence), Deletion: true, Loser: dead.Dead.Stamp, Winner: row.highest()}}}
}

// RefuseDeletions returns, for each of a batch's n deletions, whether it is refused: its row stays. It is to be called once the live
// rows of the batch are in.
//
// refs says what refers to what, in pairs of numbers: the row that refers, and the row that it refers to. A row that the batch
// deletes has the number of its deletion, from 0. A row that stays here has the number -1, and is never the second of a pair. A row
// that outlives its deletion (see Import.Outlives) is one that stays: it has -1 too.
//
// A row that something here still refers to cannot go. With it stay the rows that refer to it or that it refers to. So a patient who
// was purged there, and to whom something was added here, comes back whole, with the name.
func RefuseDeletions(n int, refs [][2]int) []bool {
	refused := make([]bool, n)
	related := make([][]int, n)
	var todo []int
	stay := func(i int) {
		if !refused[i] {
			refused[i] = true
			todo = append(todo, i)
		}
	}
	for _, r := range refs {
		if r[0] < 0 {
			stay(r[1])
			continue
		}
		related[r[0]] = append(related[r[0]], r[1])
		related[r[1]] = append(related[r[1]], r[0])
	}
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, k := range related[i] {
			stay(k)
		}
	}
	return refused
}
