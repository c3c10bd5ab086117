package journal

import (
	"context"

	"github.com/omsync/omsync/internal/sqldb"
)

// Format 3 keeps what imports delete, what each peer has used of its quotas, and which rows were kept back from a peer.

func stepsFrom2() []upgradeStep {
	return []upgradeStep{
		{"claim the tables of format 2", 2, func(ctx context.Context, u *upgrade) error { return u.setFormat(ctx, underWay+2) }},
		{"make omsync_deleted", 2, makeTable("omsync_deleted")},
		{"make omsync_unsent", 2, makeTable("omsync_unsent")},
		{"add what a peer has used", 2, func(ctx context.Context, u *upgrade) error {
			return u.add(ctx, layoutOf("omsync_peer"), "used")
		}},
		{"set the format 3", 2, func(ctx context.Context, u *upgrade) error { return u.setFormat(ctx, 3) }},
	}
}

// makeTable returns a step that makes a table which the format before had not.
func makeTable(name string) func(context.Context, *upgrade) error {
	return func(ctx context.Context, u *upgrade) error {
		columns, err := u.columns(ctx, name)
		if err != nil || len(columns) > 0 {
			return err
		}
		return sqldb.Exec(ctx, u.c, layoutOf(name).create(name))
	}
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
