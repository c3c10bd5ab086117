package scope

import "github.com/omsync/omsync/merge"

// enter brings an owner into a child's scope, with all that is theirs, and into this node's own.
func (n Node) enter(p merge.Peer, o Owner, rule bool) {
	e := n.Entry(p, o)
	switch {
	case n.Child(p).All:
	case !e.In():
		n.Ask(o)
		at := n.Epoch()
		n.SetEntry(p, o, Entry{Since: at, Told: at, Rule: rule})
	case e.Rule && !rule:
		e.Rule = false
		n.SetEntry(p, o, e)
	}
}

// bring brings into a child's scope whose a row is that stands so. Where it belongs to nobody, what it refers to comes into the child's sight
// by itself, or the child could not take the row.
func (n Node) bring(p merge.Peer, row Row, at Place, steps int) {
	owners, known := n.ownersAt(row, at, steps)
	switch {
	case known:
		for _, o := range owners {
			n.enter(p, o, false)
		}
	case at.Kind == Owned && at.Alive && steps > 0:
		for _, to := range at.To {
			if to != (Row{}) {
				n.bring(p, to, n.Place(to), steps-1)
				n.show(p, to)
			}
		}
	}
}

// show brings a row into a child's sight if it is not: an owner's into its scope, another by an exception.
func (n Node) show(p merge.Peer, row Row) {
	switch {
	case row == Row{} || n.Sight(p, row).In():
	case n.Place(row).Kind == Own:
		n.enter(p, Owner(row.Key), false)
	default:
		n.SetException(p, row, Sight(n.Epoch()))
	}
}

// Publish makes rows public, if they are not.
func (n Node) Publish(rows ...Row) {
	for _, row := range rows {
		if row != (Row{}) && !n.Public(row).In() {
			n.SetPublic(row, Sight(n.Epoch()))
		}
	}
}

// Admit brings an owner into a child's scope, here or not: by a person's word, or as the child asked. acked is the epoch of this node's
// that the child acknowledged: one who is in scope, and was told of by then, is told of once more, and sent nothing again.
func (n Node) Admit(p merge.Peer, o Owner, acked uint64) {
	if !n.Child(p).All {
		n.enter(p, o, false)
		if e := n.Entry(p, o); e.Told <= acked {
			e.Told = n.Epoch()
			n.SetEntry(p, o, e)
		}
	}
	n.Ask(o)
}

// Leave takes an owner out of a child's scope: nothing of theirs is sent any more, until the child sends news of it. The child keeps what
// it has. It takes an epoch, so that a backup from before is found out. It reports whether the owner was in.
//
// What the child's waiting rows need stays in sight.
func (n Node) Leave(p merge.Peer, o Owner) bool {
	e := n.Entry(p, o)
	if !e.In() || n.Child(p).All {
		return false
	}
	n.SetEntry(p, o, Entry{Gone: n.Epoch()})
	n.endExceptions(p, func(owner Owner) bool { return owner == o })
	n.awaitAll(p)
	return true
}

// endExceptions ends the exceptions of rows that one of some owners has.
func (n Node) endExceptions(p merge.Peer, gone func(Owner) bool) {
	for _, row := range n.Exceptions(p) {
		for _, o := range n.Owners(row) {
			if gone(o) {
				n.SetException(p, row, Out)
				break
			}
		}
	}
}

func (n Node) awaitAll(p merge.Peer) {
	for _, a := range n.Waiting(p) {
		n.await(p, a)
	}
}
