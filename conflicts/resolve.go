package conflicts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/conflicts/rules"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/undo"
)

// Decision is what a person decides about a conflict.
type Decision struct {
	ID     uint64    // of one of its records
	How    merge.How // TookLost, TookKept or Dismissed; Open takes back what was decided
	Column string    // of this column alone; "": of all that nobody has decided yet
	Anyway bool      // the value that lost is taken though somebody has changed the one that is there since
}

// Done is what a decision did.
type Done struct {
	Table, Key string
	Columns    []string // about which it decided, without bookkeeping
	Set        []string // columns that got another value
	Inserted   bool     // the row was deleted and is back
	Deleted    bool     // a row that a decision had brought back is deleted again
}

// errNotHere says of a table that its rows cannot be changed.
var errNotHere = errors.New("the table is no longer here, or not exchanged any more")

// Decide carries out a decision. If it fails, nothing is changed. Errors: [journal.ErrNoConflict].
func Decide(ctx context.Context, j *journal.Journal, o undo.EditOptions, d Decision) (done *Done, err error) {
	err = undo.Edit(ctx, j, o, func(e *undo.Editor) error {
		x := &deciding{j: j, e: e, d: d}
		if err := x.load(ctx); err != nil {
			return err
		}
		done = &x.done
		if err := x.check(ctx); err != nil {
			return err
		}
		return x.carryOut(ctx)
	})
	return done, err
}

// deciding is one attempt.
type deciding struct {
	j *journal.Journal
	e *undo.Editor
	d Decision

	conflict *rules.Conflict
	records  map[uint64]journal.ConflictRecord // of the conflict, without values
	chosen   []rules.Record
	t        *schema.Table // nil: it is no longer here
	row      *undo.Found   // nil if the table is not here
	stamp    merge.Stamp   // of the decision
	done     Done
}

// load reads the conflict and its row.
func (x *deciding) load(ctx context.Context) (err error) {
	q := x.e.DB()
	if x.conflict, x.records, err = read(ctx, q, x.j, x.d.ID); err != nil {
		return err
	}
	c := x.conflict
	x.done.Table, x.done.Key = c.Table, c.Key
	if x.chosen = c.Choose(x.d.Column, x.d.How == merge.Open); len(x.chosen) == 0 {
		return x.nothing()
	}
	x.stamp = merge.Stamp{Time: x.j.Now().UnixMicro(), Author: x.j.Self}
	for _, r := range x.chosen {
		x.stamp = r.Resolution.Resolve(x.d.How, x.j.Self, x.stamp.Time).Stamp
		if r.Column != "" && !r.Bookkeeping {
			x.done.Columns = append(x.done.Columns, r.Column)
		}
	}
	t := x.j.Catalogue.Table(c.Table)
	if t == nil || !t.Replicated || x.j.Tables[t.Name] == nil {
		return nil
	}
	x.t = t
	x.row, err = x.e.Find(ctx, t, c.Key, x.j.Columns(t))
	return err
}

// nothing says why there is nothing to decide.
func (x *deciding) nothing() error {
	c := x.conflict
	if x.d.Column != "" && !slices.ContainsFunc(c.Records, func(r rules.Record) bool { return r.Column == x.d.Column }) {
		return fmt.Errorf("conflict %d is not about the column %s, but about %s", x.d.ID, x.d.Column, columnList(c.Records))
	}
	if x.d.How == merge.Open {
		return fmt.Errorf("nobody has decided about conflict %d: there is nothing to take back", x.d.ID)
	}
	for _, r := range c.Records {
		if r.Resolution.Settles() && (x.d.Column == "" || r.Column == x.d.Column) {
			return fmt.Errorf("conflict %d is settled already: %s. omsync conflicts undo %[1]d takes that back", x.d.ID, Said(r.Resolution))
		}
	}
	return fmt.Errorf("conflict %d holds nothing to decide", x.d.ID)
}

// Said says what somebody decided.
func Said(r merge.Resolution) string {
	what := map[merge.How]string{merge.TookLost: "the lost value was taken", merge.TookKept: "the kept value was taken", merge.Dismissed: "it was dismissed",
		merge.Replaced: "it is of a value that a decision replaced", merge.Open: "a decision was taken back"}[r.How]
	return fmt.Sprintf("%s at %s on %s", what, r.Author, Time(r.Time))
}

func columnList(rs []rules.Record) string {
	var names []string
	for _, r := range rs {
		switch {
		case r.Column != "":
			names = append(names, plain(r.Column))
		case r.Deletion:
			names = append(names, "the row's deletion")
		default:
			names = append(names, "the whole row")
		}
	}
	return strings.Join(names, ", ")
}

// check returns an error if the decision must be made elsewhere.
func (x *deciding) check(ctx context.Context) error {
	if x.t == nil {
		return nil
	}
	peers, err := journal.Peers(ctx, x.e.DB())
	if err != nil {
		return err
	}
	var columns merge.Mask
	for _, r := range x.chosen {
		columns = columns.Or(x.bit(r.Column))
	}
	for _, p := range peers {
		if p.State == access.Removed || access.On(x.j.Access(x.t), p.ID, p.Role).Resolves(x.row.Known, columns) {
			continue
		}
		return fmt.Errorf("a change of this row of %s does not go to %s, whose value would come again: decide it there (omsync conflicts, at %[2]s)", x.t.Name, p.Name)
	}
	return x.told(ctx, peers)
}

// told returns an error if a value that lost would be taken of which a peer told that may not write it.
func (x *deciding) told(ctx context.Context, peers []*journal.Peer) error {
	if x.d.How != merge.TookLost {
		return nil
	}
	meta := x.j.Tables[x.t.Name]
	var added access.Added
	if !x.row.Known.Alive {
		by, err := journal.DeletedAuthors(ctx, x.e.DB(), meta.ID, []string{x.conflict.Key})
		if err != nil {
			return err
		}
		added.By, added.Known = by[x.conflict.Key]
	}
	for _, r := range x.chosen {
		for _, p := range peers {
			if p.ID == x.records[r.ID].Over && !access.On(x.j.Access(x.t), p.ID, p.Role).TakesLost(x.row.Known, x.bit(r.Column), added) {
				return fmt.Errorf("%s: the record came from %s, which may not change that itself: if its value is right, write it in the application, and then: omsync conflicts dismiss %d", x.rowText(), p.Name, x.d.ID)
			}
		}
	}
	return nil
}

// carryOut makes the edits, and records the decision.
func (x *deciding) carryOut(ctx context.Context) (err error) {
	switch {
	case x.d.How == merge.Dismissed:
	case x.t == nil && x.d.How == merge.TookLost, x.t == nil && x.d.How == merge.Open && x.tookLost():
		return fmt.Errorf("%s: %w: dismiss the conflict, or take the kept value", plain(x.conflict.Table), errNotHere)
	case x.t == nil:
	case x.d.How == merge.Open:
		err = x.reverse(ctx)
	default:
		err = x.edit(ctx)
	}
	if err != nil {
		return err
	}
	return x.record(ctx)
}

// record writes down what was decided, in an epoch of its own.
func (x *deciding) record(ctx context.Context) error {
	epoch, err := journal.NextEpoch(ctx, x.e.DB(), false, x.j.Now())
	if err != nil {
		return err
	}
	var out []journal.ConflictResolution
	put := func(digest string, how merge.How) {
		out = append(out, journal.ConflictResolution{Digest: digest, Resolution: merge.Resolution{How: how, Stamp: x.stamp}, Epoch: epoch.Epoch})
	}
	for _, r := range x.chosen {
		put(x.records[r.ID].Digest, x.d.How)
	}
	return journal.PutResolutions(ctx, x.e.DB(), out)
}

// bit returns the mask of a column alone; of none, the empty one.
func (x *deciding) bit(column string) merge.Mask { return bitOf(x.j.Tables[x.t.Name], column) }

func bitOf(t *journal.Table, column string) merge.Mask {
	if bit := t.Bit(column); bit != merge.Existence {
		return merge.Bit(bit)
	}
	return merge.Mask{}
}
