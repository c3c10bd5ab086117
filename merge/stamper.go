package merge

// A Stamper makes versions of this node's own: those of the application's changes, which a seal stamps (or an import, if it
// meets them unsealed). Times given to it are the captured ones, in microseconds since 1970 UTC, however wrong the clock.
//
// A version's time is at least 1 above that of the version it replaces. So a wrong clock decides who wins when neither author
// saw the other's version, but an edit always beats what it was made on.
type Stamper struct {
	Self  string // this node's name
	Epoch uint64 // the epoch of the transaction under way
}

// version returns a version made at a time, above another one. Nothing from above the ceiling is taken from a peer, and no clock gives
// any, so there is always room. Only a database from before that was so can hold the highest time that a batch may have: what is made
// on that gets no higher one, or nothing of it could be sent any more.
func (m Stamper) version(at, above int64) Version {
	return Version{Stamp: Stamp{min(max(min(at, ceiling), above+1), maxTime), m.Self}, Epoch: m.Epoch}
}

// Found returns the versions of a row that was there before the node became one: time 0, as nobody knows how old it is.
func (m Stamper) Found(columns Mask) Row {
	return Row{Known: true, Alive: true, Groups: []Group{{columns.WithExistence(), Version{Stamp: Stamp{0, m.Self}, Epoch: m.Epoch}}}}
}

// Insert returns the versions of a row that the application inserted. prev is what was known of its key: a deletion mostly, or
// nothing; the new versions are above all of it, as a row that returns has to beat its own deletion elsewhere. Who had added it still has,
// if that is known.
func (m Stamper) Insert(prev Row, columns Mask, at int64) Row {
	v := m.version(at, prev.highest().Time)
	if was, ok := prev.existence(); ok {
		v = v.by(was.addedBy())
	} else if prev.Dead.Added.Stored {
		v = v.by(prev.Dead.Added.Peer)
	}
	return Row{Known: true, Alive: true, Groups: []Group{{columns.WithExistence(), v}}}
}

// Edit stamps the columns that the application changed, and only them: two sites may edit two columns of one row. A column
// that had no version gets one above the row's existence, so that no older deletion beats it.
func (m Stamper) Edit(prev Row, columns Mask, at int64) Row {
	var groups []Group
	var born int64
	for _, g := range prev.Groups {
		if g.Has(Existence) {
			born = g.Time
		}
		if both := g.And(columns); !both.IsEmpty() {
			groups = append(groups, Group{both, m.version(at, g.Time)})
		}
		groups = append(groups, Group{g.Without(columns), g.Version})
	}
	if rest := columns.Without(prev.mask()); !rest.IsEmpty() {
		groups = append(groups, Group{rest, m.version(at, born)})
	}
	return Row{Known: true, Alive: true, Groups: Normalise(groups)}
}

// Delete returns the version of the row's deletion, above everything of the row that was seen here.
func (m Stamper) Delete(prev Row, at int64) Row {
	return Row{Known: true, Dead: m.version(at, prev.highest().Time)}
}

// Touch stamps every version of a live row at its time + 1, for rows that may have changed while triggers were missing. Not at
// the clock: that would beat edits which others made meanwhile, though most of these rows did not change. The epoch belongs
// on the list of those that only send again.
func (m Stamper) Touch(prev Row) Row {
	if !prev.Alive {
		return prev
	}
	return prev.rewrite(func(v Version) Version { return m.above(v.Stamp) })
}

// above returns a version made here to beat s by as little as can be.
func (m Stamper) above(s Stamp) Version { return m.version(0, s.Time) }
