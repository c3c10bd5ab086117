package journal

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/schema"
)

// untouched ends the error of a step before the tables are claimed.
const untouched = "nothing was changed, the application's changes are captured as before, and the omsync that made the tables still works"

// trial is a statement that changes nothing and needs a privilege.
type trial struct{ privilege, statement string }

// tableTrials are on tables of every format: a server looks at privileges before it sees that there is nothing to do. ALTER is not
// among them: without it tables are copied.
func tableTrials() []trial {
	return []trial{
		{"INSERT", "INSERT INTO omsync_node (name) SELECT name FROM omsync_node WHERE id < 0"},
		{"UPDATE", "UPDATE omsync_node SET format = format WHERE id < 0"},
		{"DELETE", "DELETE FROM omsync_node WHERE id < 0"},
		{"CREATE", "CREATE TABLE IF NOT EXISTS omsync_node (id INT)"},
		{"DROP", "DROP TABLE IF EXISTS omsync_trial"},
	}
}

// trials are those of tables and of triggers.
func trials(locks bool) []trial {
	out := append(tableTrials(), []trial{
		{"TRIGGER", "DROP TRIGGER IF EXISTS omsync_trial"},
		{"TRIGGER", "CREATE TRIGGER omsync_trial BEFORE UPDATE ON omsync_import FOR EACH ROW SET @omsync_trial = 1"}, // nobody updates it
		{"TRIGGER", "DROP TRIGGER IF EXISTS omsync_trial"},
	}...)
	if locks {
		out = append(out, trial{"LOCK TABLES", "LOCK TABLES omsync_node READ"}, trial{"", "UNLOCK TABLES"})
	}
	return out
}

// tryPrivileges sees whether the account may do all that follows, before anything is changed.
func tryPrivileges(ctx context.Context, u *upgrade) error {
	if u.format != 1 {
		return nil
	}
	var version string
	err := sqldb.Each(ctx, u.c, "SELECT VERSION()", func(r []sql.RawBytes) error { version = string(r[0]); return nil })
	if err != nil {
		return fmt.Errorf("ask for the server's version: %w", err)
	}
	return u.try(ctx, trials(!sqldb.ParseVersion(version).TakesSeveralTriggers()))
}

// try returns an error that says what the account lacks of the trials' privileges.
func (u *upgrade) try(ctx context.Context, trials []trial) error {
	var account, database string
	err := sqldb.Each(ctx, u.c, "SELECT CURRENT_USER(), DATABASE()", func(r []sql.RawBytes) error {
		user, host, _ := strings.Cut(string(r[0]), "@")
		account, database = fmt.Sprintf("'%s'@'%s'", user, host), string(r[1])
		return nil
	})
	if err != nil {
		return fmt.Errorf("ask for the account: %w", err)
	}
	var lacks []string
	var why error
	for _, t := range trials {
		err := sqldb.Exec(ctx, u.c, t.statement)
		switch number := sqldb.ErrorNumber(err); {
		case err == nil:
		case number == sqldb.ErrBinlogNeedsSuper || number == sqldb.ErrNeedsPrivilege:
			return fmt.Errorf("the account may not make triggers while the server keeps a binary log: set log_bin_trust_function_creators = 1 on the server (SET GLOBAL and its configuration file), "+
				"or run this once as an account with the SUPER privilege, which then stays the triggers' definer; until then %s: %w", untouched, err)
		case number == sqldb.ErrTableAccessDenied || number == sqldb.ErrDBAccessDenied:
			if len(lacks) == 0 || lacks[len(lacks)-1] != t.privilege {
				lacks, why = append(lacks, t.privilege), err
			}
		default:
			return fmt.Errorf("try %s: %w", t.privilege, err)
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	list := strings.Join(lacks, ", ")
	return fmt.Errorf("%s may not %s in the database %s: as an administrator, GRANT %[2]s ON %[4]s.* TO %[1]s; until then %[5]s: %[6]w",
		account, list, database, schema.Quote(database), untouched, why)
}
