package node

import (
	"context"
	"fmt"

	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/pace"
)

// Sign asks the connected database what says cheaply whether it has something new. It may be asked every few seconds.
func (n *Node) Sign(ctx context.Context) (pace.Sign, error) {
	// What is asked in a transaction that is taken back leaves nothing in the server's binary log.
	tx, err := n.DB.BeginTx(ctx, nil)
	if err != nil {
		return pace.Sign{}, n.explain(err)
	}
	defer tx.Rollback()
	captured, err := journal.LastCaptured(ctx, tx)
	if err != nil {
		return pace.Sign{}, fmt.Errorf("look for changes: %w", err)
	}
	epoch, err := journal.LastEpoch(ctx, tx)
	if err != nil {
		return pace.Sign{}, fmt.Errorf("look for epochs: %w", err)
	}
	return pace.Sign{Epoch: epoch.Epoch, Token: epoch.Token, Captured: captured}, nil
}
