package conflicts

import (
	"context"
	"fmt"

	"github.com/omsync/omsync/conflicts/rules"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// edit makes the edits of a decision.
func (x *deciding) edit(ctx context.Context) error {
	set := map[*schema.Column]*string{}
	var confirmed merge.Mask
	back := false
	for _, r := range x.chosen {
		c, value, s, err := x.state(ctx, r)
		if err != nil {
			return err
		}
		action, why := rules.Decide(r, x.d.How, s)
		switch action {
		case rules.Refuse:
			return x.refused(r, why)
		case rules.BringBack:
			back = true
		case rules.Delete:
			return x.deleteRow(ctx)
		case rules.Confirm:
			confirmed = confirmed.Or(x.bit(r.Column))
		case rules.Set:
			set[c] = value
			x.done.Set = append(x.done.Set, r.Column)
		}
	}
	if back {
		return x.bringBack(ctx)
	}
	if len(set) > 0 {
		if err := x.keepReplaced(ctx, set); err != nil {
			return err
		}
	}
	if err := x.e.Set(ctx, x.t, x.row.At, set); err != nil {
		return fmt.Errorf("%s: the lost value cannot be taken: %w. Nothing was changed", x.rowText(), err)
	}
	if !confirmed.IsEmpty() {
		return x.e.Confirm(ctx, x.t, x.row.At, confirmed)
	}
	return nil
}

// state returns what is known of a record's column, its value and column here.
func (x *deciding) state(ctx context.Context, r rules.Record) (c *schema.Column, value *string, s rules.State, err error) {
	s = rules.State{Alive: x.row.Known.Alive, AnyValue: x.d.Anyway}
	if !s.Alive {
		s.Kept, err = x.whole(ctx)
		return nil, nil, s, err
	}
	if r.Column == "" {
		return nil, nil, s, nil
	}
	if c = x.t.Column(r.Column); c == nil || c.Generated || x.bit(c.Name).IsEmpty() {
		return nil, nil, s, nil
	}
	s.Column = true
	if value, err = journal.ConflictValue(ctx, x.e.DB(), r.ID); err != nil {
		return nil, nil, s, err
	}
	now := x.row.Values[c]
	s.Equal = (now == nil) == (value == nil) && (now == nil || *now == *value)
	s.Stamp = stampOf(x.row.Known.Groups, x.bit(c.Name))
	return c, value, s, nil
}

// stampOf returns the stamp of a column.
func stampOf(groups []merge.Group, bit merge.Mask) merge.Stamp {
	for _, g := range groups {
		if g.Mask.Meets(bit) {
			return g.Stamp
		}
	}
	return merge.Stamp{}
}

// refused says why a decision cannot be carried out, and what can be done.
func (x *deciding) refused(r rules.Record, why rules.Reason) error {
	row := x.rowText()
	switch why {
	case rules.Gone:
		return fmt.Errorf("%s: it is gone here, and not kept whole, so it cannot come back from here. Where it was deleted by an import it is kept: try it there, or: omsync conflicts dismiss %d", row, x.d.ID)
	case rules.Changed:
		return fmt.Errorf("%s: its %s was changed again since (%s), so neither of the two values is there. Look at it (omsync conflicts show %d), and take the lost value all the same with --anyway", row, plain(r.Column), said(stampOf(x.row.Known.Groups, x.bit(r.Column))), x.d.ID)
	case rules.NotThere:
		return fmt.Errorf("%s: it has no column %s any more. Take the other columns one by one with --column, or: omsync conflicts dismiss %d", row, plain(r.Column), x.d.ID)
	}
	return fmt.Errorf("%s: it cannot be decided", row)
}

// said says who made a version, and when.
func said(s merge.Stamp) string { return fmt.Sprintf("%s, %s", s.Author, Time(s.Time)) }

// keepReplaced records the values that a decision replaces: by these records it can be taken back, at every site.
func (x *deciding) keepReplaced(ctx context.Context, set map[*schema.Column]*string) error {
	var cs []journal.Conflict
	for c := range set {
		loser := stampOf(x.row.Known.Groups, x.bit(c.Name))
		cs = append(cs, journal.Conflict{Table: x.t.Name, Key: x.conflict.Key, Column: c.Name, Value: x.row.Values[c], Loser: loser})
	}
	return x.putReplaced(ctx, cs)
}

// putReplaced records what a decision replaces, each settled from the beginning. What is recorded already stays as it is.
func (x *deciding) putReplaced(ctx context.Context, cs []journal.Conflict) error {
	q := x.e.DB()
	epoch, err := journal.NextEpoch(ctx, q, false, x.j.Now())
	if err != nil {
		return err
	}
	digests := make([]string, len(cs))
	for i := range cs {
		c := &cs[i]
		if c.Loser.Author == "" { // it had no version
			c.Loser.Author = x.j.Self
		}
		c.Winner, c.At, c.Epoch = x.stamp, x.j.Now().UnixMicro(), epoch.Epoch
		digests[i] = c.Digest()
	}
	known, err := journal.ConflictsOf(ctx, q, digests)
	if err != nil {
		return err
	}
	var fresh []journal.ConflictResolution
	isKnown := map[string]bool{}
	for _, k := range known {
		isKnown[k.Digest] = true
	}
	for _, d := range digests {
		if !isKnown[d] {
			fresh = append(fresh, journal.ConflictResolution{Digest: d, Epoch: epoch.Epoch, Resolution: merge.Resolution{How: merge.Replaced, Stamp: x.stamp}})
		}
	}
	if _, _, err := journal.PutConflicts(ctx, q, cs); err != nil {
		return err
	}
	return journal.PutResolutions(ctx, q, fresh)
}
