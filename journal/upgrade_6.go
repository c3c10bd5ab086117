package journal

import "context"

// Format 7 keeps requests for patients by what people call them, and the answers.

// seekTables returns the tables that came with format 7.
func seekTables() []string { return []string{"omsync_sought", "omsync_reply"} }

func stepsFrom6() []upgradeStep {
	steps := []upgradeStep{
		{"see what the account may do with format 6", 6, func(ctx context.Context, u *upgrade) error {
			if u.format != 6 {
				return nil
			}
			return u.try(ctx, tableTrials())
		}},
		{"claim the tables of format 6", 6, func(ctx context.Context, u *upgrade) error { return u.setFormat(ctx, underWay+6) }},
	}
	for _, table := range seekTables() {
		steps = append(steps, upgradeStep{"make " + table, 6, func(ctx context.Context, u *upgrade) error { return u.make(ctx, table) }})
	}
	return append(steps, upgradeStep{"set the format 7", 6, func(ctx context.Context, u *upgrade) error { return u.setFormat(ctx, 7) }})
}
