package journal

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// Unsent returns the rows that exports kept back from a peer, by number of their table: see [AddUnsent].
func Unsent(ctx context.Context, q sqldb.DB, peer merge.Peer) (map[uint16][]Row, error) {
	out := map[uint16][]Row{}
	query := fmt.Sprintf("SELECT table_id, local_id, local_key FROM omsync_unsent WHERE peer_id = %d ORDER BY table_id, local_id, local_key", peer)
	err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		t := uint16(sqldb.Uint(r[0]))
		out[t] = append(out[t], Row{sqldb.Int(r[1]), string(r[2])})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read omsync_unsent: %w", err)
	}
	return out, nil
}

// AddUnsent notes rows of a table that a peer lacks and that an export kept back. Once nothing keeps them here, [ResendRows] sees that
// they go: what the peer acknowledges meanwhile counts for them too.
func AddUnsent(ctx context.Context, q sqldb.DB, peer merge.Peer, tbl uint16, rows []Row) error {
	return chunks(rows, func(part []Row) error {
		b := []byte("INSERT IGNORE INTO omsync_unsent (peer_id, table_id, local_id, local_key) VALUES ")
		for i, r := range part {
			if i > 0 {
				b = append(b, ',')
			}
			b = fmt.Appendf(b, "(%d,%d,", peer, tbl)
			b = append(strconv.AppendInt(b, r.Int, 10), ',')
			b = append(sqldb.Binary(b, r.Key), ')')
		}
		if err := sqldb.Exec(ctx, q, string(b)); err != nil {
			return fmt.Errorf("note rows that stay here: %w", err)
		}
		return nil
	})
}

// DropUnsent forgets rows of a table that were kept back from a peer.
func DropUnsent(ctx context.Context, q sqldb.DB, peer merge.Peer, tbl uint16, rows []Row) error {
	return chunks(rows, func(part []Row) error {
		b := append([]byte("DELETE u FROM "), rowList(nil, part)...)
		b = fmt.Appendf(b, " STRAIGHT_JOIN omsync_unsent u FORCE INDEX (PRIMARY) ON u.peer_id = %d AND u.table_id = %d AND u.local_id = d.local_id AND u.local_key = d.local_key", peer, tbl)
		if err := sqldb.Exec(ctx, q, string(b)); err != nil {
			return fmt.Errorf("forget rows that stayed here: %w", err)
		}
		return nil
	})
}

// ResendRows gives the versions of some rows of a table, which are there, a new epoch that only sends again: their stamps stay. It is
// [Resend] for these rows alone. The caller holds the gate.
func ResendRows(ctx context.Context, q sqldb.DB, t *Table, rows []Row, epoch uint64, a *Authors) error {
	versions, err := Versions(ctx, q, t.ID, rows, a)
	if err != nil {
		return err
	}
	var old []Row
	var entries []Entry
	for _, r := range rows {
		groups := versions[r]
		if groups != nil {
			old = append(old, r)
		} else if !t.Default.IsEmpty() {
			groups = []merge.Group{t.Default}
		}
		again := merge.Row{Known: true, Alive: true, Groups: groups}.Resend(epoch)
		entries = append(entries, Entry{Row: r, Groups: again.Groups})
	}
	return PutVersions(ctx, q, t.ID, old, entries, a)
}
