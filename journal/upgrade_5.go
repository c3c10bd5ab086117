package journal

import "context"

// Format 6 keeps of each child whom it may have, and of deletions and conflict records whose the rows were. Of what was deleted and recorded
// before, nobody knows that.

// scopeTables returns the tables that came with format 6.
func scopeTables() []string {
	return []string{"omsync_scope_peer", "omsync_scope", "omsync_scope_row", "omsync_scope_log", "omsync_public", "omsync_want", "omsync_held", "omsync_purge", "omsync_buried"}
}

func stepsFrom5() []upgradeStep {
	steps := []upgradeStep{
		{"see what the account may do with format 5", 5, func(ctx context.Context, u *upgrade) error {
			if u.format != 5 {
				return nil
			}
			return u.try(ctx, tableTrials())
		}},
		{"claim the tables of format 5", 5, func(ctx context.Context, u *upgrade) error { return u.setFormat(ctx, underWay+5) }},
	}
	for _, table := range scopeTables() {
		steps = append(steps, upgradeStep{"make " + table, 5, func(ctx context.Context, u *upgrade) error { return u.make(ctx, table) }})
	}
	return append(steps,
		upgradeStep{"add to conflicts whose the row was", 5, func(ctx context.Context, u *upgrade) error {
			return u.add(ctx, layoutOf("omsync_conflict"), "owners")
		}},
		upgradeStep{"set the format 6", 5, func(ctx context.Context, u *upgrade) error { return u.setFormat(ctx, 6) }})
}
