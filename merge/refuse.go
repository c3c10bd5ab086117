package merge

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
