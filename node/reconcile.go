package node

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/internal/durable"
	"github.com/omsync/omsync/journal"
)

// seenName is the file that says when the triggers were as they should be. One that is missing, damaged or another database's says nothing:
// then they are listed.
const seenName = "triggers.json"

// lookAhead asks the database what the next Reconcile asks first.
func (n *Node) lookAhead(ctx context.Context) {
	if n.seen == nil {
		var seen capture.Seen
		if text, err := os.ReadFile(filepath.Join(n.Home, seenName)); err == nil && json.Unmarshal(text, &seen) == nil {
			n.seen = &seen
		}
	}
	n.ahead = capture.LookAhead(ctx, n.DB, n.Database, n.seen)
}

// keepSeen keeps what a reconciliation saw for the next one; nil: the triggers were not as they should be, and are listed again.
func (n *Node) keepSeen(seen *capture.Seen) error {
	if seen == nil || seen == n.seen {
		return nil
	}
	text, err := json.Marshal(seen)
	if err != nil {
		return err
	}
	if err := durable.Write(filepath.Join(n.Home, seenName), text, 0o600); err != nil {
		return fmt.Errorf("note that the triggers are as they should be: %w", err)
	}
	n.seen = seen
	return nil
}

// Reconcile brings triggers and journal in line with the database, and warns of changes that were not seen meanwhile.
func (n *Node) Reconcile(ctx context.Context) error {
	_, last, err := journal.LastEpochMade(ctx, n.DB)
	if err != nil {
		return err
	}
	if n.ahead == nil {
		n.lookAhead(ctx)
	}
	f, err := capture.ReconcileWith(ctx, n.Journal, n.ahead, gateWait)
	n.ahead = nil
	if err != nil {
		return err
	}
	if err := n.keepSeen(f.Seen); err != nil {
		return err
	}
	if len(f.Missed) > 0 {
		n.noteMissed(Missed{Tables: f.Missed, From: last.UTC(), To: time.Now().UTC()})
	}
	for _, t := range f.Missed {
		n.Journal.Warn("the triggers of %s were missing: changes made meanwhile were not seen, so the whole table is sent again", t)
	}
	for _, t := range f.Replaced {
		n.Journal.Warn("%s was dropped and made again: its rows count as old, and the peers are asked for what they have of it", t)
	}
	return nil
}
