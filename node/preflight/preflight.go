package preflight

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/schema"
)

// AllPrivileges are those that omsync uses on its database, as GRANT takes them.
const AllPrivileges = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, TRIGGER, LOCK TABLES"

// trial is a table that is made and dropped again.
const trial = "omsync_preflight"

// Check returns an error for what would stop init halfway or stop capture later, with a hint for the administrator. The database is
// as it was. Errors: failure.Schema for a server without InnoDB, those of missing privileges, the server's.
func Check(ctx context.Context, db *sql.DB, database string) error {
	engine := ""
	err := sqldb.Each(ctx, db, "SELECT support FROM information_schema.engines WHERE engine = 'InnoDB'", func(r []sql.RawBytes) error {
		engine = string(r[0])
		return nil
	})
	if err != nil {
		return fmt.Errorf("ask for the server's storage engines: %w", err)
	}
	if engine != "YES" && engine != "DEFAULT" {
		return failure.Coded(failure.Schema, "the server has no InnoDB: omsync needs its transactions")
	}
	return tryRights(ctx, db, database)
}

// tryRights does each thing once that omsync will do, since grants by role, pattern and proxy cannot be reckoned out.
func tryRights(ctx context.Context, db *sql.DB, database string) error {
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	t := &trier{conn: c}
	if t.do(ctx, "CREATE", "CREATE TABLE IF NOT EXISTS "+trial+" (id INT NOT NULL PRIMARY KEY, n INT) ENGINE=InnoDB") {
		t.do(ctx, "TRIGGER", "CREATE TRIGGER "+trial+"_bu BEFORE UPDATE ON "+trial+" FOR EACH ROW SET NEW.n = 1")
		t.do(ctx, "INSERT", "INSERT INTO "+trial+" VALUES (1, 1) ON DUPLICATE KEY UPDATE n = 1")
		// As an import writes: a binary log of statements takes nothing of such a transaction.
		if _, err := c.ExecContext(ctx, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"); err == nil {
			t.do(ctx, "UPDATE", "UPDATE "+trial+" SET n = 3")
			c.ExecContext(ctx, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
		}
		t.do(ctx, "SELECT", "SELECT n FROM "+trial)
		t.do(ctx, "DELETE", "DELETE FROM "+trial)
		if t.do(ctx, "LOCK TABLES", "LOCK TABLES "+trial+" WRITE") {
			c.ExecContext(ctx, "UNLOCK TABLES")
		}
		t.do(ctx, "DROP", "DROP TABLE "+trial)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if len(t.lacks) == 0 {
		return errors.Join(t.others...)
	}
	account, err := currentAccount(ctx, c)
	if err != nil {
		return err
	}
	lacks := strings.Join(t.lacks, ", ")
	grant := lacks
	if t.lacks[0] == "CREATE" { // nothing else could be tried
		grant = AllPrivileges
	}
	return failure.Hinted(fmt.Errorf("%s may not %s in the database %s", account, lacks, database),
		"as an administrator: GRANT %s ON %s.* TO %s", grant, schema.Quote(database), account)
}

// trier tries statements and notes what they lack.
type trier struct {
	conn   *sql.Conn
	lacks  []string // privileges
	others []error
}

// do reports whether a statement could be run.
func (t *trier) do(ctx context.Context, privilege, statement string) bool {
	_, err := t.conn.ExecContext(ctx, statement)
	switch number := sqldb.ErrorNumber(err); {
	case err == nil:
		return true
	case number == sqldb.ErrBinlogNeedsSuper || number == sqldb.ErrNeedsPrivilege && privilege == "TRIGGER":
		t.others = append(t.others, failure.Hinted(errors.New("the server keeps a binary log and lets only administrators make triggers"),
			"SET GLOBAL log_bin_trust_function_creators = 1 (and the same in the server's configuration), or run init once as an account with SUPER that is there to stay"))
	case number == sqldb.ErrBinlogStatement:
		t.others = append(t.others, failure.Hinted(errors.New("the server's binary log is of statements (binlog_format = STATEMENT), and takes no change of an import"),
			"as an administrator: SET GLOBAL binlog_format = MIXED (or ROW), and the same in the server's configuration; then restart what is connected"))
	case number == sqldb.ErrTableAccessDenied || number == sqldb.ErrDBAccessDenied || number == sqldb.ErrNeedsPrivilege:
		t.lacks = append(t.lacks, privilege)
	default:
		t.others = append(t.others, fmt.Errorf("try %s: %w", privilege, err))
	}
	return false
}

// currentAccount returns the account as GRANT takes it.
func currentAccount(ctx context.Context, c *sql.Conn) (account string, err error) {
	account = "the account"
	err = sqldb.Each(ctx, c, "SELECT CURRENT_USER()", func(r []sql.RawBytes) error {
		user, host, _ := strings.Cut(string(r[0]), "@")
		account = fmt.Sprintf("'%s'@'%s'", user, host)
		return nil
	})
	return account, err
}
