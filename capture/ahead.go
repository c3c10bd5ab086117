package capture

import (
	"context"
	"database/sql"
	"time"

	"github.com/omsync/omsync/capture/trigger"
	"github.com/omsync/omsync/journal"
)

// Seen says when the triggers were as they should be, and by what it shows that they still are.
type Seen = trigger.Seen

// Ahead is what a reconciliation asks first: whether the triggers can be others than those that were seen, and if so which there are, and then
// when tables were made. For the triggers a server opens a
// file of each table, which takes longer than all other questions, so it is asked on a connection of its own while the catalogue is read.
type Ahead struct {
	began    time.Time
	done     chan struct{}
	seen     *Seen
	server   trigger.Server // before the triggers were listed
	triggers *trigger.Listing
	made     map[string]journal.Made
	err      error
}

// LookAhead begins to ask. What is asked ends with ctx, or when db is closed. seen is what the last reconciliation saw; nil: nothing is known.
func LookAhead(ctx context.Context, db *sql.DB, database string, seen *Seen) *Ahead {
	a := &Ahead{began: time.Now(), done: make(chan struct{}), seen: seen}
	go func() {
		defer close(a.done)
		var err error
		if a.server, err = trigger.AskServer(ctx, db); err == nil && seen.Holds(a.server, a.began) {
			return // where it does not say, or has gone, the next question tells
		}
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

// wait waits until it has been answered. Without a listing, the triggers are those that were seen.
func (a *Ahead) wait(ctx context.Context) error {
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
		return ctx.Err()
	}
}
