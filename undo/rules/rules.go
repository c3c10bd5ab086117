package rules

import "github.com/omsync/omsync/merge"

// Since tells what came from a peer since a time.
type Since struct {
	Peer   merge.Peer
	Name   string                  // of the peer
	First  uint64                  // this node's first epoch since the time
	Time   int64                   // the time, µs since 1970 UTC
	Resent func(epoch uint64) bool // this node's epochs that only send again what was there before
}

// Theirs reports whether a version came from the peer since the time. A version that was only sent again lately may have come long ago:
// its stamp tells. What the peer made counts as theirs also where it counts as made here, as it does once the peer says that it was
// restored.
func (s Since) Theirs(v merge.Version) bool {
	return s.isSince(v) && (v.From == s.Peer || v.From == 0 && v.Author == s.Name)
}

func (s Since) isSince(v merge.Version) bool {
	return v.Epoch >= s.First && !(s.Resent(v.Epoch) && v.Time < s.Time)
}

// Fate is what came of a row that is alive.
type Fate uint8

const (
	Untouched Fate = iota // nothing of it is theirs
	Changed               // some of its values are theirs
	Added                 // all of it is theirs: it goes
	Shared                // they added it, and others have changed it, or stamped it anew, since: it stays
)

// Row returns what came of a row, and of one that they changed the columns that are theirs. A row that another added, or of which something
// was here before, is none that they added, whatever its existence says: who stamps that anew must not have it deleted everywhere.
func (s Since) Row(r merge.Row) (Fate, merge.Mask) {
	var theirs merge.Mask
	others, before, restamped := false, false, false
	for _, g := range r.Groups {
		existence := g.Has(merge.Existence)
		switch {
		case s.Theirs(g.Version):
			theirs = theirs.Or(g.Mask)
			before = before || existence && g.Added.Stored && g.Added.Peer != s.Peer // they only stamped it anew
		case g.Epoch < s.First || g.From == s.Peer:
			before = true
		default:
			others = true
			restamped = restamped || existence && r.WasAddedBy(s.Peer) && s.isSince(g.Version)
		}
	}
	columns := theirs.Columns()
	switch {
	case restamped && !before:
		return Shared, merge.Mask{}
	case theirs.Has(merge.Existence) && !before && others:
		return Shared, merge.Mask{}
	case theirs.Has(merge.Existence) && !before:
		return Added, merge.Mask{}
	case !columns.IsEmpty():
		return Changed, columns
	}
	return Untouched, merge.Mask{}
}

// LaterCopy reports whether of the copies of one row, in the order of its deletions by the peer, a later one with this who had added the row
// is put in place rather than an earlier one. What the peer sent after it had deleted the row is not what was there before.
func (s Since) LaterCopy(addedBy merge.Peer) bool { return addedBy != s.Peer }

// Lost is a value that lost, as a conflict record keeps it.
type Lost struct {
	Winner, Loser merge.Stamp
	Here          bool // this node recorded it: what others say was here counts for nothing
}

// Before returns which of the values that a column lost was there before what the peer made of it. now is the stamp of the value that is
// there; -1: that is not known. A loser that is the peer's own was not there before: what that one beat may have been.
func (s Since) Before(now merge.Stamp, lost []Lost) int {
	for range lost { // a chain is no longer, even if what is recorded goes round
		found := -1
		for i, l := range lost {
			if l.Here && l.Winner == now && (found < 0 || lost[found].Loser.Before(l.Loser)) {
				found = i
			}
		}
		if found < 0 || lost[found].Loser.Author != s.Name {
			return found
		}
		now = lost[found].Loser
	}
	return -1
}

// Stay reports which of n rows that were to go stay, because a row that stays refers to them. refs has pairs: the row that refers, -1 for
// one that is not to go, and the row that it refers to.
func Stay(n int, refs [][2]int) []bool {
	return spread(n, refs)
}

// NotWhole reports which of n rows that were to be inserted again cannot be, because one that they refer to is not there. needs has
// pairs: the row that is needed, -1 for one that is nowhere, and the row that refers to it.
func NotWhole(n int, needs [][2]int) []bool {
	return spread(n, needs)
}

// spread marks what -1 leads to, straight or by way of others.
func spread(n int, pairs [][2]int) []bool {
	marked := make([]bool, n)
	next := make([][]int, n)
	var todo []int
	mark := func(i int) {
		if !marked[i] {
			marked[i] = true
			todo = append(todo, i)
		}
	}
	for _, p := range pairs {
		if p[0] < 0 {
			mark(p[1])
			continue
		}
		next[p[0]] = append(next[p[0]], p[1])
	}
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, k := range next[i] {
			mark(k)
		}
	}
	return marked
}
