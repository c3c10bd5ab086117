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
	for _, query := range []string{
		"UPDATE omsync_version SET " + keepAdder + ", origin = 0, epoch = %d WHERE origin = %d AND epoch > %d",
		"UPDATE omsync_version v JOIN (SELECT DISTINCT table_id, local_id, local_key FROM omsync_version WHERE epoch = %[1]d AND origin = 0) w " +
			"ON w.table_id = v.table_id AND w.local_id = v.local_id AND w.local_key = v.local_key " +
			"SET v.added_by = v.origin WHERE v.origin = %[2]d AND v." + hasExistence + " AND v.added_by IS NULL AND v.epoch <= %[3]d",
		"UPDATE omsync_tombstone SET origin = 0, epoch = %d WHERE origin = %d AND epoch > %d",
		"UPDATE omsync_conflict SET origin = 0, epoch = %d WHERE origin = %d AND epoch > %d",
		"UPDATE omsync_resolution SET origin = 0, epoch = %d WHERE origin = %d AND epoch > %d",
		"UPDATE omsync_table SET default_added_by = IFNULL(default_added_by, default_origin), default_origin = 0, default_epoch = %d WHERE default_mask IS NOT NULL AND default_origin = %d AND default_epoch > %d",
	} {
		if err := sqldb.Exec(ctx, q, fmt.Sprintf(query, epoch, peer, after)); err != nil {
			return fmt.Errorf("count what came from a restored peer as made here: %w", err)
		}
	}
	if err := NoteReclaimed(ctx, q, epoch); err != nil {
		return fmt.Errorf("note an epoch: %w", err)
	}
	return LoseWaiting(ctx, q, peer)
}
