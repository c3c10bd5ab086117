package trigger

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// A statement that changes triggers waits until nobody uses the table, and everybody who comes after waits behind it. So
// it waits lockWait seconds only, lets the others pass for a moment, and tries again.
//
// While it waits, a transaction that has used the table already and now uses it for more would end in a deadlock, and the server
// gives up the application's side of it. MariaDB can be told not to wait at all: there it is tried like that before.
const (
	lockWait     = 2
	lockAttempts = 12
	lockPause    = 500 * time.Millisecond

	lockTries    = 20 // without waiting
	lockTryPause = 50 * time.Millisecond
)

// installer is a session that makes and drops triggers, and what it was before.
type installer struct {
	c        *sql.Conn
	database string
	account  string // as in GRANT
	several  bool   // the server takes several triggers of one kind on a table
	noWait   bool   // the server can be told not to wait for locks
	before   struct {
		mode, client, collation string
		wait                    int
		database                sql.NullString
	}
}

func openInstaller(ctx context.Context, c *sql.Conn, database string) (*installer, error) {
	s := &installer{c: c, database: database}
	var version, account string
	b := &s.before
	if err := c.QueryRowContext(ctx, `SELECT VERSION(), CURRENT_USER(), @@sql_mode, @@character_set_client, @@collation_connection, @@lock_wait_timeout, DATABASE()`).
		Scan(&version, &account, &b.mode, &b.client, &b.collation, &b.wait, &b.database); err != nil {
		return nil, fmt.Errorf("look at the session that makes triggers: %w", err)
	}
	s.several, s.noWait = sqldb.ParseVersion(version).TakesSeveralTriggers(), takesNoWait(version)
	at := strings.LastIndexByte(account, '@')
	s.account = quoteText(account[:max(at, 0)]) + "@" + quoteText(account[at+1:])
	// The server keeps mode and character set with each trigger. Names in it are without the database's, so that a dump
	// can be restored under another one.
	if err := s.set(ctx, "", "utf8mb4", "utf8mb4_general_ci", lockWait, database); err != nil {
		return nil, fmt.Errorf("prepare the session that makes triggers: %w", err)
	}
	return s, nil
}

func quoteText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func (s *installer) set(ctx context.Context, mode, client, collation string, wait int, database string) error {
	if _, err := s.c.ExecContext(ctx, "SET sql_mode = ?, character_set_client = ?, collation_connection = ?, lock_wait_timeout = ?",
		mode, client, collation, wait); err != nil {
		return err
	}
	if database == "" || s.before.database.String == database && s.before.database.Valid {
		return nil
	}
	_, err := s.c.ExecContext(ctx, "USE "+schema.Quote(database))
	return err
}

// close makes the session what it was. One that had no database keeps ours: there is no way back.
func (s *installer) close(ctx context.Context) error {
	b := s.before
	if err := s.set(context.WithoutCancel(ctx), b.mode, b.client, b.collation, b.wait, ""); err != nil {
		return fmt.Errorf("restore the session that made triggers: %w", err)
	}
	if b.database.Valid && b.database.String != s.database {
		if _, err := s.c.ExecContext(context.WithoutCancel(ctx), "USE "+schema.Quote(b.database.String)); err != nil {
			return fmt.Errorf("restore the session that made triggers: %w", err)
		}
	}
	return nil
}

// takesNoWait: MariaDB since 10.3.0 takes 0 for lock_wait_timeout (its documentation of system variables); MySQL takes 1 at least.
func takesNoWait(version string) bool {
	v := sqldb.ParseVersion(version)
	return v.MariaDB && v.AtLeast(10, 3, 0)
}

// checkReady looks for what would make triggers harmful or leave a table without any halfway.
func (s *installer) checkReady(ctx context.Context) error {
	there, err := journal.HasCapture(ctx, s.c)
	if err != nil {
		return err
	}
	if !there {
		return fmt.Errorf("database %s has no table omsync_capture, and with triggers that write to it the application could change nothing: run omsync init", s.database)
	}
	if s.several {
		return nil
	}
	// Here an old trigger must go before the new one comes. Dropping needs less than making.
	var log, trust bool
	if err := s.c.QueryRowContext(ctx, "SELECT @@log_bin, @@log_bin_trust_function_creators").Scan(&log, &trust); err != nil {
		return fmt.Errorf("look at the binary log's settings: %w", err)
	}
	if !log || trust {
		return nil
	}
	super, err := s.isSuper(ctx)
	if err != nil || super {
		return err
	}
	return s.explain(&mysql.MySQLError{Number: sqldb.ErrBinlogNeedsSuper, Message: "binary log without log_bin_trust_function_creators"})
}

func (s *installer) isSuper(ctx context.Context) (bool, error) {
	grants, err := (&definers{q: s.c}).column(ctx, "SHOW GRANTS")
	if err != nil {
		return false, fmt.Errorf("read the grants of %s: %w", s.account, err)
	}
	return isSuper(grants), nil
}

// addThenDrop makes the new triggers of a table, then drops the old ones.
func (s *installer) addThenDrop(ctx context.Context, w tablePlan) error {
	for _, t := range w.missing {
		if err := s.execPatiently(ctx, w.table, t.SQL); err != nil {
			return fmt.Errorf("make the trigger %s on %s: %w", t.Event, w.table, err)
		}
	}
	for _, x := range w.stale {
		if err := s.drop(ctx, x); err != nil {
			return err
		}
	}
	return nil
}

// dropThenAdd does the same where the old one must go first: the table is locked for writing meanwhile.
func (s *installer) dropThenAdd(ctx context.Context, w tablePlan) (err error) {
	for _, t := range w.missing {
		for _, x := range w.others {
			if x.event == t.Event {
				return fmt.Errorf("table %s has a trigger %s of the application's, %s, and this server takes one of a kind: move its statements elsewhere and drop it, or use MySQL 5.7 or MariaDB 10.2 or later", w.table, x.event, x.name)
			}
		}
	}
	if len(w.stale) > 0 {
		if err := s.execPatiently(ctx, w.table, "LOCK TABLES "+schema.Quote(w.table)+" WRITE"); err != nil {
			return fmt.Errorf("lock %s to exchange its triggers: %w", w.table, err)
		}
		defer func() {
			if _, e := s.c.ExecContext(context.WithoutCancel(ctx), "UNLOCK TABLES"); e != nil {
				err = firstError(err, fmt.Errorf("unlock %s: %w", w.table, e))
			}
		}()
	}
	for _, x := range w.stale {
		if err := s.drop(ctx, x); err != nil {
			return err
		}
	}
	for _, t := range w.missing {
		if err := s.execPatiently(ctx, w.table, t.SQL); err != nil {
			return fmt.Errorf("make the trigger %s on %s: %w", t.Event, w.table, err)
		}
	}
	return nil
}

func (s *installer) drop(ctx context.Context, x existing) error {
	err := s.execPatiently(ctx, x.table, "DROP TRIGGER "+schema.Quote(x.name))
	if err != nil && sqldb.ErrorNumber(err) != sqldb.ErrNoSuchTrigger {
		return fmt.Errorf("drop the trigger %s of %s: %w", x.name, x.table, err)
	}
	return nil
}

// execPatiently executes a statement, again and again while the table is in use.
func (s *installer) execPatiently(ctx context.Context, table, statement string) error {
	if s.noWait {
		if done, err := s.execWithoutWaiting(ctx, statement); done {
			return err
		}
	}
	err := s.execAgain(ctx, statement, lockAttempts, lockPause)
	if sqldb.IsLockConflict(err) {
		return fmt.Errorf("a transaction has been using table %s for more than %d s: let it end, or stop the application for a moment, and run this again: %w",
			table, lockAttempts*lockWait, err)
	}
	return err
}

// execWithoutWaiting tries a statement between the uses of its table. done is false if the table was in use all the time.
func (s *installer) execWithoutWaiting(ctx context.Context, statement string) (done bool, err error) {
	wait := func(seconds int) error {
		_, err := s.c.ExecContext(context.WithoutCancel(ctx), fmt.Sprintf("SET lock_wait_timeout = %d", seconds))
		return err
	}
	if err := wait(0); err != nil {
		return true, err
	}
	err = s.execAgain(ctx, statement, lockTries, lockTryPause)
	if e := wait(lockWait); e != nil {
		return true, firstError(err, e)
	}
	return !sqldb.IsLockConflict(err), err
}

// execAgain executes a statement, some times if others' locks are in its way.
func (s *installer) execAgain(ctx context.Context, statement string, attempts int, pause time.Duration) error {
	for i := 1; ; i++ {
		_, err := s.c.ExecContext(ctx, statement)
		if !sqldb.IsLockConflict(err) || i == attempts {
			return s.explain(err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// explain adds to a refusal what would mend it.
func (s *installer) explain(err error) error {
	on := schema.Quote(s.database) + ".*"
	switch sqldb.ErrorNumber(err) {
	case sqldb.ErrBinlogNeedsSuper:
		return fmt.Errorf("%s may not make triggers while the server keeps a binary log: set log_bin_trust_function_creators = 1 on the server (SET GLOBAL and its configuration file), or run this once as an account with the SUPER privilege, which then stays the triggers' definer: %w", s.account, err)
	case sqldb.ErrTableAccessDenied:
		return fmt.Errorf("%s lacks a privilege: GRANT SELECT, INSERT, TRIGGER, LOCK TABLES ON %s TO %[1]s: %[3]w", s.account, on, err)
	case sqldb.ErrDBAccessDenied:
		return fmt.Errorf("%s lacks a privilege: GRANT LOCK TABLES, TRIGGER ON %s TO %[1]s: %[3]w", s.account, on, err)
	case sqldb.ErrNeedsPrivilege:
		return fmt.Errorf("%s lacks a privilege: GRANT SUPER ON *.* TO %[1]s, or run this once as an account that has it: %[2]w", s.account, err)
	}
	return err
}
