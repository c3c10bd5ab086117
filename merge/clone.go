package merge

// CloneSigns is what shows whether a database is a copy of another node's, and not that node's own.
type CloneSigns struct {
	Named bool // omsync's tables in it say that it is the node whose card was given
	Made  bool // it is known when the server made omsync's tables, of when they were last looked at and now
	Anew  bool // it made them later than that: a dump was loaded since
	Said  bool // a person says that it is a copy: one of files shows nothing
}

// CloneVerdict says whether a database may be made a node of its own.
type CloneVerdict uint8

const (
	IsClone      CloneVerdict = iota
	OtherNode                 // it is no copy of that node's database
	MayBeTheNode              // it may be that node's own database: to give it another name would take the node away
)

// Verdict returns what becomes of the database. Whoever names the node's own database by mistake has lost nothing.
func (s CloneSigns) Verdict() CloneVerdict {
	switch {
	case !s.Named:
		return OtherNode
	case s.Made && s.Anew, s.Said:
		return IsClone
	}
	return MayBeTheNode
}

// CloneLink returns the clone's end of its link to the node that it is a copy of. The copy holds all that the node had at a position, under the
// clone's own epoch of that number; nothing of it is the clone's, so nothing of it is sent. Earlier are the histories that the node had before
// that. The node learns by the clone's first header that nothing is missing up to there, and sends no full load; if it was restored to before,
// the two find the last position that they share, as ever.
func CloneLink(number, history uint64, earlier []uint64, at Position) Link {
	l := Link{Number: number, History: history, Applied: at, HeaderDue: true, Imports: []AppliedBatch{{Position: at, OwnEpoch: at.Epoch}}}
	l.retire(earlier)
	return l
}
