package trigger

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/omsync/omsync/internal/sqldb"
)

// guardName is the trigger on omsync_capture itself.
const guardName = triggerPrefix + "capture_used"

// Guard makes the trigger on omsync_capture that does nothing: with it, MariaDB forgets after a statement of omsync that the table was
// used, and the application's statements under LOCK TABLES do not fail (see journal.Changes). MySQL does not need it. Where the table
// is in use all the time, or the account may make no trigger, it is left to another run: nothing of the application waits for this, and
// no exchange fails for it. c must not be in a transaction.
func Guard(ctx context.Context, c *sql.Conn, database string) (err error) {
	var version string
	if err := c.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return fmt.Errorf("ask for the server's version: %w", err)
	}
	if !sqldb.ParseVersion(version).MariaDB {
		return nil
	}
	able := definers{q: c, database: database}
	accounts, err := able.column(ctx, "SELECT definer FROM information_schema.triggers WHERE event_object_schema = "+quoteText(database)+
		" AND event_object_table = 'omsync_capture' AND trigger_name = '"+guardName+"'")
	if err != nil {
		return fmt.Errorf("look at the trigger of omsync_capture: %w", err)
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
		if err := s.drop(ctx, existing{name: guardName, table: "omsync_capture"}); err != nil {
			return err
		}
	}
	return s.briefly(ctx, "CREATE TRIGGER "+guardName+" AFTER DELETE ON omsync_capture FOR EACH ROW BEGIN END")
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
		return fmt.Errorf("make the trigger of omsync_capture: %w", err)
	}
	return nil
}
