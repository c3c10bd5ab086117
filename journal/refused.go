package journal

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// MaxRefused is how many rows are remembered of which one peer's version was refused. Those that it has been answered make room for others.
const MaxRefused = 10_000

// Refused returns the rows of which a peer's version was refused here after its epoch base, by number of their table, and each with the
// epoch of the refusal: see [AddRefused].
func Refused(ctx context.Context, q sqldb.DB, peer merge.Peer, base uint64) (map[uint16]map[Row]uint64, error) {
	out := map[uint16]map[Row]uint64{}
	query := fmt.Sprintf("SELECT table_id, local_id, local_key, epoch FROM omsync_refused FORCE INDEX (peer_id) WHERE peer_id = %d AND epoch > %d", peer, base)
	err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		t := uint16(sqldb.Uint(r[0]))
		if out[t] == nil {
			out[t] = map[Row]uint64{}
		}
		out[t][Row{sqldb.Int(r[1]), string(r[2])}] = sqldb.Uint(r[3])
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read omsync_refused: %w", err)
	}
	return out, nil
}

// AddRefused notes rows of a table of which the peer's version, or its deletion of them, was refused in an epoch: a batch to it that starts
// before that epoch has them as they are here. They stay noted after the peer has acknowledged that, as it may be restored.
func AddRefused(ctx context.Context, q sqldb.DB, peer merge.Peer, tbl uint16, rows []Row, epoch uint64) error {
	return chunks(rows, func(part []Row) error {
		b := []byte("INSERT INTO omsync_refused (peer_id, table_id, local_id, local_key, epoch) VALUES ")
		for i, r := range part {
			if i > 0 {
				b = append(b, ',')
			}
			b = fmt.Appendf(b, "(%d,%d,", peer, tbl)
			b = append(strconv.AppendInt(b, r.Int, 10), ',')
			b = fmt.Appendf(sqldb.Binary(b, r.Key), ",%d)", epoch)
		}
		if err := sqldb.Exec(ctx, q, string(append(b, " ON DUPLICATE KEY UPDATE epoch = VALUES(epoch)"...))); err != nil {
			return fmt.Errorf("note rows that were refused: %w", err)
		}
		return nil
	})
}

// RoomForRefused returns how many more rows may be noted of a peer that has acknowledged this node's epochs up to acked. Where n have no
// room, the oldest of which it has the answer are forgotten.
func RoomForRefused(ctx context.Context, q sqldb.DB, peer merge.Peer, acked uint64, n int) (int, error) {
	var noted int
	err := sqldb.Each(ctx, q, fmt.Sprintf("SELECT COUNT(*) FROM omsync_refused WHERE peer_id = %d", peer), func(r []sql.RawBytes) error {
		noted = int(sqldb.Int(r[0]))
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("count rows that were refused: %w", err)
	}
	if more := noted + n - MaxRefused; more > 0 {
		r, err := q.ExecContext(ctx, fmt.Sprintf("DELETE FROM omsync_refused WHERE peer_id = %d AND epoch <= %d ORDER BY epoch LIMIT %d", peer, acked, more))
		if err != nil {
			return 0, fmt.Errorf("forget rows that were refused: %w", err)
		}
		gone, err := r.RowsAffected()
		if err != nil {
			return 0, err
		}
		noted -= int(gone)
	}
	return max(MaxRefused-noted, 0), nil
}
