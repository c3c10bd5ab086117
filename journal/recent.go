package journal

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// RecentDeletions returns how many rows of a table each import from a peer deleted since a time, in the order of the imports. Rows that
// were too long to be kept count too; where a node keeps nothing, none does.
func RecentDeletions(ctx context.Context, q sqldb.DB, tbl uint16, peer merge.Peer, since time.Time) (imports []int64, err error) {
	query := fmt.Sprintf("SELECT COUNT(*) FROM omsync_deleted FORCE INDEX (deleted_at) WHERE deleted_at > %d AND table_id = %d AND origin = %d GROUP BY epoch ORDER BY epoch",
		since.UnixMicro(), tbl, peer)
	err = sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		imports = append(imports, sqldb.Int(r[0]))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count deletions: %w", err)
	}
	return imports, nil
}
