package journal

import (
	"context"

	"github.com/omsync/omsync/internal/sqldb"
)

// Format 3 keeps what is deleted, rows that wait, what each peer has used of its quotas, which rows were kept back from a peer or refused,
// who added each row, and when the application's tables were made.

func stepsFrom2() []upgradeStep {
	return []upgradeStep{
		{"see what the account may do with format 2", 2, func(ctx context.Context, u *upgrade) error {
			if u.format != 2 {
				return nil
			}
			return u.try(ctx, tableTrials())
		}},
		{"claim the tables of format 2", 2, func(ctx context.Context, u *upgrade) error { return u.setFormat(ctx, underWay+2) }},
		{"make omsync_removed", 2, func(ctx context.Context, u *upgrade) error { return u.make(ctx, "omsync_removed") }},
		{"make omsync_deleted", 2, func(ctx context.Context, u *upgrade) error { return u.make(ctx, "omsync_deleted") }},
		{"make omsync_waiting", 2, func(ctx context.Context, u *upgrade) error { return u.make(ctx, "omsync_waiting") }},
		{"make omsync_report", 2, func(ctx context.Context, u *upgrade) error { return u.make(ctx, "omsync_report") }},
		{"make omsync_unsent", 2, func(ctx context.Context, u *upgrade) error { return u.make(ctx, "omsync_unsent") }},
		{"add what a peer has used", 2, func(ctx context.Context, u *upgrade) error {
			return u.add(ctx, layoutOf("omsync_peer"), "used")
		}},
		{"make omsync_refused", 2, func(ctx context.Context, u *upgrade) error { return u.make(ctx, "omsync_refused") }},
		{"add when a table was made, and who added rows of its default version", 2, func(ctx context.Context, u *upgrade) error {
			return u.add(ctx, layoutOf("omsync_table"), "made", "default_added_by", "default_more")
		}},
		{"add who added rows", 2, func(ctx context.Context, u *upgrade) error {
			return u.add(ctx, layoutOf("omsync_version"), "added_by")
		}},
		{"set the format 3", 2, func(ctx context.Context, u *upgrade) error { return u.setFormat(ctx, 3) }},
	}
}

// make makes a table, unless it is there.
func (u *upgrade) make(ctx context.Context, table string) error {
	columns, err := u.columns(ctx, table)
	if err != nil || len(columns) > 0 {
		return err
	}
	return sqldb.Exec(ctx, u.c, layoutOf(table).create(table))
}

// add gives a table columns, unless it has them.
func (u *upgrade) add(ctx context.Context, l layout, columns ...string) error {
	now, err := u.columns(ctx, l.name)
	if err != nil {
		return err
	}
	copied, err := u.columns(ctx, l.name+copySuffix)
	was, there := map[string]string{}, true
	for _, c := range columns {
		was[c], there = added, there && now[c]
	}
	if err != nil || there && len(copied) == 0 {
		return err
	}
	return u.rename(ctx, l, was)
}
