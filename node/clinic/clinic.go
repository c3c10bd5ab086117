package clinic

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"

	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/schema"
)

// Options say what a new site gets.
type Options struct {
	Profile   *schema.Profile
	Catalogue *schema.Catalogue
	First     string // the name of the one who can log in; empty: the profile's
	Password  string // what they log in with
}

// Written says what there is in the file.
type Written struct {
	Tables int
	Rows   int64
	Left   []Left // by table
}

// Left says how many rows of a table were not taken although some were.
type Left struct {
	Table string
	Rows  int64
}

// Write writes the SQL, for the client mysql or mariadb to load into an empty database. It reads in one snapshot, without a lock, and row
// by row. Without its last line the text is not whole.
func Write(ctx context.Context, db *sql.DB, out io.Writer, o Options) (*Written, error) {
	wants := o.Profile.NewClinic()
	if wants == nil {
		return nil, failure.Hinted(errors.New("the profile does not say what a new clinic needs"), "say it in a profile of your own, in the section [new_clinic]")
	}
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	for _, s := range []string{"SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SET SESSION sql_quote_show_create = 1", "START TRANSACTION WITH CONSISTENT SNAPSHOT"} {
		if _, err := c.ExecContext(ctx, s); err != nil {
			return nil, fmt.Errorf("begin a snapshot: %w", err)
		}
	}
	defer c.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	w := &writer{conn: c, out: bufio.NewWriterSize(out, 1<<16), Options: o, wants: wants, written: &Written{}}
	for _, step := range []func(context.Context) error{w.begin, w.choose, w.tables, w.routines, w.views, w.rows, w.triggers, w.end} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return w.written, w.out.Flush()
}

// writer is one run.
type writer struct {
	Options
	conn    *sql.Conn
	out     *bufio.Writer
	wants   *schema.NewClinic
	written *Written

	first int64                            // the integer of the one who can log in
	taken map[*schema.Table]map[int64]bool // rows that are taken, by their integers, of tables that others of the file refer to
}

func (w *writer) printf(format string, args ...any) { fmt.Fprintf(w.out, format, args...) }

// begin prepares the session that loads the file.
func (w *writer) begin(ctx context.Context) error {
	w.printf("-- The database of a new clinic: load it into an empty database, with the client mysql or mariadb.\n" +
		"-- It holds the password of an account, as a hash: keep it as you keep a password.\n" +
		"SET NAMES utf8mb4;\nSET time_zone = '+00:00';\n" +
		"SET @omsync_checks = @@foreign_key_checks, foreign_key_checks = 0;\n" +
		"SET sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION';\n")
	return w.each(ctx, "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata WHERE schema_name = DATABASE()", func(r []sql.RawBytes) error {
		w.alterDatabase(string(r[0]), string(r[1]))
		return nil
	})
}

// end is how a reader knows that the file is whole.
func (w *writer) end(context.Context) error {
	w.printf("\nSET foreign_key_checks = @omsync_checks;\n-- The file is whole.\n")
	return nil
}

// each runs a query, and says in an error which.
func (w *writer) each(ctx context.Context, query string, f func(r []sql.RawBytes) error) error {
	if err := sqldb.Each(ctx, w.conn, query, f); err != nil {
		var own *failure.Failure
		if errors.As(err, &own) {
			return err
		}
		return fmt.Errorf("read for a new clinic: %w (%.200s)", err, query)
	}
	return nil
}

// strings returns the first column of a query.
func (w *writer) strings(ctx context.Context, query string) (out []string, err error) {
	err = w.each(ctx, query, func(r []sql.RawBytes) error { out = append(out, string(r[0])); return nil })
	return out, err
}
