package scope

import "github.com/omsync/omsync/merge"

// Begin gives a scope to a child that had everything. It has in it whom the caller names: whose rows the child brought itself, and whom a
// person adds. All others leave, as by [Node.Leave]. What the child has seen of those who stay stays seen.
func (n Node) Begin(p merge.Peer, owners []Owner) {
	c := n.Child(p)
	if !c.All {
		return
	}
	at := n.Epoch()
	stays := map[Owner]bool{}
	for _, o := range owners {
		stays[o] = true
	}
	for _, o := range n.Entries(p) {
		if e := n.Entry(p, o); e.In() && !stays[o] {
			n.SetEntry(p, o, Entry{Gone: at})
		}
	}
	for _, o := range owners {
		e := n.Entry(p, o)
		if !e.In() {
			e.Since = max(c.Since, uint64(Always))
		}
		n.SetEntry(p, o, Entry{Since: e.Since, Told: at})
		n.Ask(o)
	}
	n.endExceptions(p, func(o Owner) bool { return !stays[o] })
	c.All, c.Since = false, at
	n.SetChild(p, c)
	n.awaitAll(p)
}

// End takes a child's scope away: it gets everything. What it had not in sight it has since now, so that it is sent that whole; of
// everything else the entries and exceptions go on saying since when it has it, for the child may be restored to any time before.
func (n Node) End(p merge.Peer) {
	c := n.Child(p)
	if c.All {
		return
	}
	for _, o := range n.Entries(p) {
		if e := n.Entry(p, o); e.Asked {
			e.Asked = false
			n.SetEntry(p, o, e)
			n.Ask(o)
		}
	}
	c.All, c.Since = true, n.Epoch()
	n.SetChild(p, c)
}

// Change is what a rule would change of a child's scope.
type Change struct{ Enter, Leave []Owner }

// Plan returns what the rules of a child would change, where they say that these owners are to be in its scope: all of them enter, and
// who was brought in by a rule alone, and is none of them, leaves. It changes nothing.
func (n Node) Plan(p merge.Peer, owners []Owner) Change {
	return n.PlanOf(p, n.Entries(p), owners)
}

// Fill does what [Node.Plan] returned.
func (n Node) Fill(p merge.Peer, c Change) {
	for _, o := range c.Enter {
		n.enter(p, o, true)
	}
	for _, o := range c.Leave {
		n.Leave(p, o)
	}
}
