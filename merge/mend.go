package merge

// ClockIsSane reports whether a clock, in microseconds since 1970 UTC, may give the stamps by which what is wrong is mended: one that says
// less than 2026 has no battery, and what it stamped would lose to everything.
func ClockIsSane(now int64) bool { return now >= noEarlier && now <= ceiling }

// Mend returns a row with versions of this node's own, made at the time now, in place of those that are later than limit, and whether
// there were any. A database that took such versions, before there was a [Horizon], can never replace them, and no other node takes them.
//
// A mended version is an ordinary edit that goes to every peer. It is above all of the row that stays, so that a row that came back
// over a deletion stays above it; and a live row is mended 1 later than a deletion, so that of a row that is here and deleted elsewhere, both by
// stamps that nobody can have had, the row stays.
//
// Stamps may fall by this, which nothing else does. So a network is equal again only when every node that holds such versions has mended
// them, and has asked its peers to send the rows again: what they sent meanwhile had lost here.
func (m Stamper) Mend(prev Row, limit, now int64) (_ Row, mended bool) {
	if !prev.Alive {
		if !prev.Known || prev.Dead.Time <= limit {
			return prev, false
		}
		prev.Dead = m.version(now, 0)
		return prev, true
	}
	var stays int64
	for _, g := range prev.Groups {
		if g.Time <= limit {
			stays = max(stays, g.Time)
		} else {
			mended = true
		}
	}
	if !mended {
		return prev, false
	}
	v := m.version(now+1, stays)
	return prev.rewrite(func(old Version) Version {
		if old.Time > limit {
			return v
		}
		return old
	}), true
}
