package undo

import (
	"context"
	"time"

	"github.com/omsync/omsync/journal"
)

// forgetWaiting drops the rows of the peer that wait since then: one that came in later would do so after all was taken back.
func (u *undoing) forgetWaiting(ctx context.Context) error {
	for _, t := range u.tables {
		which := journal.WaitingFilter{Peer: u.since.Peer, Table: t.journal.ID, Since: u.since.Time, NotDropped: true}
		err := journal.Waiting(ctx, u.q, which, func(w journal.WaitingRow) error {
			t.note(&t.report.Forgotten, w.Key, "waited, and is dropped")
			return nil
		})
		if err != nil {
			return err
		}
		if _, err := journal.DropWaiting(ctx, u.q, which, journal.Dropping{By: "omsync undo", At: time.Now().UnixMicro()}); err != nil {
			return err
		}
	}
	return nil
}
