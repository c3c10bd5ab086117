package capture

import (
	"context"
	"database/sql"
	"time"

	"github.com/omsync/omsync/capture/trigger"
	"github.com/omsync/omsync/journal"
)

// Ahead is what a reconciliation asks first: which triggers there are, and then when tables were made. For the triggers a server opens a
// file of each table, which takes longer than all other questions, so it is asked on a connection of its own while the catalogue is read.
type Ahead struct {
	began    time.Time
	done     chan struct{}
	triggers *trigger.Listing
	made     map[string]journal.Made
	err      error
}

// LookAhead begins to ask. What is asked ends with ctx, or when db is closed.
func LookAhead(ctx context.Context, db *sql.DB, database string) *Ahead {
	a := &Ahead{began: time.Now(), done: make(chan struct{})}
	go func() {
		defer close(a.done)
		if a.triggers, a.err = trigger.List(ctx, db, database); a.err == nil {
			a.made, a.err = journal.LookMade(ctx, db, database)
		}
	}()
	return a
}

// isOld reports whether so much time has passed that the triggers may be others by now. Somebody who changes them a moment later is not seen
// before the next run either.
func (a *Ahead) isOld() bool { return time.Since(a.began) > 2*time.Second }

// End returns when nothing is asked any more: a connection that is left in the middle of an answer is an error in the server's log.
func (a *Ahead) End() { <-a.done }

// wait returns what there is. The map is the caller's.
func (a *Ahead) wait(ctx context.Context) (*trigger.Listing, map[string]journal.Made, error) {
	select {
	case <-a.done:
		return a.triggers, a.made, a.err
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}
