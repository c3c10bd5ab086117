package scope

import "github.com/omsync/omsync/merge"

// Child is what a parent keeps of one child: a row of omsync_peer.
type Child struct {
	// All: the child has no scope, it gets everything.
	All bool
	// Since is the epoch at which it last got a scope, or lost one; 0: it never had one. With All, what its scope left out is in its sight
	// since then.
	Since uint64
	// Approve: a request of the child's waits for a person.
	Approve bool
}

// Entry is what a parent keeps of one child and one owner: a row of omsync_scope. All its numbers are epochs of the parent's; 0: not.
type Entry struct {
	Since  uint64 // the owner is in the scope since this epoch
	Told   uint64 // in which epoch the child was last to be told that the owner is
	Gone   uint64 // in which epoch the owner last left
	Asked  uint64 // the child asks for the owner since this epoch, and a person is to answer
	Denied uint64 // in which epoch a person last refused
	Rule   bool   // only a rule brought the owner in, and may take it out
}

// In reports whether the owner is in the scope.
func (e Entry) In() bool { return e.Since != 0 }

// Store is the tables of omsync's that the rules read and write, as the transaction under way sees them: what it wrote it reads. It holds
// no rule. Reads that fail return zero values, and the store keeps the error: the caller must look for one before it commits, or sends
// what it made. Zero values let nothing through: a child of which nothing is known has a scope, with nobody in it.
type Store interface {
	// Epoch returns the epoch of the transaction under way. Asking takes one, if none was taken yet.
	Epoch() uint64
	// Place returns where a row stands in this database now. Of one that is not known here it is the zero Place, with the table's kind.
	Place(Row) Place

	// Children returns this node's children that have, or ever had, a scope.
	Children() []merge.Peer
	Child(merge.Peer) Child
	SetChild(merge.Peer, Child)

	Entry(merge.Peer, Owner) Entry
	SetEntry(merge.Peer, Owner, Entry) // the zero Entry: delete it
	Owners(merge.Peer) []Owner         // those in the child's scope; called when a scope begins or ends, and when this node's own does

	Exception(merge.Peer, Row) Sight
	SetException(merge.Peer, Row, Sight) // Out: delete it
	Exceptions(merge.Peer) []Row         // all of the child's; called when an owner leaves, and when a scope begins or ends
	Waiting(merge.Peer) []Arrival        // the child's rows that wait here; called when an owner leaves, and when a scope begins
	Public(Row) Sight                    // since when the row is public; Out: it is not
	SetPublic(Row, Sight)                // never Out
	Upwards                              // what this node keeps of its own scope
}

// Upwards is what a node keeps of its own scope at its parent. Where a node has no parent, all of it is zero.
type Upwards interface {
	HasParent() bool
	Want(Owner) bool // omsync_want: this node asks its parent for the owner
	SetWant(Owner, bool)
	Wants() []Owner        // all, in their order
	Held(Owner) uint64     // omsync_held: the parent's epoch at which it said that the owner is in this node's scope; 0: it did not
	SetHeld(Owner, uint64) // 0: delete it
	Holds() []Owner        // all that are held
	Whole() bool           // the parent said last that this node has no scope
	SetWhole(bool)
}

// Node is the rules of one node, on its tables. It keeps nothing of its own: make one where it is needed.
type Node struct{ Store }
