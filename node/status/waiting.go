package status

import (
	"context"
	"time"

	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/node"
)

// removed stands for the name of a peer that was removed.
const removed = "a peer that was removed"

func nameOf(peers []*journal.Peer, id merge.Peer) string {
	for _, p := range peers {
		if p.ID == id {
			return p.Name
		}
	}
	return removed
}

// dropped counts the rows that were dropped.
func dropped(ctx context.Context, n *node.Node, peers []*journal.Peer) ([]Dropped, error) {
	counts, err := journal.CountDropped(ctx, n.DB)
	if err != nil {
		return nil, err
	}
	var out []Dropped
	for _, c := range counts {
		out = append(out, Dropped{nameOf(peers, c.Peer), c.Rows, time.UnixMicro(c.Last).UTC().Truncate(time.Second), c.By})
	}
	return out, nil
}

// countWaiting counts the rows that wait, while others go on. result waits for it; stop ends it if nobody wants it any more.
func countWaiting(ctx context.Context, n *node.Node) (result func() ([]journal.WaitingCount, error), stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	var counts []journal.WaitingCount
	var err error
	go func() {
		defer close(done)
		counts, err = journal.CountWaitingRows(ctx, n.DB)
	}()
	result = func() ([]journal.WaitingCount, error) {
		<-done
		return counts, err
	}
	return result, func() {
		cancel()
		<-done
	}
}

// quarantine says which rows wait.
func quarantine(n *node.Node, peers []*journal.Peer, counts []journal.WaitingCount) []Waiting {
	names := map[uint16]string{}
	for name, t := range n.Journal.Tables {
		names[t.ID] = name
	}
	var out []Waiting
	for _, c := range counts {
		w := Waiting{Peer: nameOf(peers, c.Peer), Table: names[c.Table], Reason: string(c.Reason), Rows: c.Rows, Since: time.UnixMicro(c.Since).UTC().Truncate(time.Second), Why: c.Text}
		out = append(out, w)
	}
	return out
}
