package journal

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// NextEpoch adds an epoch to the journal and returns its position. The caller holds the gate. resend: it only sends again what was
// there before.
func NextEpoch(ctx context.Context, q sqldb.DB, resend bool, now time.Time) (merge.Position, error) {
	m := merge.Position{Token: Random()}
	r, err := q.ExecContext(ctx, "INSERT INTO omsync_epoch (token, resend, created_at) VALUES (?, ?, ?)", m.Token, resend, now.UnixMicro())
	if err != nil {
		return m, fmt.Errorf("begin an epoch: %w", err)
	}
	id, err := r.LastInsertId()
	m.Epoch = uint64(id)
	return m, err
}

// NoteReclaimed notes that in an epoch what a peer may have lost came to count as made here.
func NoteReclaimed(ctx context.Context, q sqldb.DB, epoch uint64) error {
	_, err := q.ExecContext(ctx, "UPDATE omsync_epoch SET resend = 2 WHERE id = ? AND resend = 0", epoch)
	return err
}

// ReclaimedEpochs returns such epochs above base.
func ReclaimedEpochs(ctx context.Context, q sqldb.DB, base uint64) ([]uint64, error) {
	return epochsThat(ctx, q, 2, base)
}

// NoteMends notes that what was stamped in an epoch mends what capture had missed, here or at a peer.
func NoteMends(ctx context.Context, q sqldb.DB, epoch uint64) error {
	_, err := q.ExecContext(ctx, "UPDATE omsync_epoch SET resend = 3 WHERE id = ? AND resend = 0", epoch)
	return err
}

// MendingEpochs returns such epochs above base.
func MendingEpochs(ctx context.Context, q sqldb.DB, base uint64) ([]uint64, error) {
	return epochsThat(ctx, q, 3, base)
}

// epochsThat returns the epochs above base that are marked so.
func epochsThat(ctx context.Context, q sqldb.DB, mark int, base uint64) (out []uint64, err error) {
	err = sqldb.Each(ctx, q, fmt.Sprintf("SELECT id FROM omsync_epoch WHERE resend = %d AND id > %d", mark, base), func(r []sql.RawBytes) error {
		out = append(out, sqldb.Uint(r[0]))
		return nil
	})
	return out, err
}

// DropEpoch takes back an epoch in which nothing was written.
func DropEpoch(ctx context.Context, q sqldb.DB, epoch uint64) error {
	_, err := q.ExecContext(ctx, "DELETE FROM omsync_epoch WHERE id = ?", epoch)
	return err
}

// EpochBefore returns the newest epoch before one, 0 if there is none. It need not be the number before: numbers that were given out and taken back
// leave gaps, which MySQL 5.6 fills again once it was restarted.
func EpochBefore(ctx context.Context, q sqldb.DB, epoch uint64) (before uint64, err error) {
	err = sqldb.Each(ctx, q, fmt.Sprintf("SELECT MAX(id) FROM omsync_epoch WHERE id < %d", epoch), func(r []sql.RawBytes) error {
		before = sqldb.Uint(r[0])
		return nil
	})
	return before, err
}

// LastEpoch returns the newest epoch that the query's snapshot holds; the zero position if there is none.
func LastEpoch(ctx context.Context, q sqldb.DB) (m merge.Position, err error) {
	err = sqldb.Each(ctx, q, "SELECT id, token FROM omsync_epoch ORDER BY id DESC LIMIT 1", func(r []sql.RawBytes) error {
		m = merge.Position{Epoch: sqldb.Uint(r[0]), Token: sqldb.Uint(r[1])}
		return nil
	})
	return m, err
}

// ResendEpochs returns the epochs above base that only send again.
func ResendEpochs(ctx context.Context, q sqldb.DB, base uint64) ([]uint64, error) {
	return epochsThat(ctx, q, 1, base)
}
