package export

import (
	"context"
	"slices"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
)

// Of a table that goes up only, a child is sent what it had sent itself and has lost, and who works for this node. See access.Rules.GoesBack and
// SendsStaff.

// goes reports whether a row goes to the peer.
func (r *reader) goes(row journal.Row, known merge.Row) bool {
	t := r.t
	if t.rules.SendsBack() {
		return t.rules.GoesBack(known, t.lost, t.base(r.head.Base.Epoch)) || t.staff.has(row) && (t.staff.lacked[row] || r.lacks(known))
	}
	return (r.lacks(known) || t.refused[row] != 0) && (t.rules.SendsAllRows() || t.rules.SendsRow(known, t.kept[row]))
}

// sendsDeletion reports whether a deletion goes to the peer.
func (p *plan) sendsDeletion(t *table, dead merge.Version) bool {
	if !t.rules.SendsBack() {
		return t.rules.SendsDeletion(dead)
	}
	return t.rules.DeletionGoesBack(dead, t.lost, t.base(p.head.Base.Epoch)) || t.rules.StaffDeletion(dead)
}

// outgoing returns a row's versions as they are sent: that a row goes back to who added it is told.
func (p *plan) outgoing(t *table, row journal.Row, known merge.Row) []merge.SentGroup {
	groups, _ := p.as(t, row, known).Outgoing(p.peer.ID)
	if t.rules.GoesBack(known, true, 0) {
		return t.rules.Theirs(groups)
	}
	return groups
}

// few lists the rows of a table that goes up only of which some may go although the peer has lost nothing of it: what counts as made here
// since it was restored, and who works here.
func (r *reader) few(ctx context.Context, newer []journal.Row) ([]journal.Row, error) {
	self := r.j.Authors.ID(r.j.Self)
	out, err := journal.Reclaimed(ctx, r.snap, r.t.meta.ID, r.t.base(r.head.Base.Epoch), self)
	if err != nil || r.t.staff == nil {
		return out, err
	}
	for _, row := range newer {
		if r.t.staff.has(row) {
			out = append(out, row)
		}
	}
	for row := range r.t.staff.lacked {
		out = append(out, row)
	}
	slices.SortFunc(out, rowkey.Compare)
	return slices.Compact(out), nil
}
