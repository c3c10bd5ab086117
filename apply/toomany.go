package apply

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// deletionsWindow is for how long a child's deletions count together.
const deletionsWindow = 24 * time.Hour

// A DeletionsError says that a batch deletes so much that a person has to agree: see [access.Rules.NeedPerson]. Nothing of the batch is
// applied.
type DeletionsError struct {
	Tables []DeletedRows // those that are too many, by table
}

// DeletedRows is how many rows of a table a batch deletes.
type DeletedRows struct {
	Table string
	Rows  int64 // that are alive here
	Of    int64 // that the table has
	Since int64 // that the same peer deleted in the day before, beside these
}

func (e *DeletionsError) Error() string {
	var tables []string
	for _, t := range e.Tables {
		s := fmt.Sprintf("%d of %d rows of %s", t.Rows, t.Of, t.Table)
		if t.Since > 0 {
			s += fmt.Sprintf(" (after %d in the last 24 hours)", t.Since)
		}
		tables = append(tables, s)
	}
	return "it waits for a person, because it deletes " + strings.Join(tables, ", ")
}

// deletionCounts counts what a batch deletes of one table.
type deletionCounts struct {
	access.Deletions
	known bool // what the table has, and what was deleted before
	many  bool // too many: they need a person
}

// heldUp counts deletions of rows that are here and that the sender may delete, and reports whether the batch waits for a person: then
// none is carried out any more, and the rest are only counted.
func (im *importer) heldUp(ctx context.Context, deletions []*deletion) (bool, error) {
	if im.o.AcceptDeletions || im.peer.Role != access.Child {
		return false, nil
	}
	for _, d := range deletions {
		if im.deletions[d.l] == nil {
			im.deletions[d.l] = &deletionCounts{}
			im.deletionsOf = append(im.deletionsOf, d.l)
		}
		im.deletions[d.l].Now++
	}
	held := false
	for _, l := range im.deletionsOf {
		c := im.deletions[l]
		if err := im.countBefore(ctx, l, c); err != nil {
			return false, err
		}
		c.many = l.rules.NeedPerson(c.Deletions)
		held = held || c.many
	}
	return held, nil
}

// countBefore reads, once, what the peer deleted of a table within the day, and how many rows the table has, if that may matter.
func (im *importer) countBefore(ctx context.Context, l *localTable, c *deletionCounts) (err error) {
	if !c.known {
		c.known = true
		if c.Earlier, err = journal.RecentDeletions(ctx, im.resolver.s.conn, l.journal.ID, im.peer.ID, im.j.Now().Add(-deletionsWindow)); err != nil {
			return err
		}
		waiting, err := journal.CountWaitingDeletions(ctx, im.resolver.s.conn, im.peer.ID, l.journal.ID)
		if err != nil {
			return err
		}
		c.Earlier = append(c.Earlier, waiting)
	}
	if c.Left > 0 || c.Few() {
		return nil
	}
	err = sqldb.Each(ctx, im.resolver.s.conn, "SELECT COUNT(*) FROM "+schema.Quote(l.Name), func(r []sql.RawBytes) error {
		c.Left = sqldb.Int(r[0]) + l.count.Deleted // the batch has not brought rows yet
		return nil
	})
	if err != nil {
		return fmt.Errorf("count the rows of %s: %w", l.Name, err)
	}
	return nil
}

// checkDeletions returns a *DeletionsError if the batch waits for a person. All its deletions have been read.
func (im *importer) checkDeletions() error {
	var e DeletionsError
	for _, l := range im.deletionsOf {
		if c := im.deletions[l]; c.many {
			d := DeletedRows{Table: l.Name, Rows: c.Now, Of: c.Left}
			for _, n := range c.Earlier {
				d.Since += n
			}
			e.Tables = append(e.Tables, d)
		}
	}
	if e.Tables == nil {
		return nil
	}
	return &e
}
