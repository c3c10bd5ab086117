package merge

// Lacks says which columns of a table the sender of a file, or this node, did not have for a while. A node to which a column is new asks all
// peers for the table. From there on what either of the two says of the column is read as if the other had never heard of it, until the
// one that asked has the other's values.
type Lacks struct {
	Now    Mask   // the sender did not have them when it made the file
	Gained Mask   // they are new at the sender, which asked for the table
	Until  uint64 // this node's epoch from which on the table is owed to it for that
	Here   Mask   // they are new here
	Asked  uint64 // this node's epoch of its request for that
}

// Unseen returns the columns of which the sender had seen nothing when it sent what acknowledges an epoch of this node.
func (l Lacks) Unseen(ack uint64) Mask {
	if ack < l.Until {
		return l.Now.Or(l.Gained)
	}
	return l.Now
}

// Missed returns the columns of which any version is news when the sender acknowledges an epoch of this node: it had not heard that they are
// here, and what came of them before was left out.
func (l Lacks) Missed(ack uint64) Mask {
	if ack < l.Asked {
		return l.Here
	}
	return Mask{}
}

// settleLacked settles columns that the sender or this node did not have for a while.
func (s *settling) settleLacked(m Mask, policies Policies, local Version, in Sent) {
	for _, s.unseen = range []bool{false, true} {
		for _, s.missed = range []bool{false, true} {
			s.settleByPolicies(m.where(s.in.Unseen, s.unseen).where(s.in.Missed, s.missed), policies, local, in)
		}
	}
	s.unseen, s.missed = false, false
}

// where returns the bits that are in the other mask, or those that are not.
func (m Mask) where(o Mask, in bool) Mask {
	if in {
		return m.And(o)
	}
	return m.Without(o)
}
