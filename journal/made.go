package journal

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/omsync/omsync/internal/sqldb"
)

// Made says which table the database has under a name, so that one that was dropped and made again is told from the one before. Its texts
// are times as the server says them; "" is not known.
type Made struct {
	Table    string // when the table was made, or altered
	Triggers string // when the newest of omsync's triggers on it was made; MySQL 5.6 does not say
	Journal  string // when omsync_node was made: where it is another, the whole database was put back
	// Replaced: the table is another than before, and its rows have not been given versions for that. What the triggers of the one
	// before it wrote goes up to LastChange, by omsync_capture.id.
	Replaced   bool
	LastChange uint64
}

// LookMade returns what the database says now of its tables, but for triggers.
func LookMade(ctx context.Context, q sqldb.DB, database string) (map[string]Made, error) {
	out := map[string]Made{}
	rows, err := q.QueryContext(ctx, "SELECT table_name, create_time FROM information_schema.tables WHERE table_schema = ?", database)
	if err != nil {
		return nil, fmt.Errorf("ask when tables were made: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var made sql.NullString
		if err := rows.Scan(&name, &made); err != nil {
			return nil, err
		}
		out[name] = Made{Table: made.String}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("ask when tables were made: %w", err)
	}
	journal := out["omsync_node"].Table
	for name, m := range out {
		m.Journal = journal
		out[name] = m
	}
	return out, nil
}

// SaveMade writes which table there is. Unlike the rest it needs no gate.
func SaveMade(ctx context.Context, q sqldb.DB, t *Table) error {
	b, err := encodeMade(t.Made)
	if err != nil {
		return err
	}
	_, err = q.ExecContext(ctx, "UPDATE omsync_table SET made = ? WHERE id = ?", b, t.ID)
	return t.saved(err)
}

// LastChange returns the number of the last change of a table that the log has from before a time as the server says it; "": of all. 0:
// there is none.
func LastChange(ctx context.Context, q sqldb.DB, tbl uint16, before string) (id uint64, err error) {
	query := fmt.Sprintf("SELECT IFNULL(MAX(id), 0) FROM omsync_capture WHERE table_id = %d", tbl)
	if before != "" {
		query += " AND changed_at < " + string(sqldb.AppendString(nil, []byte(before)))
	}
	err = sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error { id = sqldb.Uint(r[0]); return nil })
	return id, err
}

// Forget takes away what is known of the rows of a table, which is another than before: their versions, what was kept back of them, and
// what was captured of the one before. Deletions stay. The caller holds the gate.
func Forget(ctx context.Context, q sqldb.DB, t *Table) error {
	for _, statement := range []string{
		fmt.Sprintf("DELETE FROM omsync_version WHERE table_id = %d", t.ID),
		fmt.Sprintf("DELETE FROM omsync_unsent WHERE table_id = %d", t.ID),
		fmt.Sprintf("DELETE FROM omsync_refused WHERE table_id = %d", t.ID),
		fmt.Sprintf("DELETE FROM omsync_capture WHERE table_id = %d AND id <= %d", t.ID, t.Made.LastChange),
	} {
		if err := sqldb.Exec(ctx, q, statement); err != nil {
			return fmt.Errorf("forget the rows of %s: %w", t.Name, err)
		}
	}
	return nil
}

// ChangedSince reports whether the log has a change of a table from after another one was made that has its name now: both were there then. A
// server says only the second in which a table was made.
func ChangedSince(ctx context.Context, q sqldb.DB, tbl uint16, made string) (found bool, err error) {
	query := fmt.Sprintf("SELECT 1 FROM omsync_capture WHERE table_id = %d AND changed_at >= %s + INTERVAL 1 SECOND LIMIT 1", tbl, sqldb.AppendString(nil, []byte(made)))
	err = sqldb.Each(ctx, q, query, func([]sql.RawBytes) error { found = true; return nil })
	return found, err
}
