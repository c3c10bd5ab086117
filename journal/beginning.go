package journal

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// KeysBeginning hands on the keys of rows that are not in their table, and of which something is known: that they were deleted here, or came from the peer and
// wait. Each begins with one of these texts, of letters, digits and hyphens. all is false if there are more than limit. A key may come twice.
func KeysBeginning(ctx context.Context, q sqldb.DB, peer merge.Peer, tbl uint16, prefixes [][]byte, limit int, f func(key string)) (all bool, err error) {
	for _, from := range []string{"omsync_tombstone WHERE", fmt.Sprintf("omsync_waiting WHERE peer_id = %d AND lost = 0 AND", peer)} {
		all, err := sqldb.EachInRanges(ctx, q, prefixes, limit, func(some [][]byte) []byte {
			b := fmt.Appendf(nil, "SELECT row_key, whole_key FROM %s table_id = %d AND (", from, tbl)
			for i, p := range some {
				if i > 0 {
					b = append(b, " OR "...)
				}
				after := append([]byte(nil), p...)
				after[len(after)-1]++
				b = append(sqldb.Binary(append(b, "row_key >= "...), string(p)), " AND row_key < "...)
				b = sqldb.Binary(b, string(after))
			}
			return append(b, ')')
		}, func(r []sql.RawBytes) { f(whole(r)) })
		if err != nil {
			return false, fmt.Errorf("look for keys of rows that are not here: %w", err)
		}
		if !all {
			return false, nil
		}
	}
	return true, nil
}
