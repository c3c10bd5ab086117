package journal

import (
	"context"

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
			return u.index(ctx, "omsync_waiting", "counted", "ADD KEY counted (peer_id, table_id, reason, dropped_at, deletion, lost, since, size)")
		}},
		{"set the format 5", 4, func(ctx context.Context, u *upgrade) error { return u.setFormat(ctx, 5) }},
	}
}
