package trigger

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/omsync/omsync/internal/sqldb"
)

// Guard makes the triggers on omsync_capture and omsync_removed that do nothing: with them, MariaDB forgets after a statement of omsync that
// a table was used, and the application's statements under LOCK TABLES do not fail (see journal.Changes). MySQL does not need it. Where the table
// is in use all the time, or the account may make no trigger, it is left to another run: nothing of the application waits for this, and
// no exchange fails for it. there is what List returned; c must not be in a transaction. whole is false if one was missing.
func Guard(ctx context.Context, c *sql.Conn, database string, there *Listing) (whole bool, err error) {
	able := &definers{q: c, database: database}
	var missing []guardOf
	for _, table := range []string{"omsync_capture", "omsync_removed"} {
		g := guardOf{table: table, name: table + "_used"}
		i := slices.IndexFunc(there.triggers, func(x existing) bool { return x.table == g.table && x.name == g.name })
		if i >= 0 {
			works, err := able.can(ctx, there.triggers[i].definer)
			if err != nil {
				return false, err
			}
			if works {
				continue
			}
			g.broken = true
		}
		missing = append(missing, g)
	}
	if len(missing) == 0 {
		return true, nil
	}
	var version string
	if err := c.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return false, fmt.Errorf("ask for the server's version: %w", err)
	}
	if !sqldb.ParseVersion(version).MariaDB {
		return true, nil
	}
	for _, g := range missing {
		err = firstError(err, g.make(ctx, c, database))
	}
	return false, err
}

// guardOf is the trigger on a table that does nothing.
type guardOf struct {
	table, name string
	broken      bool // it is there, as of an account that is gone: a seal could delete nothing
}

func (g guardOf) make(ctx context.Context, c *sql.Conn, database string) (err error) {
	s, err := openInstaller(ctx, c, database)
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, s.close(ctx)) }()
	if g.broken {
		if err := s.drop(ctx, existing{name: g.name, table: g.table}); err != nil {
			return err
		}
	}
	return s.briefly(ctx, "CREATE TRIGGER "+g.name+" AFTER DELETE ON "+g.table+" FOR EACH ROW BEGIN END")
}

// briefly executes a statement if the table can be had at once, or nearly.
func (s *installer) briefly(ctx context.Context, statement string) error {
	var err error
	if s.noWait {
		_, err = s.execWithoutWaiting(ctx, statement)
	} else {
		err = s.execAgain(ctx, statement, 1, 0)
	}
	if number := sqldb.ErrorNumber(err); sqldb.IsLockConflict(err) || number == sqldb.ErrBinlogNeedsSuper || number == sqldb.ErrNeedsPrivilege {
		return nil
	}
	if err != nil {
		return fmt.Errorf("make the trigger that does nothing: %w", err)
	}
	return nil
}
