package conflicts

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/omsync/omsync/conflicts/rules"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/undo"
)

// maxShown is how many bytes of a value are read to be shown.
const maxShown = 64 << 10

// View is a conflict with both versions.
type View struct {
	Entry
	Columns []Column // those that matter first
	Gone    bool     // the row is not here
	Deleted merge.Stamp
}

// Column is what a conflict is about in one column.
type Column struct {
	journal.ConflictRecord        // its value is that which lost, at most [maxShown] bytes of it
	LostRow                string // of a reference, what the row is called
	Here                   bool   // the row and the column are here
	Now                    *string
	NowRow                 string
	NowStamp               merge.Stamp
	Bookkeeping            bool
}

// Kept reports whether the value here is the one that had been kept.
func (c *Column) Kept() bool {
	return c.Here && (rules.Record{Loser: c.Loser, Winner: c.Winner}).IsKept(c.NowStamp)
}

// Show returns a conflict by the number of one of its records. Errors: [journal.ErrNoConflict].
func Show(ctx context.Context, q sqldb.DB, j *journal.Journal, id uint64, openSince int64) (*View, error) {
	c, byID, err := read(ctx, q, j, id)
	if err != nil {
		return nil, err
	}
	peers, err := peerNames(ctx, q)
	if err != nil {
		return nil, err
	}
	v := &View{Entry: Entry{Conflict: c, State: c.State(openSince), ByID: byID}}
	l := newLabels(q, j)
	if v.Row, err = l.of(ctx, c.Table, c.Key); err != nil {
		return nil, err
	}
	t := j.Catalogue.Table(c.Table)
	if t != nil && (!t.Replicated || j.Tables[t.Name] == nil) {
		t = nil
	}
	row := &undo.Found{}
	if t != nil {
		if row, err = undo.Look(ctx, q, j, t, c.Key, j.Columns(t)); err != nil {
			return nil, err
		}
	}
	v.Gone, v.Deleted = !row.Known.Alive, row.Known.Dead.Stamp
	for _, r := range c.Records {
		x := Column{ConflictRecord: byID[r.ID], Bookkeeping: r.Bookkeeping}
		v.Link = peers[x.Over]
		if x.Value, err = beginning(ctx, q, r.ID); err != nil {
			return nil, err
		}
		var column *schema.Column
		if t != nil {
			column = t.Column(r.Column)
		}
		if row.Known.Alive && column != nil && slices.Contains(j.Columns(t), column) {
			x.Here, x.Now, x.NowStamp = true, row.Values[column], stampOf(row.Known.Groups, bitOf(j.Tables[t.Name], column.Name))
		}
		if x.LostRow, err = l.referred(ctx, column, x.Value); err == nil {
			x.NowRow, err = l.referred(ctx, column, x.Now)
		}
		if err != nil {
			return nil, err
		}
		v.Columns = append(v.Columns, x)
	}
	return v, nil
}

// referred returns what the row is called to which a value refers; "": it is no reference.
func (l *labels) referred(ctx context.Context, c *schema.Column, value *string) (string, error) {
	if c == nil || value == nil || c.Ref == nil || c.Ref.When != nil || c.Ref.ByName() {
		return "", nil
	}
	found, err := l.label(ctx, c.Ref.To.Name, *value)
	return found.text, err
}

// beginning returns a record's value, or the beginning of one that is long.
func beginning(ctx context.Context, q sqldb.DB, id uint64) (value *string, err error) {
	err = sqldb.Each(ctx, q, fmt.Sprintf("SELECT LEFT(value, %d) FROM omsync_conflict WHERE id = %d", maxShown, id), func(r []sql.RawBytes) error {
		if r[0] != nil {
			s := string(r[0])
			value = &s
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read a conflict: %w", err)
	}
	return value, nil
}
