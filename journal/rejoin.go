package journal

import (
	"context"
	"fmt"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// Rejoin makes everything that came from the peer after this own epoch count as made here, in the new epoch: the peer
// was restored and no longer has it. It is merge.Row.Reclaim for all rows at once, and for conflict records; what
// waits from the peer is lost at it (see merge.Waiting).
func Rejoin(ctx context.Context, q sqldb.DB, peer merge.Peer, after, epoch uint64) error {
	for _, t := range []string{"omsync_version", "omsync_tombstone", "omsync_conflict", "omsync_resolution"} {
		if err := sqldb.Exec(ctx, q, fmt.Sprintf("UPDATE %s SET origin = 0, epoch = %d WHERE origin = %d AND epoch > %d", t, epoch, peer, after)); err != nil {
			return fmt.Errorf("count what came from a restored peer as made here: %w", err)
		}
	}
	if err := NoteReclaimed(ctx, q, epoch); err != nil {
		return fmt.Errorf("note an epoch: %w", err)
	}
	if err := LoseWaiting(ctx, q, peer); err != nil {
		return err
	}
	err := sqldb.Exec(ctx, q, fmt.Sprintf("UPDATE omsync_table SET default_origin = 0, default_epoch = %d WHERE default_mask IS NOT NULL AND default_origin = %d AND default_epoch > %d", epoch, peer, after))
	if err != nil {
		return fmt.Errorf("count what came from a restored peer as made here: %w", err)
	}
	return nil
}
