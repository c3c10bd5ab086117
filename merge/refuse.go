package merge

// RefuseDeletions returns, for each of a batch's n deletions, whether it stays out. refs holds pairs of referrer and target: the target is the number of a
// deletion, the referrer the number of a deletion or -1 for a row that stays here (among them rows that are in the batch as
// deletions but outlive them, which are no targets either: see Import.Outlives). It is to be called once the live rows of the batch are in.
//
// A row that something here still needs cannot go; and with it stay the rows that refer to it or that it refers to, so that a
// patient purged there, to whom something was added here, comes back whole and not as a shell without a name.
func RefuseDeletions(n int, refs [][2]int) []bool {
	refused := make([]bool, n)
	neighbours := make([][]int, n)
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
		neighbours[r[0]] = append(neighbours[r[0]], r[1])
		neighbours[r[1]] = append(neighbours[r[1]], r[0])
	}
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, k := range neighbours[i] {
			stay(k)
		}
	}
	return refused
}
