package merge

// An Authority says who decides what a row is that differs at the two ends of a link though both have the same versions of it: capture has
// missed a change at one of them, and nobody can say at which.
type Authority uint8

const (
	DecidedByHolder Authority = iota // the end that the row's latest version came from
	DecidedHere                      // this node
	DecidedThere                     // the peer
)

// A Drift is a row that is not the same at the two ends, as one of them sees it.
type Drift struct {
	Here, There bool
	Known       Row // what the row is known by here, if it is here; not Known: capture never saw it
	Peer        Peer
	Authority   Authority
}

// A Mending is what a node does about it. The other end does its part by the same rule.
type Mending uint8

const (
	Leave  Mending = iota // nothing: it is the other end's to do
	Claim                 // stamp the row anew, so that it goes to the other end as it is here
	Remove                // delete the row, as the application would
)

// Mends returns what to do about a row that differs. Who has the authority has the value; where nobody has, it is the end at which the latest
// version was made or through which it came: of a version both ends know whether it came over the link between them. A row that
// is at one end alone was added there or deleted at the other while nobody looked. Where the end that lacks it decides, it goes; where the
// end that has it decides, it is sent again, whatever the other says; otherwise keep says: it is sent again, or deleted. The end that has the
// row does either, as the other knows nothing of it.
func (d Drift) Mends(keep bool) Mending {
	switch {
	case !d.Here:
		return Leave
	case d.Authority == DecidedThere && d.There:
		return Leave
	case d.Authority == DecidedThere:
		return Remove
	case !d.There && d.Known.Known && !keep && d.Authority == DecidedByHolder:
		return Remove
	case d.There && d.Authority == DecidedByHolder && d.Known.Known && d.Known.latest().From == d.Peer:
		return Leave
	}
	return Claim
}

// Stays returns what to do about a row that was to be deleted and cannot be, since others that stay refer to it: where the other end does not
// decide, it is sent again, as those others may be.
func (d Drift) Stays() Mending {
	if d.Authority == DecidedThere {
		return Leave
	}
	return Claim
}

// latest returns the version of a live row with the latest stamp.
func (r Row) latest() (out Version) {
	for i, g := range r.Groups {
		if i == 0 || out.Stamp.Before(g.Stamp) {
			out = g.Version
		}
	}
	return out
}

// Claim returns the versions of a row that a node claims: made here, each just above what it was. dead is the deletion that is known of its
// key, if there is one: a row that is there all the same came back while nobody looked. at is the time now, for a row that nothing is known
// of. The epoch belongs on the list of those that mend: see Import.PeerMends.
func (m Stamper) Claim(prev, dead Row, columns Mask, at int64) Row {
	switch {
	case dead.Known && !dead.Alive:
		return m.Insert(dead, columns, 0)
	case !prev.Known:
		return m.Insert(Row{}, columns, at)
	}
	return m.Touch(prev)
}

// MadeHere reports whether the latest version of a live row was made at this node.
func MadeHere(r Row) bool { return r.Known && r.Alive && r.latest().From == 0 }
