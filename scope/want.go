package scope

import "github.com/omsync/omsync/merge"

// MaxWants is how many owners a header asks for. The next ones follow when these are answered.
const MaxWants = 4096

// Said is what a header to a child says of its scope.
type Said struct {
	Whole   bool             // it has none: it gets everything
	Entered []Owner          // who is in it, told since base
	Left    []Owner          // who left
	Denied  []Owner          // whom it asked for in vain
	Purge   []Owner          // of those who left: of whom it is to delete what it has
	Replies map[string]Reply // what it is answered of what it asked for by identifiers, and for whom a person is to answer
}

// Ask notes that this node asks its parent for an owner, unless the parent said that this node has it.
func (n Node) Ask(o Owner) {
	if n.HasParent() && !n.Want(o) && !n.answered(o) {
		n.SetWant(o, true)
	}
}

// answered reports whether a request for an owner is answered: the parent said that this node has it, or lets it have everything, and it
// is here. That its row is here is no answer elsewhere: the person may be here as one of the staff.
func (n Node) answered(o Owner) bool {
	return n.Held(o) != 0 || n.Whole() && n.OwnerIsHere(o)
}

// Asks returns the owners that a header to the parent asks for, [MaxWants] at most: each stands in every header until the parent said that
// it is in this node's scope. A header is due when they are not those of the last one.
func (n Node) Asks() []Owner {
	var asks []Owner
	for _, o := range n.Wants() {
		if len(asks) == MaxWants {
			break
		}
		if n.answered(o) {
			n.SetWant(o, false)
		} else {
			asks = append(asks, o)
		}
	}
	return asks
}

// Hear takes what the header of a batch from the parent says of this node's scope. It is called once the batch is applied, with its end
// and its acknowledgement, for a load in parts with the last one: what an old file says is not heard. valid: the acknowledgement counts (see
// merge.Decision). One from before this node's restore says nothing of what it has made since, and nothing is purged by it.
func (n Node) Hear(s Said, upto, ack uint64, valid bool) {
	if !valid {
		ack = 0
	}
	n.hearReplies(s.Replies)
	lost := n.Whole() && !s.Whole
	n.SetWhole(s.Whole)
	if lost { // a scope begins, and the header says who is in it
		for _, o := range n.Holds() {
			n.SetHeld(o, 0)
		}
	}
	for _, o := range s.Left {
		n.SetHeld(o, 0)
		if u := n.Purging(o); !u.Done { // it was called off, where it is not said again
			n.SetPurging(o, Purge{})
		}
	}
	for _, o := range s.Denied {
		n.SetWant(o, false)
		n.personAnswered(o)
	}
	for _, o := range s.Purge {
		n.SetPurging(o, Purge{Told: upto, Ack: ack, Done: n.Purging(o).Done})
	}
	for _, o := range s.Entered {
		n.SetHeld(o, upto)
		n.SetWant(o, false)
		n.personAnswered(o)
		n.SetPurging(o, Purge{})
	}
	if lost {
		n.askForChildren()
	}
}

// askForChildren asks for whoever is in a child's scope and not in this node's own.
func (n Node) askForChildren() {
	for _, p := range n.Children() {
		if n.Child(p).All {
			continue
		}
		for _, o := range n.Entries(p) {
			if n.Entry(p, o).In() {
				n.Ask(o)
			}
		}
	}
}

// Rejoin is to be called when the parent was restored, with its last epoch that the two share, and with 0 when this node added its parent
// again: this node asks again for whom it was told of since then. It reports whether it has deleted rows since that the parent believes it to have:
// then the caller adds the parent again, so that all is sent anew.
func (n Node) Rejoin(common uint64) (lacks bool) {
	for _, o := range n.Purgings() {
		if u := n.Purging(o); u.Told > common {
			lacks = lacks || u.Done
			n.SetPurging(o, Purge{})
		}
	}
	for _, o := range n.Holds() {
		if n.Held(o) > common {
			n.SetHeld(o, 0)
			n.SetWant(o, true)
		}
	}
	return lacks
}

// Request takes what a header from a child asks for. acked is the epoch of this node's that the child has acknowledged on the link, ack the
// one that the header says, valid whether that counts (see merge.Decision). What a child asked before it knew that the owner
// had left, that a person had refused, or that it had got a scope, is void: an old file must not bring back who left.
//
// It returns those of whom this node keeps something that it did not keep before, whether they are anybody's keys or not: what a child may make
// it keep is bounded (see access.Requests).
func (n Node) Request(p merge.Peer, wants []Owner, acked, ack uint64, valid bool) (kept []Owner) {
	c, room := n.Child(p), -1
	for _, o := range wants[:min(len(wants), MaxWants)] {
		e := n.Entry(p, o)
		void := max(e.Gone, e.Denied)
		if !c.All {
			void = max(void, c.Since)
		}
		switch {
		case void != 0 && !(valid && void <= ack):
		case c.Approve && !c.All && !e.In():
			if !e.Asked {
				e.Asked = true
				n.SetEntry(p, o, e)
				n.waits(p, o, &room)
				kept = append(kept, o)
			}
		default:
			if !c.All && !e.In() || c.All && n.HasParent() && !n.Want(o) && !n.answered(o) {
				kept = append(kept, o)
			}
			n.Admit(p, o, acked)
		}
	}
	return kept
}

// Deny refuses what a child asks. It takes an epoch, and the child's next header says so. It reports whether the child had asked.
func (n Node) Deny(p merge.Peer, o Owner) bool {
	e := n.Entry(p, o)
	if !e.Asked {
		return false
	}
	e.Asked, e.Denied = false, n.Epoch()
	n.SetEntry(p, o, e)
	return true
}
