package merge

import "slices"

// Involves returns the peers to each of which the row goes otherwise than to all others: what came from them, or that they added it, is told to
// them alone. For all other peers [Row.Outgoing] and [Row.NewerThan] say the same.
func (r Row) Involves() (peers []Peer) {
	add := func(p Peer) {
		if p != NoPeer && p != 0 && !slices.Contains(peers, p) {
			peers = append(peers, p)
		}
	}
	if !r.Alive {
		add(r.Dead.From)
		return peers
	}
	for _, g := range r.Groups {
		add(g.From)
		if g.Has(Existence) {
			add(g.addedBy())
		}
	}
	return peers
}
