package node

import (
	"context"
	"time"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/journal"
)

// MendStamps stamps anew what is stamped later than a time, as [capture.MendStamps] says. Files that wait in outboxes are thrown away then:
// they would bring the old stamps to others, and are made again. The lock must be held.
func (n *Node) MendStamps(ctx context.Context, laterThan time.Time, dryRun bool) (*capture.Mended, error) {
	if !dryRun {
		if err := n.Reconcile(ctx); err != nil {
			return nil, err
		}
	}
	found, err := capture.MendStamps(ctx, n.Journal, capture.MendOptions{LaterThan: laterThan, DryRun: dryRun, Wait: gateWait})
	if err != nil || dryRun || len(found.Tables) == 0 && found.Waiting == 0 {
		return found, err
	}
	peers, err := journal.Peers(ctx, n.DB)
	if err != nil {
		return found, err
	}
	for _, p := range peers {
		if err := exchange.EmptyOutbox(ctx, n.Home, p.Name); err != nil {
			return found, err
		}
	}
	return found, nil
}
