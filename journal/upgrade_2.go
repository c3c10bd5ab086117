package journal

import (
	"context"

	"github.com/omsync/omsync/internal/sqldb"
)

// Format 3 keeps what imports delete, and what each peer has used of its quotas.

func stepsFrom2() []upgradeStep {
	return []upgradeStep{
		{"see what the account may do with format 2", 2, func(ctx context.Context, u *upgrade) error {
			if u.format != 2 {
				return nil
			}
			return u.try(ctx, tableTrials())
		}},
		{"claim the tables of format 2", 2, func(ctx context.Context, u *upgrade) error { return u.setFormat(ctx, underWay+2) }},
		{"make omsync_deleted", 2, makeDeleted},
		{"add what a peer has used", 2, func(ctx context.Context, u *upgrade) error {
			return u.add(ctx, layoutOf("omsync_peer"), "used")
		}},
		{"set the format 3", 2, func(ctx context.Context, u *upgrade) error { return u.setFormat(ctx, 3) }},
	}
}

func makeDeleted(ctx context.Context, u *upgrade) error {
	columns, err := u.columns(ctx, "omsync_deleted")
	if err != nil || len(columns) > 0 {
		return err
	}
	return sqldb.Exec(ctx, u.c, layoutOf("omsync_deleted").create("omsync_deleted"))
}

// add gives a table a column, unless it has it.
func (u *upgrade) add(ctx context.Context, l layout, column string) error {
	now, err := u.columns(ctx, l.name)
	if err != nil {
		return err
	}
	copied, err := u.columns(ctx, l.name+copySuffix)
	if err != nil || now[column] && len(copied) == 0 {
		return err
	}
	return u.rename(ctx, l, map[string]string{column: added})
}
