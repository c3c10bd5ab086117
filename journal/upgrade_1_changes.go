package journal

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
)

// moveChanges moves what the triggers of format 1 wrote and no seal has read into omsync_capture, before what the present triggers
// wrote.
func moveChanges(ctx context.Context, u *upgrade) error {
	removeStart := fmt.Sprintf("DELETE FROM omsync_capture WHERE id = %d AND table_id = 0", captureStart)
	columns, err := u.columns(ctx, "omsync_change")
	if err != nil {
		return err
	}
	if len(columns) == 0 {
		return sqldb.Exec(ctx, u.c, removeStart)
	}
	if err := u.noTriggerWrites(ctx, "omsync_change"); err != nil {
		return err
	}
	return u.inTransaction(ctx, func() error {
		// To lock all rows waits for transactions whose changes are not committed yet. (Replacing the triggers waited for them too.)
		if err := sqldb.Exec(ctx, u.c, "SELECT COUNT(*) FROM omsync_change FOR UPDATE"); err != nil {
			return err
		}
		if err := u.dropTwins(ctx); err != nil {
			return err
		}
		if err := u.moveRows(ctx); err != nil {
			return err
		}
		return sqldb.Exec(ctx, u.c, removeStart)
	})
}

// noTriggerWrites refuses to go on while a trigger names the table: without it the application's statements would fail.
func (u *upgrade) noTriggerWrites(ctx context.Context, table string) error {
	var left []string
	query := "SELECT trigger_name, event_object_table FROM information_schema.triggers WHERE event_object_schema = DATABASE() AND INSTR(action_statement, '" + table + "') > 0"
	err := sqldb.Each(ctx, u.c, query, func(r []sql.RawBytes) error {
		left = append(left, fmt.Sprintf("%s on %s", r[0], r[1]))
		return nil
	})
	if err != nil {
		return fmt.Errorf("look at the triggers: %w", err)
	}
	if len(left) > 0 {
		return fmt.Errorf("triggers still write to %s: %s", table, strings.Join(left, ", "))
	}
	return nil
}

// dropTwins drops what an old trigger wrote and its successor too: where a server takes several triggers of a kind, the new one is
// there before the old one goes. The two rows are the same but for their ids. Only reading is done in omsync_capture, so that no trigger waits.
func (u *upgrade) dropTwins(ctx context.Context) error {
	var ids []uint64
	query := fmt.Sprintf(`SELECT c.id FROM omsync_change c JOIN omsync_capture n ON n.table_id = c.tbl AND n.operation = c.op AND n.local_id <=> c.pk
  AND n.local_key <=> c.k AND n.deleted_key <=> c.u AND n.column_mask = c.mask AND n.changed_at = c.at
WHERE c.at >= (SELECT MIN(changed_at) FROM omsync_capture WHERE id > %d)`, captureStart)
	err := sqldb.Each(ctx, u.c, query, func(r []sql.RawBytes) error {
		ids = append(ids, sqldb.Uint(r[0]))
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for changes that two triggers wrote: %w", err)
	}
	return chunks(ids, func(part []uint64) error {
		return sqldb.Exec(ctx, u.c, "DELETE FROM omsync_change WHERE id IN ("+commaSeparated(part)+")")
	})
}

// moveRows moves all rows, some thousands at a time: while one statement inserts many, triggers wait for their numbers.
func (u *upgrade) moveRows(ctx context.Context) error {
	const limit = 5000
	for {
		var first, last uint64
		query := fmt.Sprintf("SELECT IFNULL(MIN(id), 0), IFNULL(MAX(id), 0) FROM (SELECT id FROM omsync_change ORDER BY id LIMIT %d) d", limit)
		err := sqldb.Each(ctx, u.c, query, func(r []sql.RawBytes) error {
			first, last = sqldb.Uint(r[0]), sqldb.Uint(r[1])
			return nil
		})
		if err != nil || last == 0 {
			return err
		}
		err = sqldb.Exec(ctx, u.c,
			fmt.Sprintf(`INSERT INTO omsync_capture (id, table_id, operation, local_id, local_key, deleted_key, column_mask, changed_at)
SELECT id, tbl, op, pk, k, u, mask, at FROM omsync_change WHERE id BETWEEN %d AND %d`, first, last),
			fmt.Sprintf("DELETE FROM omsync_change WHERE id BETWEEN %d AND %d", first, last))
		if err != nil {
			return err
		}
	}
}

func commaSeparated(ids []uint64) string {
	s := make([]string, len(ids))
	for i, id := range ids {
		s[i] = fmt.Sprint(id)
	}
	return strings.Join(s, ", ")
}
