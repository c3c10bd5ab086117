package merge

import "slices"

// A choice says which of two versions of a column stays, and with what stamp.
type choice uint8

const (
	keepLocal       choice = iota // the local version stays as it is
	takeIncoming                  // the incoming one replaces it
	restampLocal                  // the local value stays, stamped above the incoming version
	restampIncoming               // the incoming value comes in, stamped above the local version
)

// settleColumns settles a row that is alive here and there, each pair of groups at once.
func (im *Import) settleColumns(local Row, in Incoming, policy Policy, c Compare) Outcome {
	s := settling{im: im, compare: c, groups: make([]Group, 0, len(local.Groups)+len(in.Groups))}
	meetings(local.Groups, in.Groups, func(l *Group, g *SentGroup, both Mask) {
		s.policy, s.ack = policy, in.Ack
		s.settleVersions(both.Without(in.NeverSent), l.Version, g.Sent)
		s.policy, s.ack = Parent, 0
		s.settleVersions(both.And(in.NeverSent), l.Version, g.Sent)
	})
	comes := MaskOf(in.Groups)
	for _, l := range local.Groups {
		s.groups = append(s.groups, Group{l.Without(comes), l.Version})
	}
	known := local.mask()
	for _, g := range in.Groups { // what has no version here is below every stamp
		s.groups = append(s.groups, Group{g.Without(known), im.received(g.Sent)})
	}
	s.write = s.write.Or(comes.Without(known).Columns().Without(c.Equal))
	out := Outcome{Row: Row{Known: true, Alive: true, Groups: Normalise(s.groups)}, Write: s.write, Conflicts: s.conflicts}
	if !out.Write.IsEmpty() {
		out.Action = Update
	}
	out.Changed = !slices.Equal(out.Row.Groups, Normalise(local.Groups))
	return out
}

// greaterColumns returns the columns whose incoming bytes are greater.
func greaterColumns(m Mask, greater func(int) bool) Mask {
	if greater == nil {
		return Mask{}
	}
	var b MaskBuilder
	for bit := range m.All() {
		if greater(bit) {
			b.Add(bit)
		}
	}
	return b.Mask()
}

// settling is the settling of one row that is alive here and there.
type settling struct {
	im        *Import
	compare   Compare
	policy    Policy
	ack       uint64
	groups    []Group // of the row as it will be
	write     Mask    // columns that take the incoming value
	conflicts []Conflict
}

// settleVersions settles columns that have one version here and one there.
func (s *settling) settleVersions(both Mask, local Version, in Sent) {
	c := s.compare
	if both.Has(Existence) && s.im.keepsOrigin(local, in) {
		s.groups = append(s.groups, Group{Bit(Existence), s.im.stamper().above(in.Stamp)})
		both = both.Columns()
	}
	equal := c.Equal.WithExistence()
	later := local.Before(in.Stamp)
	s.settleValues(both.And(equal), true, local, in, later)
	differ := both.Without(equal)
	if local.Stamp != in.Stamp {
		s.settleValues(differ, false, local, in, later)
		return
	}
	greater := greaterColumns(differ, c.Greater)
	s.settleValues(greater, false, local, in, true)
	s.settleValues(differ.Without(greater), false, local, in, false)
}

// keepsOrigin reports whether a later version of the existence of a row that is alive here and there is stamped anew here, rather than
// taken. Who added a row is told by that version alone: a child could make any row its own by stamping it once more. Of two nodes that
// added the same row it is the parent that stamps, or they would go on for ever.
func (im *Import) keepsOrigin(local Version, in Sent) bool {
	return !im.FromParent && local.From != im.Peer && in.Time > 0 && local.Before(in.Stamp)
}

// settleValues settles columns that have one version here and one there, and whose values all are equal or all differ. later: the
// incoming version is the later one.
func (s *settling) settleValues(m Mask, equal bool, local Version, in Sent, later bool) {
	if m.IsEmpty() {
		return
	}
	im := s.im
	conflict := !equal && im.isNews(in.Epoch) && !im.seenBySender(local, s.ack, in.Stamp)
	policy := s.policy
	if im.FirstMeeting || !im.Valid || im.PeerResent != nil && im.PeerResent(in.Epoch) || im.OwnResent != nil && im.OwnResent(local.Epoch) {
		policy = Newest
	}
	chosen := choose(policy, local.Stamp, in.Stamp, equal, conflict, later, im.FromParent)
	out := local
	switch chosen {
	case takeIncoming:
		out = im.received(in)
	case restampIncoming:
		out = im.stamper().above(local.Stamp)
	case restampLocal:
		out = im.stamper().above(in.Stamp)
	}
	s.groups = append(s.groups, Group{m, out})
	taken := chosen == takeIncoming || chosen == restampIncoming
	if taken && !equal {
		s.write = s.write.Or(m)
	}
	if conflict {
		c := Conflict{Mask: m, Incoming: !taken, Loser: in.Stamp, Winner: local.Stamp}
		if taken {
			c.Loser, c.Winner = local.Stamp, in.Stamp
		}
		s.conflicts = append(s.conflicts, c)
	}
}

// choose decides between two versions of a column. The later one stays, unless they are in conflict and the policy says
// otherwise. A winner by policy that has the lower stamp is stamped anew, above the loser: from there on it wins everywhere
// by its stamp, with no other node having to ask a policy.
func choose(policy Policy, local, in Stamp, equal, conflict, later, fromParent bool) choice {
	if local.Time == 0 && in.Time == 0 {
		// Both are from before their nodes were nodes: nobody can say which is newer.
		if equal {
			return keepLocal
		}
		policy = Parent
	}
	if equal || !conflict || policy == Newest {
		if later {
			return takeIncoming
		}
		return keepLocal
	}
	wins := fromParent == (policy == Parent)
	switch {
	case wins && later:
		return takeIncoming
	case wins:
		return restampIncoming
	case later:
		return restampLocal
	}
	return keepLocal
}
