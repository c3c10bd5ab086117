package journal

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/omsync/omsync/internal/sqldb"
)

// Reclaimed returns the rows of a table with a version of another author that counts as made here since an epoch after base: a peer was
// restored, see [Rejoin]. self is this node's number as an author.
func Reclaimed(ctx context.Context, q sqldb.DB, tbl uint16, base uint64, self uint16) (out []Row, err error) {
	query := fmt.Sprintf("SELECT DISTINCT local_id, local_key FROM omsync_version FORCE INDEX (tbl_epoch) WHERE table_id = %d AND epoch > %d AND origin = 0 AND author <> %d ORDER BY local_id, local_key", tbl, base, self)
	err = sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		out = append(out, Row{sqldb.Int(r[0]), string(r[1])})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read versions: %w", err)
	}
	return out, nil
}
