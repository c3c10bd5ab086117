package merge

import (
	"math/bits"
	"slices"
)

type verdict uint8

const (
	keep     verdict = iota // the local version stays as it is
	take                    // the incoming one replaces it
	keepAnew                // the local value stays, stamped above the incoming version
	takeAnew                // the incoming value comes in, stamped above the local version
)

// columns settles a row that is alive here and there, each pair of groups at once.
func (im *Import) columns(local Row, in Incoming, policy Policy, c Compare) Outcome {
	s := settling{im: im, compare: c, groups: make([]Group, 0, len(local.Groups)+len(in.Groups))}
	for _, l := range local.Groups {
		rest := l.Mask
		for _, g := range in.Groups {
			both := l.Mask & g.Mask
			if both == 0 {
				continue
			}
			rest &^= both
			s.policy, s.ack = policy, in.Ack
			s.pair(both&^in.NeverSent, l.Version, g.Sent)
			s.policy, s.ack = Parent, 0
			s.pair(both&in.NeverSent, l.Version, g.Sent)
		}
		s.groups = append(s.groups, Group{rest, l.Version})
	}
	known := local.mask()
	for _, g := range in.Groups { // what has no version here is below every stamp
		s.groups = append(s.groups, Group{g.Mask &^ known, im.got(g.Sent)})
		s.write |= g.Mask &^ known &^ (c.Equal | Existence)
	}
	out := Outcome{Row: Row{Known: true, Alive: true, Groups: Normalise(s.groups)}, Write: s.write, Conflicts: s.lost}
	if out.Write != 0 {
		out.Action = Update
	}
	out.Changed = !slices.Equal(out.Row.Groups, Normalise(local.Groups))
	return out
}

// above is the set of columns whose incoming bytes are greater.
func above(m Mask, greater func(int) bool) (out Mask) {
	if greater == nil {
		return 0
	}
	for ; m != 0; m &= m - 1 {
		if bit := bits.TrailingZeros64(uint64(m)); greater(bit) {
			out |= 1 << bit
		}
	}
	return out
}

type settling struct {
	im      *Import
	compare Compare
	policy  Policy
	ack     uint64
	groups  []Group
	write   Mask
	lost    []Conflict
}

// pair settles columns that have one version here and one there.
func (s *settling) pair(both Mask, local Version, in Sent) {
	c := s.compare
	equal := c.Equal | Existence
	later := local.Before(in.Stamp)
	s.part(both&equal, true, local, in, later)
	differ := both &^ equal
	if local.Stamp != in.Stamp {
		s.part(differ, false, local, in, later)
		return
	}
	greater := above(differ, c.Greater)
	s.part(greater, false, local, in, true)
	s.part(differ&^greater, false, local, in, false)
}

// part settles columns that have one version here and one there, and whose values all are equal or all differ. later: the
// incoming version is the later one.
func (s *settling) part(m Mask, equal bool, local Version, in Sent, later bool) {
	if m == 0 {
		return
	}
	im := s.im
	conflict := !equal && im.news(in.Epoch) && !im.seen(local, s.ack)
	policy := s.policy
	if im.FirstMeeting || !im.Valid || im.PeerResent != nil && im.PeerResent(in.Epoch) || im.OwnResent != nil && im.OwnResent(local.Epoch) {
		policy = Newest
	}
	v := judge(policy, local.Stamp, in.Stamp, equal, conflict, later, im.FromParent)
	out := local
	switch v {
	case take:
		out = im.got(in)
	case takeAnew:
		out = im.stamper().above(local.Stamp)
	case keepAnew:
		out = im.stamper().above(in.Stamp)
	}
	s.groups = append(s.groups, Group{m, out})
	taken := v == take || v == takeAnew
	if taken && !equal {
		s.write |= m
	}
	if conflict {
		lost := Conflict{Mask: m, Incoming: !taken, Loser: in.Stamp, Winner: local.Stamp}
		if taken {
			lost.Loser, lost.Winner = local.Stamp, in.Stamp
		}
		s.lost = append(s.lost, lost)
	}
}

// judge decides between two versions of a column. The later one stays, unless they are in conflict and the policy says
// otherwise. A winner by policy that has the lower stamp is stamped anew, above the loser: from there on it wins everywhere
// by its stamp, with no other node having to judge by a policy.
func judge(policy Policy, local, in Stamp, equal, conflict, later, fromParent bool) verdict {
	if local.Time == 0 && in.Time == 0 {
		// Both are from before their nodes were nodes: nobody can say which is newer.
		if equal {
			return keep
		}
		policy = Parent
	}
	if equal || !conflict || policy == Newest {
		if later {
			return take
		}
		return keep
	}
	wins := fromParent == (policy == Parent)
	switch {
	case wins && later:
		return take
	case wins:
		return takeAnew
	case later:
		return keepAnew
	}
	return keep
}
