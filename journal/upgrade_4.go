package journal

import (
	"context"
	"database/sql"

	"github.com/omsync/omsync/internal/sqldb"
)

// Format 5 counts rows that wait in an index: how long each is, and whether it is a deletion, stands beside it.

func stepsFrom4() []upgradeStep {
	return []upgradeStep{
		{"see what the account may do with format 4", 4, func(ctx context.Context, u *upgrade) error {
			if u.format != 4 {
				return nil
			}
			return u.try(ctx, tableTrials())
		}},
		{"claim the tables of format 4", 4, func(ctx context.Context, u *upgrade) error { return u.setFormat(ctx, underWay+4) }},
		{"add what is counted of rows that wait", 4, func(ctx context.Context, u *upgrade) error {
			if err := u.add(ctx, layoutOf("omsync_waiting"), "size", "deletion"); err != nil {
				return err
			}
			if err := sqldb.Exec(ctx, u.c, `UPDATE omsync_waiting SET size = LENGTH(versions) + LENGTH(content), deletion = LOCATE('"alive":false', versions) > 0 WHERE size = 0`); err != nil {
				return err
			}
			return u.indexCounted(ctx)
		}},
		{"set the format 5", 4, func(ctx context.Context, u *upgrade) error { return u.setFormat(ctx, 5) }},
	}
}

// indexCounted gives omsync_waiting the index in which rows are counted, unless it has it: a table that was copied has.
func (u *upgrade) indexCounted(ctx context.Context) error {
	has := false
	err := sqldb.Each(ctx, u.c, "SHOW INDEX FROM omsync_waiting WHERE Key_name = 'counted'", func([]sql.RawBytes) error {
		has = true
		return nil
	})
	if err != nil || has {
		return err
	}
	return sqldb.Exec(ctx, u.c, "ALTER TABLE omsync_waiting ADD KEY counted (peer_id, table_id, reason, dropped_at, deletion, lost, since, size)")
}
