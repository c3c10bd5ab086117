package merge

// How is what became of a conflict record.
type How string

const (
	Open      How = "open"      // a decision was taken back; a record of which nothing was ever decided has none
	TookLost  How = "lost"      // the value that had lost was put back
	TookKept  How = "kept"      // the value that had been kept is right
	Dismissed How = "dismissed" // it is of no importance
	Replaced  How = "replaced"  // the record is of a value that a decision replaced: by it the decision can be taken back
)

// Valid reports whether h is one of these.
func (h How) Valid() bool {
	switch h {
	case Open, TookLost, TookKept, Dismissed, Replaced:
		return true
	}
	return false
}

// A Resolution is what a person decided about a conflict record, and when and at which node. The zero Resolution: nobody has.
type Resolution struct {
	How How
	Stamp
}

// Settles reports whether nobody need look at the record any more.
func (r Resolution) Settles() bool { return r.How != "" && r.How != Open }

// YieldsTo reports whether another resolution of the same record takes this one's place: the later one stays, and of two with one stamp,
// which a restored node can make, the same everywhere.
func (r Resolution) YieldsTo(o Resolution) bool {
	if r.Stamp == o.Stamp {
		return r.How < o.How
	}
	return r.Stamp.Before(o.Stamp)
}

// Resolve returns the resolution that this node makes now, in microseconds since 1970 UTC, above the one that is there.
func (r Resolution) Resolve(how How, self string, now int64) Resolution {
	if r.How != "" {
		now = max(now, r.Time+1)
	}
	return Resolution{how, Stamp{Time: now, Author: self}}
}

// TakesResolution reports whether a resolution that comes in is taken in place of the one that is here. A stamp that no clock could show
// is not, as with rows: nobody could decide otherwise any more.
func (im *Import) TakesResolution(local, in Resolution) bool {
	return in.How.Valid() && in.Time <= im.Horizon && local.YieldsTo(in)
}
