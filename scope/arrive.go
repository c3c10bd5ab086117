package scope

import "github.com/omsync/omsync/merge"

// Arrival is a row of a peer's, as it came.
type Arrival struct {
	Row    Row
	Place  Place // where it stood at the peer, by the references that came; of a tombstone not alive, with the owners that came
	Needs  []Row // of a row that waits: what it refers to, by any reference, and that is not here
	News   bool  // some version of it is news here, see merge.Import.News
	Public bool  // the peer says that all may have the row
}

// Waits is to be called for a live row of a peer's that has to wait, and each time it was tried again in vain: what it refers to, and what else
// it needs, comes into the child's sight, a person that a user names into everybody's. So the child is sent the tombstone that it
// lacks, and brings the row back whole.
func (n Node) Waits(p merge.Peer, a Arrival) {
	n.says(a)
	if a.News && n.scopes(p) {
		n.await(p, a)
	}
}

// Settled is to be called for a row of a peer's that was settled, after [Node.Follow], and for a tombstone. Who sends news of a row has its
// owners in scope: those it came with, and those it has here now. A row that belongs to nobody comes into the child's sight by itself, and so
// does a tombstone that the row fell to. A public row brings nobody, nor does a row with nothing new: or who has left would come back with
// a file made from the beginning.
func (n Node) Settled(p merge.Peer, a Arrival) {
	n.says(a)
	if !a.News || !a.Place.Alive || !n.scopes(p) {
		return
	}
	if here := n.Place(a.Row); here.Alive {
		if n.Public(a.Row).In() {
			return
		}
		n.bring(p, a.Row, here, maxSteps)
		n.bring(p, a.Row, a.Place, maxSteps)
	}
	n.show(p, a.Row)
}

// scopes reports whether a peer is a child with a scope.
func (n Node) scopes(p merge.Peer) bool {
	for _, c := range n.Children() {
		if c == p {
			return !n.Child(p).All
		}
	}
	return false
}

// says publishes a row that a peer says to be public. A person is public for ever, and a node need not have the user who named it.
func (n Node) says(a Arrival) {
	if a.Public {
		n.Publish(a.Row)
	}
}

// await brings what a row refers to into a child's sight, and an owner's row itself.
func (n Node) await(p merge.Peer, a Arrival) {
	switch a.Place.Kind {
	case Staff:
		n.Publish(a.Place.To...)
		return
	case Own:
		n.enter(p, Owner(a.Row.Key), false)
	}
	for _, to := range a.Place.To {
		n.show(p, to)
	}
	for _, need := range a.Needs {
		n.show(p, need)
	}
}
