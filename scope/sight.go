package scope

import "github.com/omsync/omsync/merge"

// Row names a row as it is named at every node: its table, and its row key. The zero Row is no row: a reference that is NULL.
type Row struct{ Table, Key string }

// Owner is the row key of an owner: of a patient.
type Owner string

// Kind says how the rows of a table belong to owners.
type Kind uint8

const (
	Common Kind = iota // to nobody: no path leads to an owner. They go by the table's direction alone
	Own                // each row is an owner
	Owned              // each row belongs to the owners that its paths lead to
	Staff              // users and providers: they go to all, and make the person that they name public
)

// Place is where a row stands: what its owner paths refer to. Of a row of kind [Staff] it is the rows of the persons that it names.
type Place struct {
	Kind  Kind
	Alive bool
	To    []Row // of a live row: what it refers to by each of its owner paths, in their order; the zero Row where that is NULL
	// Owners is, of a dead row, the owners that it had when it died, kept with its tombstone; none: it had none, or nobody knows.
	Owners []Owner
}

// Sight says whether a child has a row in its sight, and since which of its parent's epochs.
type Sight uint64

const (
	Out    Sight = 0 // it may not have the row
	Always Sight = 1 // since the first epoch
)

// In reports whether the child may have the row.
func (s Sight) In() bool { return s != Out }

// with returns the sight of what is in sight only if two things are: since the later of the two came.
func (s Sight) with(o Sight) Sight {
	if s == Out || o == Out {
		return Out
	}
	return max(s, o)
}

// Sends reports whether a row, or a tombstone, is in a batch to child p that starts at the own epoch base: it is in the child's sight, and
// something of it came here later than base, or it came into sight later; and not from the child, which has that. So who enters a scope is
// sent whole, however old the rows. It stands in place of [merge.Row.NewerThan].
func (s Sight) Sends(row merge.Row, base uint64, p merge.Peer) bool {
	if uint64(s) > base { // whatever came before it, is news there
		base = 0
	}
	return s.In() && row.NewerThan(base, p)
}

// Told returns a row as the child is told of it: no version with an earlier epoch than the one since which the child has it in sight, so
// that all of it is news there. Nothing else knows of it: what the row is known by here stays. It is for [merge.Row.Outgoing].
func (s Sight) Told(row merge.Row) merge.Row {
	if s <= Always {
		return row
	}
	return row.Again(uint64(s))
}

// Since returns what [merge.Incoming.Since] is of a row from the child: what counts as seen by it. What is out of its sight it has not seen.
func (s Sight) Since() uint64 {
	if s == Out {
		return merge.OutOfSight
	}
	return uint64(s)
}
