package journal

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// rangesAtOnce is how many ranges of an index a statement looks in: servers take the longer for each the more there are.
const rangesAtOnce = 100

// KeysBeginning hands on the keys of rows that are not in their table, and of which something is known: that they were deleted here, or came from the peer and
// wait. Each begins with one of these texts, of letters, digits and hyphens. all is false if there are more than limit. A key may come twice.
func KeysBeginning(ctx context.Context, q sqldb.DB, peer merge.Peer, tbl uint16, prefixes [][]byte, limit int, f func(key string)) (all bool, err error) {
	for _, from := range []string{"omsync_tombstone WHERE", fmt.Sprintf("omsync_waiting WHERE peer_id = %d AND lost = 0 AND", peer)} {
		left := limit
		for part := range slices.Chunk(prefixes, rangesAtOnce) {
			b := fmt.Appendf(nil, "SELECT row_key, whole_key FROM %s table_id = %d AND (", from, tbl)
			for i, p := range part {
				if i > 0 {
					b = append(b, " OR "...)
				}
				after := append([]byte(nil), p...)
				after[len(after)-1]++
				b = append(sqldb.Binary(append(b, "row_key >= "...), string(p)), " AND row_key < "...)
				b = sqldb.Binary(b, string(after))
			}
			err := sqldb.Each(ctx, q, string(fmt.Appendf(b, ") LIMIT %d", left+1)), func(r []sql.RawBytes) error {
				if left--; left >= 0 {
					f(whole(r))
				}
				return nil
			})
			if err != nil {
				return false, fmt.Errorf("look for keys of rows that are not here: %w", err)
			}
			if left < 0 {
				return false, nil
			}
		}
	}
	return true, nil
}
