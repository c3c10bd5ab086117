package journal

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// A Report is what the headers of a peer show and say of it, beside what the link needs. The zero Report is that of a peer that has shown
// and said nothing.
type Report struct {
	Peer   merge.Peer
	Clock  merge.Skew
	Waits  []ReasonCount // of this node's rows that wait there
	ReadAt int64         // µs since 1970 UTC: when the header was read
}

// A ReasonCount is how many rows wait for a reason. A peer's may be one that this program does not know.
type ReasonCount struct {
	Reason ReasonCode
	Rows   int64
}

// Reports returns what the peers' headers show.
func Reports(ctx context.Context, q sqldb.DB) (out []Report, err error) {
	return readReports(ctx, q, "")
}

// ReportOf returns what a peer's headers show.
func ReportOf(ctx context.Context, q sqldb.DB, peer merge.Peer) (Report, error) {
	out, err := readReports(ctx, q, fmt.Sprintf(" WHERE peer_id = %d", peer))
	if err != nil || len(out) == 0 {
		return Report{Peer: peer}, err
	}
	return out[0], nil
}

func readReports(ctx context.Context, q sqldb.DB, where string) (out []Report, err error) {
	err = sqldb.Each(ctx, q, "SELECT peer_id, clock_ahead, clock_since, clock_seen, waits, read_at FROM omsync_report"+where+" ORDER BY peer_id", func(r []sql.RawBytes) error {
		out = append(out, Report{merge.Peer(sqldb.Uint(r[0])), merge.Skew{By: sqldb.Int(r[1]), Since: sqldb.Int(r[2]), Seen: sqldb.Int(r[3])}, parseReasons(string(r[4])), sqldb.Int(r[5])})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what peers' headers show: %w", err)
	}
	return out, nil
}

// SaveReport writes what a peer's headers show.
func SaveReport(ctx context.Context, q sqldb.DB, r Report) error {
	var waits []string
	for _, c := range r.Waits {
		waits = append(waits, fmt.Sprintf("%s:%d", c.Reason, c.Rows))
	}
	_, err := q.ExecContext(ctx, "REPLACE INTO omsync_report (peer_id, clock_ahead, clock_since, clock_seen, waits, read_at) VALUES (?, ?, ?, ?, ?, ?)",
		r.Peer, r.Clock.By, r.Clock.Since, r.Clock.Seen, strings.Join(waits, " "), r.ReadAt)
	if err != nil {
		return fmt.Errorf("keep what a peer's header shows: %w", err)
	}
	return nil
}

func parseReasons(s string) (out []ReasonCount) {
	for _, f := range strings.Fields(s) {
		reason, rows, _ := strings.Cut(f, ":")
		if n, err := strconv.ParseInt(rows, 10, 64); err == nil {
			out = append(out, ReasonCount{ReasonCode(reason), n})
		}
	}
	return out
}

// WaitingReasons counts the rows of a peer that wait, those that were dropped among them, by reason: what the peer is told. The most
// frequent come first.
func WaitingReasons(ctx context.Context, q sqldb.DB, peer merge.Peer) (out []ReasonCount, err error) {
	query := fmt.Sprintf("SELECT IF(dropped_at > 0, '%s', reason), COUNT(*) FROM omsync_waiting FORCE INDEX (counted) WHERE peer_id = %d AND lost = 0 GROUP BY 1 ORDER BY 2 DESC, 1", DroppedThere, peer)
	err = sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		out = append(out, ReasonCount{ReasonCode(r[0]), sqldb.Int(r[1])})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count rows that wait: %w", err)
	}
	return out, nil
}

// DroppedThere stands, in what a peer is told, for the reason of rows that were dropped.
const DroppedThere ReasonCode = "dropped"

// EpochMadeAt returns when an epoch of this node was made, or one just before it, in µs since 1970 UTC; 0: unknown.
func EpochMadeAt(ctx context.Context, q sqldb.DB, epoch uint64) (at int64, err error) {
	query := fmt.Sprintf("SELECT created_at FROM omsync_epoch WHERE id <= %d ORDER BY id DESC LIMIT 1", epoch)
	err = sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error { at = sqldb.Int(r[0]); return nil })
	if err != nil {
		return 0, fmt.Errorf("read when an epoch was made: %w", err)
	}
	return at, nil
}
