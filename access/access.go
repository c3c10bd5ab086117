// Package access decides who may send what: which rows, columns, deletions and conflict records of a table go to a peer, and which are
// taken from one.
//
// It promises two things, whatever the peer sends. A child never changes or deletes a row that is alive at its parent in a table
// that only flows down. A row that was deleted there comes back only if a row that is taken from the child refers to it, and then
// as it was at the parent; but not in a table whose rows give people rights, or which the application runs as code.
//
// Both ends ask the same rules, so with one profile a node sends little that its peer refuses. What it does send are deletions, under
// Add: a deleted row no longer says whose it was, so a child sends its deletions of the parent's rows too, and the parent refuses
// them. And which peer a row came from may be known otherwise at the two ends, after a restore or a refused deletion.
//
// The package is pure: what the profile says comes in as a [Table], what a row is known to be as a [merge.Row]. Ask [On] once for a
// table and a peer; what it returns answers for each row at no cost.
//
// A link joins a parent and a child. A table's [Direction] says what each may do with its rows:
//
//	            the parent sends      the child sends
//	Both        all                   all
//	Down        all                   nothing, but rows whose deletion it refused
//	Add         all                   rows that it added, and rows whose deletion it refused
//	Own         all but rows that     rows that it added, and rows whose deletion it refused
//	            another child added
//	Up          nothing, but what a   all
//	            child has lost
//	None        nothing               nothing
//
// Up is the mirror of Down: what the child sends wins, whatever was done to the row at the parent. A child that was restored, or is set
// up anew, is sent what it had added itself, and nothing of others: see [Rules.GoesBack]. Where the table holds people ([Way].Staff), the
// parent also sends those who work for it, because what goes down names them.
//
// A row whose deletion was refused, because something that may go up refers to it, goes up whatever the direction, so that the parent,
// which has deleted it, can have it again: of what the child sends of it, a parent of today takes only that it is meant, see
// [Rules.Returns]; earlier ones took its values. Rows that give people rights never do. Of code nothing ever goes up: whatever the direction
// says, it is Down for it at most.
package access

import "github.com/omsync/omsync/merge"

// Role is what a peer is to this node.
type Role string

const (
	Parent Role = "parent"
	Child  Role = "child"
)

// Valid reports whether r is one of the two roles.
func (r Role) Valid() bool { return r == Parent || r == Child }

// State is what is exchanged with a peer.
type State string

const (
	Active    State = "active"    // everything that may be
	Suspended State = "suspended" // nothing for now
	Removed   State = "removed"   // nothing ever again: added anew it is another peer
)

// Exchanges reports whether files go to the peer and are taken from it.
func (s State) Exchanges() bool { return s == Active }

// Direction is which way a table's rows go on a link between a parent and a child.
type Direction uint8

const (
	Both Direction = iota // both ways
	Down                  // from parent to child alone
	Add                   // down; a child may add rows, and change or delete those that it added
	None                  // neither way, though captured
	Up                    // from child to parent alone
	Own                   // as Add, but a child gets nothing that another child added
)

// String returns the direction as a profile says it.
func (d Direction) String() string { return [...]string{"both", "down", "add", "none", "up", "own"}[d] }

// ParseDirection reads what String returns; false if it is something else.
func ParseDirection(s string) (d Direction, ok bool) {
	for d := Both; d <= Own; d++ {
		if d.String() == s {
			return d, true
		}
	}
	return Both, false
}

// WidensTo reports whether rows that stayed where they were may go now, where a table had direction d and has another: the table is
// sent again then.
func (d Direction) WidensTo(now Direction) bool {
	return now.goesDown() > d.goesDown() || now.goesUp() > d.goesUp()
}

// NarrowsTo reports whether rows that a child adds or changes went up where a table had direction d, and do not where it has another.
func (d Direction) NarrowsTo(now Direction) bool {
	return d.goesUp() > nothing && now.goesUp() == nothing
}

// Table is what the profile says of a table.
type Table struct {
	Direction  Direction
	Rights     bool       // its rows give people rights: they never go up by any exception
	Code       bool       // the application runs what its rows hold: nothing of it ever goes up
	ExcludedUp merge.Mask // columns whose values never go up
	// ExcludedDown is columns whose values do not go down on this link.
	ExcludedDown merge.Mask
	Staff        bool       // of Up: rows of people who work for the parent go down all the same
	InsertOnly   merge.Mask // columns whose values come with a new row alone
	Secret       merge.Mask // columns whose values go to children as Secrets says; they are among ExcludedUp
	Secrets      Secrets
	Names        merge.Mask // columns by which people log in, by any of them
}

// Secrets says whose values of secret columns go to children.
type Secrets uint8

const (
	NoSecrets   Secrets = iota // nobody's
	SomeSecrets                // those of the rows that are released
	AllSecrets                 // everybody's
)

// Flows returns the direction that counts: of code nothing goes up.
func (t Table) Flows() Direction {
	if t.Code {
		return Meet(t.Direction, Down)
	}
	return t.Direction
}

// staysPut reports whether no exception ever lets a row go up.
func (t Table) staysPut() bool { return t.Rights || t.Code }

// Rules say who may send what of one table on the link to one peer. The zero Rules belong to no table: use [On].
type Rules struct {
	table Table
	peer  merge.Peer
	up    bool // the peer is this node's parent
	ends  Ends
}

// On returns the rules of a table on the link to a peer.
func On(t Table, peer merge.Peer, role Role) Rules {
	t.Direction = t.Flows()
	return Rules{table: t, peer: peer, up: role == Parent}
}
