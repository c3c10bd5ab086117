package scope

import "github.com/omsync/omsync/merge"

// Child is what a parent keeps of one child: a row of omsync_peer.
type Child struct {
	// All: the child has no scope, it gets everything.
	All bool
	// Since is the epoch at which it last got a scope, or lost one; 0: it is as it was from the first. With All, what its scope had left out is
	// in its sight since then.
	Since uint64
	// Approve: a request of the child's waits for a person.
	Approve bool
}

// always reports whether the child has everything, and always had.
func (c Child) always() bool { return c.All && c.Since == 0 }

// Filters reports whether the child is sent less than everything, or was once.
func (c Child) Filters() bool { return !c.always() }

// Entry is what a parent keeps of one child and one owner: a row of omsync_scope. Numbers are epochs of the parent's; 0: not.
type Entry struct {
	Since  uint64 // the owner is in the scope since this epoch
	Told   uint64 // in which epoch the child was last to be told that it is
	Gone   uint64 // in which epoch it left
	Denied uint64 // in which epoch a person refused what the child asked
	Asked  bool   // the child asks for the owner, and a person is to answer
	Rule   bool   // only a rule brought the owner in, and may take it out
	Purge  bool   // with Gone: the child is to delete what it has of the owner
}

// In reports whether the owner is in the scope.
func (e Entry) In() bool { return e.Since != 0 }

// Store is the tables of omsync's that the rules read and write, as the transaction under way sees them: what it wrote it reads. It holds
// no rule. A read that fails returns the zero value, and the store keeps the error: the caller looks for one before it commits, or lets go
// what it made. Zero values let nothing through: a child of which nothing is known has a scope, with nobody in it.
type Store interface {
	// Epoch returns the epoch of the transaction under way. Asking takes one, if none was taken yet.
	Epoch() uint64
	// Place returns where a row stands in this database now. Of one that is not known here it is a Place with the table's kind alone.
	Place(Row) Place

	Children() []merge.Peer // those for which something is kept: all that have a scope, and those without of which Child.Since is not 0
	Child(merge.Peer) Child
	SetChild(merge.Peer, Child)

	Entry(merge.Peer, Owner) Entry
	SetEntry(merge.Peer, Owner, Entry) // the zero Entry: delete it
	Entries(merge.Peer) []Owner        // all that the child has; only what changes a scope at large asks

	Exception(merge.Peer, Row) Sight
	SetException(merge.Peer, Row, Sight) // Out: delete it
	Exceptions(merge.Peer) []Row         // all that the child has; asked when an owner leaves, and when a scope begins or ends
	Waiting(merge.Peer) []Arrival        // the live rows of the child's that wait here; asked when an owner leaves, and when a scope begins

	Public(Row) Sight // Out: it is not public
	SetPublic(Row, Sight)

	// Who returns who has an identifier here.
	Who(identifier string) Identity
	Reply(merge.Peer, string) Reply
	SetReply(merge.Peer, string, Reply) // the zero Reply: delete it
	Replies(merge.Peer) []string        // all of which the child has one, in rising order
	RepliedTo(string) []merge.Peer      // the children that have one of this, with a scope or without

	Upwards
}

// Upwards is what a node keeps of its own scope at its parent.
type Upwards interface {
	HasParent() bool
	Whole() bool // the parent said last that this node has no scope
	SetWhole(bool)
	Want(Owner) bool // omsync_want: this node asks its parent for the owner
	SetWant(Owner, bool)
	Wants() []Owner          // all of them, in rising order
	Held(Owner) uint64       // omsync_held: the parent's epoch up to which it was when it said that this node has the owner; 0: it did not
	SetHeld(Owner, uint64)   // 0: delete it
	Holds() []Owner          // all that are held; asked when this node's scope begins or ends, and when the parent was restored
	Purging(Owner) Purge     // omsync_purge
	SetPurging(Owner, Purge) // the zero Purge: delete it
	Purgings() []Owner       // all that have one
	Sought(string) Reply     // what this node asks its parent for by an identifier, or was answered; and by the key where a person is to answer
	SetSought(string, Reply) // the zero Reply: delete it
	AllSought() []string     // in rising order
	OwnerIsHere(Owner) bool  // the owner's row is known here, alive or dead
}

// Purge is what a node keeps of an owner of whom it is to delete what it has.
type Purge struct {
	Told uint64 // the parent's epoch up to which it was when it said so; 0: it did not
	Ack  uint64 // this node's epoch that it acknowledged with that
	Done bool   // the rows are deleted
}

// Node is the rules, on the tables of one node. It keeps nothing itself: make one wherever it is needed.
type Node struct{ Store }

// Before returns the rules as they are on places that rows had before: where a seal finds changes, on those that the changed rows had.
func (n Node) Before(places map[Row]Place) Node { return Node{past{n.Store, places}} }

type past struct {
	Store
	places map[Row]Place
}

func (s past) Place(row Row) Place {
	if p, ok := s.places[row]; ok {
		return p
	}
	return s.Store.Place(row)
}
