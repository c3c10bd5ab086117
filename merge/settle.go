package merge

import (
	"math"
	"slices"
)

// A Policy decides conflicts of a column; everything else goes by the later stamp under any policy, and so do deletions.
type Policy uint8

const (
	Newest Policy = iota // the later stamp wins
	Parent               // what came over the link to the parent wins, and over a link to a child what is here
	Child                // the other way round
)

// String returns the policy as a configuration says it.
func (p Policy) String() string { return [...]string{"newest", "parent", "child"}[p] }

// ParsePolicy reads what String returns; false if it is something else.
func ParsePolicy(s string) (Policy, bool) {
	for p := Newest; p <= Child; p++ {
		if p.String() == s {
			return p, true
		}
	}
	return Newest, false
}

// Policies say which policy a table's columns have: the parent's or the child's value wins in these, the later stamp in all others.
type Policies struct{ Parent, Child Mask }

// All returns the same policy for all columns.
func All(p Policy) Policies {
	switch p {
	case Parent:
		return Policies{Parent: Everything()}
	case Child:
		return Policies{Child: Everything()}
	}
	return Policies{}
}

// Set gives columns a policy.
func (p *Policies) Set(columns Mask, policy Policy) {
	p.Parent = p.Parent.Without(columns)
	p.Child = p.Child.Without(columns)
	switch policy {
	case Parent:
		p.Parent = p.Parent.Or(columns)
	case Child:
		p.Child = p.Child.Or(columns)
	}
}

// Under returns the policies of a child whose parent has those of above: the parent's decide, or each of the two would go on insisting on
// its own. Where the parent has none the child's do: with the later stamp at one end, what the other does ends.
func (p Policies) Under(above Policies) Policies {
	has := above.Parent.Or(above.Child)
	return Policies{p.Parent.Without(has).Or(above.Parent), p.Child.Without(has).Or(above.Child)}
}

// Of returns the policy of the column with a bit.
func (p Policies) Of(bit int) Policy {
	switch {
	case p.Parent.Has(bit):
		return Parent
	case p.Child.Has(bit):
		return Child
	}
	return Newest
}

// An Import is what the rules need to know of the import under way. [Link.Import] fills in what the link and the header say.
type Import struct {
	Self  string // this node's name
	Peer  Peer   // the sender
	Epoch uint64 // this node's, of the import

	Applied uint64 // the sender's epoch that was applied here before this batch: what is later is news
	// Valid: the header acknowledges, on the present link, a position that this node has. Otherwise the sender does not know that
	// this node was restored: all that it sends may be news, and nothing here counts as seen by it.
	Valid bool
	// FirstMeeting: nothing was applied yet one way or the other. Nobody knows then what the sender had seen, so the later
	// stamp decides under every policy.
	FirstMeeting bool
	FromParent   bool   // the sender is this node's parent
	Upto         uint64 // the sender's epoch that the batch, or the load that it is a part of, reaches
	Further      uint64 // this node's epoch since which what came from the sender came in parts of a load that reaches further than this batch; 0: there is none

	Horizon int64  // the highest time of a stamp that is taken: see [Import.Takes]
	MaxAck  uint64 // of this node's epochs, the last one that the header vouches for: see [Import.RowAck]
	Acked   uint64 // this node's epoch up to which the sender has applied all
	Met     uint64 // this node's epoch in which the sender's first batch was applied; 0: it is not known
	Sent    uint64 // this node's epoch up to which files were made for the sender: see [Import.Recognises]

	PeerResent func(epoch uint64) bool // sender's epochs that only send again what was there before; nil: none
	PeerMends  func(epoch uint64) bool // sender's epochs in which it claimed rows that were not the same at both ends: see [Stamper.Claim]; nil: none
	OwnResent  func(epoch uint64) bool // this node's such epochs; nil: none
	OwnMends   func(epoch uint64) bool // this node's such epochs, as Passed is; nil: none
	Passed     uint64                  // this node's epoch for what the sender claimed, which mends too: so the next node is told that it is a claim. 0: Epoch
	Reclaimed  func(epoch uint64) bool // this node's epochs in which what peers may have lost came to count as made here; nil: none

	waited      bool   // the row has waited, see [Import.Of]
	waitedSince uint64 // Acked when it came
	lost        bool   // the row that waited is lost at its sender, which so has seen nothing
	brought     Peer   // the sender of such a row, where Peer is nobody
}

// An Incoming is a row of a batch.
type Incoming struct {
	Alive  bool
	Groups []SentGroup // of a live row; masks disjoint
	Dead   Sent        // of a deletion
	Ack    uint64      // what of this node's epochs the sender had applied to this row: the header's, if the row has none of its own
	// NeverSent is what this node never sends to the sender: whatever it acknowledged, it has seen nothing of that, and its value
	// wins conflicts. With Existence among it the row is the sender's alone: what the sender says of it that is new wins, whatever was
	// done to it here, and edits made here do not let it outlive a deletion, unless it stays for those that refer to it.
	NeverSent Mask
	Unseen    Mask  // columns that the sender did not have: whatever it acknowledged, it has seen nothing of them but what came from it. See [Lacks]
	Missed    Mask  // columns of a live row that are new here: any version of them is news, and settled as one that is sent again. See [Lacks]
	Whose     Whose // of a live row: what the sender says of whose it is, as far as that is believed
	// Since is this node's epoch from which on the sender may have the row, where a child may have some rows only: of what is older it is told
	// with that epoch, and has seen nothing before. 0: it always might; [OutOfSight]: it may not.
	Since uint64
	// Columns is those that are here, but for what the sender may leave out: of a row that comes back from a deletion, each gets a version.
	Columns Mask
}

// OutOfSight is what [Incoming.Since] is of a row that the sender may not have: it has seen nothing of it but what came from there.
const OutOfSight = math.MaxUint64

// sendersAlone reports whether the row is the sender's, and nothing of it goes there.
func (in *Incoming) sendersAlone() bool { return in.NeverSent.Has(Existence) }

// ack returns what of this node's epochs the sender can have applied to these columns.
func (in *Incoming) ack(m Mask) uint64 {
	if in.NeverSent.Meets(m) {
		return 0
	}
	return in.Ack
}

// A Compare compares the values of a row that is alive here and there.
type Compare struct {
	Equal Mask // columns with equal values (references: those that resolve to one row)
	// Greater reports whether the incoming value's bytes sort above the local ones'. It is called only for values with one stamp
	// that differ, which a node makes that was restored and whose clock was set back too. nil: no.
	Greater func(bit int) bool
}

// An Action is what to do with the row in the database.
type Action uint8

const (
	Keep   Action = iota // nothing is written to the row (its versions may change all the same)
	Insert               // it is not here: insert it, with the columns in Outcome.Write
	Update               // write the columns in Outcome.Write
	Delete
)

// An Outcome is what became of a row.
type Outcome struct {
	Row       Row // its versions now
	Action    Action
	Write     Mask // columns that take the incoming value
	Changed   bool // Row is not what it was
	Conflicts []Conflict
}

// A Conflict is a value that lost against one whose author had not seen it: a conflict, to be recorded. One record is the same
// wherever it was made if key, column, Loser and value are the same. (The stamp alone does not say: see Compare.Greater.)
type Conflict struct {
	// Mask is the losing columns. With Existence among them a deletion took the row, and all its columns are lost.
	// Of a losing deletion it is Existence alone.
	Mask          Mask
	Incoming      bool // the losing side is the incoming one
	Deletion      bool // what lost is a deletion of the row
	Loser, Winner Stamp
}

func (im *Import) stamper() Stamper { return Stamper{im.Self, im.Epoch} }
func (im *Import) received(s Sent) Version {
	return Version{Stamp: s.Stamp, Epoch: im.epochFor(s), From: im.Peer}
}

// epochFor returns this node's epoch for a version that takes the place of what is here: a claim is passed on as one. One of what is the same here
// is not, unless that came by a claim: a sender's word alone would have other nodes record what is replaced there, with nothing recorded here that
// counts as the sender's.
func (im *Import) epochFor(s Sent) uint64 {
	if im.Passed != 0 && im.mends(s.Epoch) {
		return im.Passed
	}
	return im.Epoch
}
func (im *Import) isNews(epoch uint64) bool { return !im.Valid || epoch > im.Applied }

// seenBySender reports whether the sender had applied v when it sent a row with this acknowledgement, or has taken v since in place of a
// version with the stamp in, which waited here. since is this node's epoch from which on the sender may have
// it: see [Incoming.Since].
func (im *Import) seenBySender(v Version, ack, since uint64, in Stamp) bool {
	if !im.Valid || im.lost {
		return false
	}
	told := max(v.Epoch, since) // with that epoch the sender is told of v
	waited := im.waited && in.Before(v.Stamp) && told > im.waitedSince && told <= im.Acked
	return told <= ack || v.From == im.Peer || waited
}

// RowAck returns what counts of a row's own acknowledgement: no more than the header says, which this node can check. A row says
// either what its header says, or what the load reaches that the sender is receiving.
func (im *Import) RowAck(ack uint64) uint64 { return min(ack, im.MaxAck) }

// adder returns who added a row that is alive here now and came from the sender. That does not change while it lives, nor if it comes back
// where that is still known, but for what a sender says that is believed: see [Whose].
func (im *Import) adder(local Row, in *Incoming) Peer {
	added, known := local.existence()
	if !local.Alive {
		added, known = local.Dead, local.Dead.Added.Stored
	}
	switch {
	case in.Whose == Theirs:
		return im.Peer
	case in.Whose == Ours && (!known || added.addedBy() == im.Peer):
		return 0
	case known:
		return added.addedBy()
	case im.lost:
		return im.brought
	}
	return im.Peer
}

// added writes into versions of a live row who added it.
func added(groups []Group, by Peer) []Group {
	for i := range groups {
		if groups[i].Has(Existence) {
			groups[i].Version = groups[i].by(by)
		}
	}
	return groups
}

// Outlives reports whether the local row is above the deletion: some version of it, or of a row that is the sender's alone that of
// its existence, but for one that the sender added. If so, Settle keeps the row alive.
func (im *Import) Outlives(local Row, in Incoming) bool {
	if v, _ := local.existence(); local.WasAddedBy(im.Peer) && im.insists(&in, v) {
		return false
	}
	return slices.ContainsFunc(local.Groups, func(g Group) bool {
		return in.Dead.Before(g.Stamp) && (!in.NeverSent.Has(Existence) || g.Has(Existence))
	})
}

// Settle decides what becomes of a row. local is what is known of it here, unsealed changes stamped; c matters only if it is
// alive here and there. stays: rows that stay here refer to it, so an incoming deletion is refused (see RefuseDeletions).
//
// A taken version keeps its stamp and counts as from the sender. What Settle stamps anew, to settle a dispute that the stamps
// alone would settle otherwise, is an edit made here: it goes to everybody, the sender included.
func (im *Import) Settle(local Row, in Incoming, policies Policies, c Compare, stays bool) Outcome {
	switch {
	case !local.Known && in.Alive:
		return Outcome{Row: im.arrivingRow(Row{}, in), Action: Insert, Write: in.columns(), Changed: true}
	case !local.Known:
		// A deletion of a row never seen here is kept: the row itself may still come, by another way or in an older file.
		return Outcome{Row: Row{Known: true, Dead: im.received(in.Dead)}, Changed: true}
	case !local.Alive && !in.Alive:
		if !local.Dead.Before(in.Dead.Stamp) {
			return Outcome{Row: local}
		}
		return Outcome{Row: Row{Known: true, Dead: im.received(in.Dead)}, Changed: true}
	case !local.Alive:
		return im.revive(local, in)
	case !in.Alive:
		return im.remove(local, in, stays)
	}
	return im.settleColumns(local, in, policies, c)
}

func (in *Incoming) columns() Mask {
	return MaskOf(in.Groups).Columns()
}

// arrivingRow returns the versions of a row that comes in whole. What is not above the deletion that it comes back from is stamped
// above it, or that deletion would take the column, and the row with it, somewhere else.
func (im *Import) arrivingRow(local Row, in Incoming) Row {
	deletion := local.Dead.Stamp
	groups := make([]Group, 0, len(in.Groups))
	for _, g := range in.Groups {
		v := im.received(g.Sent)
		if deletion != (Stamp{}) && !deletion.Before(g.Stamp) {
			v = im.above(deletion, &in)
			v.Epoch = im.epochFor(g.Sent)
		}
		groups = append(groups, Group{g.Mask, v})
	}
	return Row{Known: true, Alive: true, Groups: Normalise(added(groups, im.adder(local, &in)))}
}

// above returns a version that beats s: made here, so that it goes to everybody; of a row that is the sender's alone as from the sender,
// whose next version of it wins whatever its stamp.
func (im *Import) above(s Stamp, in *Incoming) Version {
	v := im.stamper().above(s)
	if in.sendersAlone() {
		v.From = im.Peer
	}
	return v
}

// revive settles a row that is dead here and alive there: one version above the deletion brings it back whole.
func (im *Import) revive(local Row, in Incoming) Outcome {
	best := Stamp{}
	var news Mask
	resent := false
	for _, g := range in.Groups {
		if best.Before(g.Stamp) {
			best = g.Stamp
		}
		if im.isNews(g.Epoch) {
			news = news.Or(g.Mask)
		}
		resent = resent || im.resent(g.Epoch)
	}
	if local.Dead.Before(best) || !news.IsEmpty() && !resent && im.FromParent && im.insists(&in, local.Dead) {
		out := Outcome{Row: im.arrivingRow(local, in), Action: Insert, Write: in.columns(), Changed: true}
		if lacks := in.Columns.Without(in.columns()).Columns(); !lacks.IsEmpty() {
			// It comes back without these, because the sender does not have them. Who never hears of the deletion still has values from before it.
			out.Row.Groups = Normalise(append(out.Row.Groups, Group{lacks, im.above(local.Dead.Stamp, &in)}))
		}
		if !im.seenBySender(local.Dead, in.ack(Bit(Existence)), in.Since, local.Dead.Stamp) {
			out.Conflicts = []Conflict{{Mask: Bit(Existence), Deletion: true, Loser: local.Dead.Stamp, Winner: best}}
		}
		return out
	}
	out := Outcome{Row: local}
	for _, g := range in.Groups {
		if news.Meets(g.WithExistence()) {
			out.Conflicts = append(out.Conflicts, Conflict{Mask: g.Mask, Incoming: true, Loser: g.Stamp, Winner: local.Dead.Stamp})
		}
	}
	return out
}

// insists reports whether the row is the sender's alone, so that what is new of it is here as it is there, whatever stamps say. Stamps say
// it of a version that is here as the sender had it. What the sender insisted on in parts of a load that reaches further is newer.
func (im *Import) insists(in *Incoming, local Version) bool {
	if !in.sendersAlone() {
		return false
	}
	return local.From != im.Peer || im.insisted(local) && (im.Further == 0 || local.Epoch < im.Further)
}

// insisted reports whether the sender insisted on a version before: see [Import.above].
func (im *Import) insisted(v Version) bool { return v.From == im.Peer && v.Author == im.Self }

// resent reports whether an epoch of the sender only sends again.
func (im *Import) resent(epoch uint64) bool { return im.PeerResent != nil && im.PeerResent(epoch) }

// remove settles a row that is alive here and deleted there.
func (im *Import) remove(local Row, in Incoming, stays bool) Outcome {
	if stays || im.Outlives(local, in) {
		// Stamped above the deletion, what stays beats it everywhere. A column without a version gets none by it.
		kept := local.rewrite(func(v Version) Version {
			if v.Before(in.Dead.Stamp) {
				return im.stamper().above(in.Dead.Stamp)
			}
			return v
		})
		out := Outcome{Row: kept, Changed: !slices.Equal(kept.Groups, Normalise(local.Groups))}
		if im.isNews(in.Dead.Epoch) {
			out.Conflicts = []Conflict{{Mask: Bit(Existence), Incoming: true, Deletion: true, Loser: in.Dead.Stamp, Winner: local.highest()}}
		}
		return out
	}
	out := Outcome{Row: Row{Known: true, Dead: im.received(in.Dead)}, Action: Delete, Changed: true}
	var unseen Mask
	for _, g := range local.Groups {
		switch {
		case !im.seenBySender(g.Version, in.Ack, in.Since, g.Stamp):
			unseen = unseen.Or(g.Mask)
			continue
		case g.Time > 0 && !im.seenBySender(g.Version, 0, in.Since, g.Stamp): // an edit; what was there before anybody was a node is no loss
			unseen = unseen.Or(g.And(in.NeverSent))
		}
		if !im.seenBySender(g.Version, 0, OutOfSight, g.Stamp) {
			unseen = unseen.Or(g.And(in.Unseen))
		}
	}
	for _, g := range local.Groups {
		if unseen.Meets(g.WithExistence()) {
			m := g.Mask
			if !unseen.Has(Existence) {
				m = m.And(unseen)
			}
			out.Conflicts = append(out.Conflicts, Conflict{Mask: m, Loser: g.Stamp, Winner: in.Dead.Stamp})
		}
	}
	return out
}
