package trigger

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/omsync/omsync/internal/sqldb"
)

// Guard makes the triggers on omsync_capture and omsync_removed that do nothing: with them, MariaDB forgets after a statement of omsync that
// a table was used, and the application's statements under LOCK TABLES do not fail (see journal.Changes). MySQL does not need it. Where the table
// is in use all the time, or the account may make no trigger, it is left to another run: nothing of the application waits for this, and
// no exchange fails for it. c must not be in a transaction.
func Guard(ctx context.Context, c *sql.Conn, database string) error {
	var version string
	if err := c.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return fmt.Errorf("ask for the server's version: %w", err)
	}
	if !sqldb.ParseVersion(version).MariaDB {
		return nil
	}
	return firstError(guard(ctx, c, database, "omsync_capture"), guard(ctx, c, database, "omsync_removed"))
}

// guard makes that trigger on a table.
func guard(ctx context.Context, c *sql.Conn, database, table string) (err error) {
	name := table + "_used"
	able := definers{q: c, database: database}
	accounts, err := able.column(ctx, "SELECT definer FROM information_schema.triggers WHERE event_object_schema = "+quoteText(database)+
		" AND event_object_table = '"+table+"' AND trigger_name = '"+name+"'")
	if err != nil {
		return fmt.Errorf("look at the trigger of %s: %w", table, err)
	}
	broken := false // as of an account that is gone: a seal could delete nothing
	if len(accounts) > 0 {
		works, err := able.can(ctx, accounts[0])
		if err != nil || works {
			return err
		}
		broken = true
	}
	s, err := openInstaller(ctx, c, database)
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, s.close(ctx)) }()
	if broken {
		if err := s.drop(ctx, existing{name: name, table: table}); err != nil {
			return err
		}
	}
	return s.briefly(ctx, "CREATE TRIGGER "+name+" AFTER DELETE ON "+table+" FOR EACH ROW BEGIN END")
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
