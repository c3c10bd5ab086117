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
// is in use all the time it is left to the next run: nothing of the application waits for this. c must not be in a transaction.
func Guard(ctx context.Context, c *sql.Conn, database string) error {
	var version, account string
	var mine, others int
	if err := c.QueryRowContext(ctx, `SELECT VERSION(), CURRENT_USER(), COUNT(CASE WHEN definer = CURRENT_USER() THEN 1 END), COUNT(CASE WHEN definer <> CURRENT_USER() THEN 1 END)
		FROM information_schema.triggers WHERE event_object_schema = ? AND event_object_table = 'omsync_capture' AND trigger_name = ?`, database, guardName).
		Scan(&version, &account, &mine, &others); err != nil {
		return fmt.Errorf("look at the trigger of omsync_capture: %w", err)
	}
	if !sqldb.ParseVersion(version).MariaDB || mine > 0 {
		return nil
	}
	s, err := openInstaller(ctx, c, database)
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, s.close(ctx)) }()
	if others > 0 { // of an account that may be gone: then a seal could delete nothing
		if err := s.briefly(ctx, "DROP TRIGGER "+guardName); err != nil {
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
	if sqldb.IsLockConflict(err) || sqldb.ErrorNumber(err) == sqldb.ErrNoSuchTrigger {
		return nil
	}
	if err != nil {
		return fmt.Errorf("make the trigger of omsync_capture: %w", err)
	}
	return nil
}
