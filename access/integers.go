package access

// Applications name rows by their integers in settings, templates and reports, where no schema says so. So rows of tables that only flow
// down keep the parent's integers as far as they are free: nobody else adds rows there.

// SendsIntegers reports whether rows of the table go to the peer with their integers here.
func (r Rules) SendsIntegers() bool { return !r.up && r.table.Direction == Down }

// TakesIntegers reports whether new rows of the table get the integers that they have at the peer, where these are free.
func (r Rules) TakesIntegers() bool { return r.up && r.table.Direction == Down }

// highestKept returns the highest integer that a row keeps, of a column that takes no higher one than most. What is above it is left to
// the server's counter, which goes above each integer that is written: no peer uses it up.
func highestKept(most int64) int64 { return most / 2 }

// KeepIntegers returns the integers that new rows of a block keep of those that came with them (0: none did), in a column that takes no
// higher one than most; 0 for a row that gets another.
func KeepIntegers(sent []int64, most int64, taken func(int64) bool) []int64 {
	out := make([]int64, len(sent))
	given := map[int64]bool{}
	for i, n := range sent {
		if n < 1 || n > highestKept(most) || given[n] || taken(n) {
			continue
		}
		out[i], given[n] = n, true
	}
	return out
}

// apart is how far above the parent's integers rows get theirs that could not keep it.
const apart = 1 << 20

// IntegersApart returns the first of n integers for new rows that could not keep theirs, beside rows that came with such as
// highestSent; highestHere is the highest in the table. They must not take the integers of rows that the parent has yet to send. 0: the
// server may give the next ones, because its counter is high enough, or the column takes no such integers.
func IntegersApart(n int, highestSent, highestHere, most int64) int64 {
	if highestSent < 1 || highestSent > highestKept(most) || highestHere >= highestSent+apart/2 {
		return 0
	}
	first := max(highestHere, highestSent) + apart
	if first > highestKept(most)-int64(n) {
		return 0
	}
	return first
}
