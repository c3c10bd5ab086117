package scope

import "github.com/omsync/omsync/merge"

// Record is what is kept of a conflict record.
type Record struct {
	Row    Row
	Owners []Owner    // see [RecordOwners]; none: nobody knows whose the row was
	Over   merge.Peer // the peer in whose batch the conflict was noticed
	Epoch  uint64     // this node's, in which it was recorded
}

// SendsRecord reports whether a conflict record goes to a child: all owners of the row as it was recorded are in its scope, or the row is
// public. One of which nobody knows whose the row was goes down only to the child in whose batch the conflict was noticed, since it has its
// scope: what lost was its own, or nobody's, and if this node is restored to before, the child has nothing else to show for what it takes in
// its place.
func (n Node) SendsRecord(p merge.Peer, r Record) bool {
	c, kind := n.Child(p), n.Place(r.Row).Kind
	if len(r.Owners) == 0 && r.Over == p && r.Epoch > c.Since {
		return true
	}
	return c.All || kind == Common || kind == Staff || n.Public(r.Row).In() || n.scoped(p, r.Owners).In()
}

// RecordOwners returns whose a record is that is made of a conflict: whose the row was that had the losing value. here is whose it is
// at this node, before it is settled, came whose it was as it came; of a deletion that came, here is both.
func RecordOwners(c merge.Conflict, here, came []Owner) []Owner {
	if c.Incoming != c.Deletion {
		return came
	}
	return here
}

// Entered reports whether the header of a batch to the child that starts at the own epoch base says that the owner is in its scope.
func (e Entry) Entered(base uint64) bool { return e.In() && e.Told > base }

// Left reports whether it says that the owner left.
func (e Entry) Left(base uint64) bool { return e.Gone > base }

// Refused reports whether it says that a person refused what the child asked.
func (e Entry) Refused(base uint64) bool { return e.Denied > base }

// Due reports whether a header is due because the child does not know yet that it got a scope, or lost it.
func (c Child) Due(base uint64) bool { return c.Since > base }
