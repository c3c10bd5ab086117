package journal

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/omsync/omsync/internal/sqldb"
)

// UpgradeOptions is what [Upgrade] needs of its caller.
type UpgradeOptions struct {
	Self string // name of the node: the tables of another are left alone
	// Say is told, before anything is changed, what is about to happen.
	Say func(format string, args ...any)
	// Triggers makes the triggers on the application's tables those of this format. It is called when all else has this format.
	// Where a trigger cannot be replaced it returns an error; what the old ones write meanwhile is kept. With missed, changes of any
	// table may have gone by unseen.
	Triggers func(ctx context.Context, missed bool) error
	// DropTriggers drops all triggers of ours: those that cannot be kept until Triggers is called.
	DropTriggers func(ctx context.Context) error
	// After, if not nil, is called after each step with its name. An error ends the upgrade there, as if the process had died.
	After func(step string) error
}

// upgradeStep is a part of an upgrade. The server commits changes of tables by themselves, so a step must be safe to repeat: after
// an interruption all steps of the format are done again, in order.
type upgradeStep struct {
	name string
	from int // the format that it leads away from
	do   func(ctx context.Context, u *upgrade) error
}

// upgradeSteps returns all steps, in order. A later format is some more entries.
func upgradeSteps() []upgradeStep {
	return slices.Concat(stepsFrom1(), stepsFrom2(), stepsFrom3(), stepsFrom4(), stepsFrom5(), stepsFrom6())
}

// upgrade is one under way.
type upgrade struct {
	UpgradeOptions
	c      *sql.Conn
	format int // omsync_node.format
}

// Upgrade brings the tables of an earlier format to this one, in place, and reports whether there was anything to do. One that was
// interrupted it goes on with. The application may go on writing meanwhile: what it changes is captured. The caller must be
// the only omsync that works on the database. Errors: [ErrNone], and a *[FormatError] if the tables are of a later format or of none.
func Upgrade(ctx context.Context, db *sql.DB, o UpgradeOptions) (upgraded bool, err error) {
	u := &upgrade{UpgradeOptions: o}
	if u.c, err = db.Conn(ctx); err != nil {
		return false, err
	}
	defer u.c.Close()
	name, format, err := stored(ctx, u.c)
	switch {
	case err != nil:
		return false, err
	case format == Format:
		return false, nil
	case newer(format), unknown(format):
		return false, &FormatError{Stored: format}
	case name != o.Self:
		return false, fmt.Errorf("the database belongs to the node %s, not to %s", name, o.Self)
	}
	o.Say("upgrading the omsync tables from format %d to %d: this takes seconds, or minutes where millions of rows have versions; the application can go on, "+
		"and if this is interrupted, the next run goes on with it", base(format), Format)
	u.format = format
	for _, s := range upgradeSteps() {
		if s.from < base(u.format) {
			continue
		}
		if err := s.do(ctx, u); err != nil {
			return false, fmt.Errorf("upgrade the omsync tables (%s): %w", s.name, err)
		}
		if o.After != nil {
			if err := o.After(s.name); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// setFormat writes the format, or that an upgrade from it is under way.
func (u *upgrade) setFormat(ctx context.Context, format int) error {
	if _, err := u.c.ExecContext(ctx, "UPDATE omsync_node SET format = ? WHERE id = 1", format); err != nil {
		return fmt.Errorf("write the format: %w", err)
	}
	u.format = format
	return nil
}

// inTransaction runs f in a transaction on the upgrade's connection.
func (u *upgrade) inTransaction(ctx context.Context, f func() error) error {
	if err := sqldb.Exec(ctx, u.c, "START TRANSACTION"); err != nil {
		return err
	}
	if err := f(); err != nil {
		u.c.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		return err
	}
	return sqldb.Exec(ctx, u.c, "COMMIT")
}

// columns returns the names of a table's columns; none if there is no such table.
func (u *upgrade) columns(ctx context.Context, table string) (map[string]bool, error) {
	out := map[string]bool{}
	query := fmt.Sprintf("SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = '%s'", table)
	err := sqldb.Each(ctx, u.c, query, func(r []sql.RawBytes) error {
		out[string(r[0])] = true
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look at the columns of %s: %w", table, err)
	}
	return out, nil
}

// any reports whether a query has a row.
func (u *upgrade) any(ctx context.Context, query string) (found bool, err error) {
	err = sqldb.Each(ctx, u.c, query, func([]sql.RawBytes) error { found = true; return nil })
	return found, err
}

// index changes the indexes of a table, unless it has the one of that name: a table that was copied has.
func (u *upgrade) index(ctx context.Context, table, name, change string) error {
	has, err := u.any(ctx, fmt.Sprintf("SHOW INDEX FROM %s WHERE Key_name = '%s'", table, name))
	if err != nil || has {
		return err
	}
	return sqldb.Exec(ctx, u.c, "ALTER TABLE "+table+" "+change)
}
