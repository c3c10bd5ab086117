package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/schema"
)

// allPrivileges are those that omsync uses on its database.
const allPrivileges = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, TRIGGER, LOCK TABLES"

// trial is a table that preflight makes and drops again.
const trial = "omsync_preflight"

// preflight looks for what would stop init halfway or stop capture later, and changes nothing.
func (n *node) preflight(ctx context.Context) error {
	engine := ""
	err := sqldb.Each(ctx, n.db, "SELECT support FROM information_schema.engines WHERE engine = 'InnoDB'", func(r []sql.RawBytes) error {
		engine = string(r[0])
		return nil
	})
	if err != nil {
		return fmt.Errorf("ask for the server's storage engines: %w", err)
	}
	if engine != "YES" && engine != "DEFAULT" {
		return coded(exitSchema, "the server has no InnoDB: omsync needs its transactions")
	}
	return n.tryRights(ctx)
}

// tryRights does each thing once that omsync will do, since grants by role, pattern and proxy cannot be reckoned out.
func (n *node) tryRights(ctx context.Context) error {
	c, err := n.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	var lacks []string
	var others []error
	try := func(privilege, statement string) bool {
		_, err := c.ExecContext(ctx, statement)
		switch number := sqldb.ErrorNumber(err); {
		case err == nil:
			return true
		case number == sqldb.ErrBinlogNeedsSuper || number == sqldb.ErrNeedsPrivilege && privilege == "TRIGGER":
			others = append(others, hinted(errors.New("the server keeps a binary log and lets only administrators make triggers"),
				"SET GLOBAL log_bin_trust_function_creators = 1 (and the same in the server's configuration), or run init once as an account with SUPER that is there to stay"))
		case number == sqldb.ErrTableAccessDenied || number == sqldb.ErrDBAccessDenied || number == sqldb.ErrNeedsPrivilege:
			lacks = append(lacks, privilege)
		default:
			others = append(others, fmt.Errorf("try %s: %w", privilege, err))
		}
		return false
	}
	if try("CREATE", "CREATE TABLE IF NOT EXISTS "+trial+" (id INT NOT NULL PRIMARY KEY, n INT) ENGINE=InnoDB") {
		try("TRIGGER", "CREATE TRIGGER "+trial+"_bu BEFORE UPDATE ON "+trial+" FOR EACH ROW SET NEW.n = 1")
		try("INSERT", "INSERT INTO "+trial+" VALUES (1, 1) ON DUPLICATE KEY UPDATE n = 1")
		try("SELECT", "SELECT n FROM "+trial)
		try("UPDATE", "UPDATE "+trial+" SET n = 2")
		try("DELETE", "DELETE FROM "+trial)
		if try("LOCK TABLES", "LOCK TABLES "+trial+" WRITE") {
			c.ExecContext(ctx, "UNLOCK TABLES")
		}
		try("DROP", "DROP TABLE "+trial)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if len(lacks) == 0 {
		return errors.Join(others...)
	}
	account := "the account"
	err = sqldb.Each(ctx, c, "SELECT CURRENT_USER()", func(r []sql.RawBytes) error {
		user, host, _ := strings.Cut(string(r[0]), "@")
		account = fmt.Sprintf("'%s'@'%s'", user, host)
		return nil
	})
	if err != nil {
		return err
	}
	grant := strings.Join(lacks, ", ")
	if lacks[0] == "CREATE" { // nothing else could be tried
		grant = allPrivileges
	}
	return hinted(fmt.Errorf("%s may not %s in the database %s", account, strings.Join(lacks, ", "), n.database),
		"as an administrator: GRANT %s ON %s.* TO %s", grant, schema.Quote(n.database), account)
}

// left lists the tables that would not be exchanged although nobody decided so.
func left(cat *schema.Catalogue) []*schema.Table {
	var out []*schema.Table
	for _, t := range cat.Tables {
		if !t.Replicated && t.Why != "profile: never" {
			out = append(out, t)
		}
	}
	return out
}
