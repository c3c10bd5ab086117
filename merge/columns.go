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

// saysNothingNew reports whether a row is here as it comes, with a version that stays. It sees the common case alone, in which each of the two
// has one version: false may mean the same.
func (im *Import) saysNothingNew(local Row, in *Incoming, c Compare) bool {
	if len(local.Groups) != 1 || len(in.Groups) != 1 || !in.NeverSent.IsEmpty() {
		return false
	}
	l, g := &local.Groups[0], &in.Groups[0]
	stays := !l.Before(g.Stamp) || l.Time == 0 && g.Time == 0
	return stays && g.Without(l.Mask).IsEmpty() && g.Columns().Without(c.Equal).IsEmpty() && l.by(im.adder(local, in)) == l.Version
}

// settleColumns settles a row that is alive here and there, each pair of groups at once.
func (im *Import) settleColumns(local Row, in Incoming, policies Policies, c Compare) Outcome {
	if im.saysNothingNew(local, &in, c) {
		return Outcome{Row: local}
	}
	s := settling{im: im, in: &in, compare: c, groups: make([]Group, 0, len(local.Groups)+len(in.Groups))}
	meetings(local.Groups, in.Groups, func(l *Group, g *SentGroup, both Mask) {
		s.ack = in.Ack
		sent := both.Without(in.NeverSent)
		lacked := in.Unseen.Or(in.Missed)
		s.settleByPolicies(sent.Without(lacked), policies, l.Version, g.Sent)
		if sent.Meets(lacked) {
			s.settleLacked(sent.And(lacked), policies, l.Version, g.Sent)
		}
		s.policy, s.ack = im.senders(), 0
		s.settleVersions(both.And(in.NeverSent), l.Version, g.Sent)
	})
	comes := MaskOf(in.Groups)
	for _, l := range local.Groups {
		s.groups = append(s.groups, Group{l.Without(comes), l.Version})
	}
	known := local.mask()
	for _, g := range in.Groups { // what has no version here is below every stamp
		lost, v := g.Without(known).Columns().Without(c.Equal), im.received(g.Sent)
		s.groups = append(s.groups, Group{lost, v})
		v.Epoch = im.Epoch
		s.groups = append(s.groups, Group{g.Without(known).Without(lost), v})
		if im.mends(g.Epoch) && im.isNews(g.Epoch) && !lost.IsEmpty() {
			s.conflicts = append(s.conflicts, Conflict{Mask: lost, Loser: Stamp{Author: im.Self}, Winner: g.Stamp}) // capture never saw what is here
		}
	}
	s.write = s.write.Or(comes.Without(known).Columns().Without(c.Equal))
	added(s.groups, im.adder(local, &in))
	out := Outcome{Row: Row{Known: true, Alive: true, Groups: Normalise(s.groups)}, Write: s.write, Conflicts: s.conflicts}
	if !out.Write.IsEmpty() {
		out.Action = Update
	}
	out.Changed = !slices.Equal(out.Row.Groups, Normalise(local.Groups))
	return out
}

// senders returns the policy by which the sender's value wins.
func (im *Import) senders() Policy {
	if im.FromParent {
		return Parent
	}
	return Child
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
	in        *Incoming
	compare   Compare
	policy    Policy
	ack       uint64
	unseen    bool    // of columns that the sender did not have: see Incoming.Unseen
	missed    bool    // of columns that this node did not have: see Incoming.Missed
	groups    []Group // of the row as it will be
	write     Mask    // columns that take the incoming value
	conflicts []Conflict
}

// settleByPolicies settles columns that have one version here and one there, each by its policy.
func (s *settling) settleByPolicies(m Mask, policies Policies, local Version, in Sent) {
	if m.IsEmpty() {
		return
	}
	s.policy = Parent
	s.settleVersions(m.And(policies.Parent), local, in)
	s.policy = Child
	s.settleVersions(m.And(policies.Child), local, in)
	s.policy = Newest
	s.settleVersions(m.Without(policies.Parent).Without(policies.Child), local, in)
}

// settleVersions settles columns that have one version here and one there.
func (s *settling) settleVersions(both Mask, local Version, in Sent) {
	c := s.compare
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

// settleValues settles columns that have one version here and one there, and whose values all are equal or all differ. later: the
// incoming version is the later one.
func (s *settling) settleValues(m Mask, equal bool, local Version, in Sent, later bool) {
	if m.IsEmpty() {
		return
	}
	im := s.im
	news, since := im.isNews(in.Epoch) || s.missed, s.in.Since
	if s.unseen {
		since = OutOfSight
	}
	mends := im.mends(in.Epoch)
	conflict := !equal && news && (mends || !im.seenBySender(local, s.ack, since, in.Stamp))
	policy := s.policy
	alone, resent := s.in.sendersAlone(), s.missed || im.resent(in.Epoch)
	if resent || !alone && (mends || im.FirstMeeting || !im.Valid || im.OwnResent != nil && im.OwnResent(local.Epoch)) {
		policy = Newest
	}
	chosen := choose(policy, local.Stamp, in.Stamp, equal, conflict, later, im.FromParent)
	if news && !resent && !equal && im.insists(s.in, local) {
		chosen = restampIncoming
		if later {
			chosen = takeIncoming
		}
	}
	if mends && news && !equal && !later && local.From == im.Peer && !alone { // it sent a later one once and has forgotten that
		chosen = restampIncoming
	}
	out := local
	switch chosen {
	case takeIncoming:
		if out = im.received(in); equal && !im.mended(local) {
			out.Epoch = im.Epoch
		}
	case restampIncoming:
		out = im.above(local.Stamp, s.in)
		out.Epoch = im.epochFor(in)
	case keepLocal:
		if equal && news && s.in.sendersAlone() && im.insisted(local) {
			out.Epoch = im.Epoch // it is what the sender has now
		}
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

// mends reports whether the sender claimed rows in an epoch. What such a version takes the place of, it was not made on, whatever stamps and
// acknowledgements say: they were the same at both ends, and the values were not.
func (im *Import) mends(epoch uint64) bool { return im.PeerMends != nil && im.PeerMends(epoch) }

// mended reports whether a version here came by a claim.
func (im *Import) mended(v Version) bool { return im.OwnMends != nil && im.OwnMends(v.Epoch) }

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
