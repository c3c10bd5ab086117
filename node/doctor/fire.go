package doctor

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// effective writes one row of each table to itself, in a transaction that is rolled back, and sees whether the triggers noted it. The row is put
// in its own place under its own number (REPLACE), and one value of it is changed: so no counter of the application moves, no unique value is
// taken, and with foreign keys off nothing else is touched. A row that somebody is at work on is left alone after a second, and so is a table
// with triggers of the application, which may do more than a transaction takes back.
func effective(ctx context.Context, x *exam) (Finding, error) {
	left, err := ownTriggers(ctx, x)
	if err != nil {
		return Finding{}, err
	}
	c, err := x.DB.Conn(ctx)
	if err != nil {
		return Finding{}, err
	}
	// The connection is not used again: its settings are another's.
	defer sqldb.Discard(c)
	for _, statement := range []string{"SET SESSION foreign_key_checks = 0", "SET SESSION innodb_lock_wait_timeout = 1", "SET SESSION lock_wait_timeout = 1", "SET @omsync_quiet = NULL"} {
		if _, err := c.ExecContext(ctx, statement); err != nil {
			return Finding{}, fmt.Errorf("try the triggers: %w", err)
		}
	}
	var f found
	tried := 0
	for _, t := range x.Journal.Replicated() {
		meta := x.Journal.Tables[t.Name]
		if meta == nil || meta.ID == 0 || left[strings.ToLower(t.Name)] {
			continue
		}
		wrong, did, err := tryTriggers(ctx, c, t, meta.ID)
		if err != nil {
			return Finding{}, err
		}
		if did {
			tried++
		}
		if wrong != "" {
			f.add(Fail, t.Name+": "+wrong, "")
		}
	}
	if len(f.what) > 0 {
		f.do = []string{"omsync init makes the triggers anew; if it stays so, look at the account under which they run"}
	}
	return f.finding(fmt.Sprintf("they noted what was written to %d tables and rolled back", tried)), nil
}

// tryTriggers writes and rolls back. did: something could be tried.
func tryTriggers(ctx context.Context, c *sql.Conn, t *schema.Table, number uint16) (wrong string, did bool, err error) {
	empty := true
	err = sqldb.Each(ctx, c, "SELECT 1 FROM "+schema.Quote(t.Name)+" LIMIT 1", func([]sql.RawBytes) error { empty = false; return nil })
	if err != nil || empty {
		return "", false, err
	}
	tx, err := c.BeginTx(ctx, nil)
	if err != nil {
		return "", false, err
	}
	defer tx.Rollback()
	before, err := journal.LastCaptured(ctx, tx)
	if err != nil {
		return "", false, err
	}
	var expected []noted
	for _, trial := range trials(t) {
		r, err := tx.ExecContext(ctx, trial.statement)
		if err != nil {
			if ctx.Err() != nil {
				return "", false, ctx.Err()
			}
			return refusedTrial(err), false, nil
		}
		if n, err := r.RowsAffected(); err == nil && n > 0 {
			expected = append(expected, trial.ops...)
		}
	}
	if len(expected) == 0 {
		return "", false, nil
	}
	ops, err := journal.CapturedOps(ctx, tx, number, before)
	for _, e := range expected {
		if err == nil && !slices.Contains(ops, e.op) {
			return "the trigger for " + e.name + " notes nothing", true, nil
		}
	}
	return "", true, err
}

// refusedTrial says why a statement of omsync's shape failed, where the application's would fail too; empty: it says nothing about triggers.
func refusedTrial(err error) string {
	switch sqldb.ErrorNumber(err) {
	case sqldb.ErrNoSuchTable, sqldb.ErrNoSuchUser, sqldb.ErrTableAccessDenied, sqldb.ErrColumnAccessDenied, sqldb.ErrBadField:
		return "writing to it fails, also for the application: " + err.Error()
	}
	return ""
}

type trial struct {
	statement string
	ops       []noted
}

type noted struct {
	op   int
	name string
}

// trials are the statements for a table.
func trials(t *schema.Table) []trial {
	var names, key []string
	for _, c := range t.Columns {
		if !c.Generated {
			names = append(names, schema.Quote(c.Name))
		}
	}
	for _, c := range t.PrimaryKey {
		key = append(key, schema.Quote(c.Name))
	}
	if len(key) == 0 {
		return nil // which row a second statement would find is not sure
	}
	one := " ORDER BY " + strings.Join(key, ", ") + " LIMIT 1"
	list, table := strings.Join(names, ", "), schema.Quote(t.Name)
	out := []trial{{fmt.Sprintf("REPLACE INTO %[1]s (%[2]s) SELECT %[2]s FROM %[1]s%[3]s", table, list, one),
		[]noted{{journal.OpInsert, "INSERT"}, {journal.OpDelete, "DELETE"}}}}
	if c, value := changeable(t); c != nil {
		name := schema.Quote(c.Name)
		out = append(out, trial{fmt.Sprintf("UPDATE %[1]s SET %[2]s = IF(%[2]s IS NULL, %[3]s, NULL)%[4]s", table, name, value, one), []noted{{journal.OpUpdate, "UPDATE"}}})
	}
	return out
}

// changeable returns a column that may be changed without any other row noticing, and a value for where it is NULL; nil: there is none.
func changeable(t *schema.Table) (*schema.Column, string) {
	values := map[string]string{"int": "0", "smallint": "0", "tinyint": "0", "bigint": "0", "double": "0", "decimal": "0", "varchar": "''", "char": "''", "text": "''", "mediumtext": "''", "longtext": "''", "datetime": "'2000-01-01'", "date": "'2000-01-01'"}
	for _, c := range t.Columns {
		value := values[c.Type]
		unique := slices.ContainsFunc(t.Unique, func(index []*schema.Column) bool { return slices.Contains(index, c) })
		if value == "" || !c.Nullable || c.Generated || c.Ref != nil || c.Key || c.Excluded != "" || unique || !journal.HasBit(c) || slices.Contains(t.PrimaryKey, c) {
			continue
		}
		return c, value
	}
	return nil, ""
}

// ownTriggers names the tables, in small letters, with triggers of the application.
func ownTriggers(ctx context.Context, x *exam) (map[string]bool, error) {
	out := map[string]bool{}
	err := sqldb.Each(ctx, x.DB, "SELECT event_object_table FROM information_schema.triggers WHERE event_object_schema = DATABASE() AND trigger_name NOT LIKE 'omsync\\_%'", func(r []sql.RawBytes) error {
		out[strings.ToLower(string(r[0]))] = true
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for triggers of the application: %w", err)
	}
	return out, nil
}
