package journal

import "context"

// Format 5 keeps of each child whom it may have, and of deletions and conflict records whose the rows were. Of what was deleted and recorded
// before, nobody knows that.

// scopeTables returns the tables that came with format 5.
func scopeTables() []string {
	return []string{"omsync_scope_peer", "omsync_scope", "omsync_scope_row", "omsync_scope_log", "omsync_public", "omsync_want", "omsync_held", "omsync_purge", "omsync_buried"}
}

func stepsFrom4() []upgradeStep {
	steps := []upgradeStep{
		{"see what the account may do with format 4", 4, func(ctx context.Context, u *upgrade) error {
			if u.format != 4 {
				return nil
			}
			return u.try(ctx, tableTrials())
		}},
		{"claim the tables of format 4", 4, func(ctx context.Context, u *upgrade) error { return u.setFormat(ctx, underWay+4) }},
	}
	for _, table := range scopeTables() {
		steps = append(steps, upgradeStep{"make " + table, 4, func(ctx context.Context, u *upgrade) error { return u.make(ctx, table) }})
	}
	return append(steps,
		upgradeStep{"add to conflicts whose the row was", 4, func(ctx context.Context, u *upgrade) error {
			return u.add(ctx, layoutOf("omsync_conflict"), "owners")
		}},
		upgradeStep{"set the format 5", 4, func(ctx context.Context, u *upgrade) error { return u.setFormat(ctx, 5) }})
}
