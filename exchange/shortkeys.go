package exchange

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/internal/durable"
	"github.com/omsync/omsync/journal"
)

// shortKeysName is the file of a home folder that remembers whose files named rows short of which it was not known here which they are. Without it they are tried
// anew, which costs a round trip.
const shortKeysName = "short-keys.json"

type missedContent struct {
	Version int                        `json:"omsync_short_keys"`
	Peers   map[string]features.Missed `json:"peers"`
}

// readMissed reads what is remembered, by peer. A file that is damaged or of a later version is passed over.
func readMissed(home string) (map[string]features.Missed, error) {
	b, err := os.ReadFile(filepath.Join(home, shortKeysName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read what short keys were missed: %w", err)
	}
	var c missedContent
	if err != nil || json.Unmarshal(b, &c) != nil || c.Version != 1 || c.Peers == nil {
		return map[string]features.Missed{}, nil
	}
	return c.Peers, nil
}

// unread returns the features of which a peer is not told now that they are read here.
func (n *Node) unread(peer string) ([]string, error) {
	missed, err := readMissed(n.Home)
	if err != nil || !missed[peer].Withdrawn(n.Journal.Now().UnixMicro()) {
		return nil, err
	}
	return []string{features.ShortKeys}, nil
}

// missed notes that a file of a peer names rows by the beginnings of their keys of which it is not known here which they are. The peer hears of it by a header: at
// once, if it did not know, otherwise if none went since the file came.
func (n *Node) missed(ctx context.Context, peer string, came time.Time) error {
	all, err := readMissed(n.Home)
	if err != nil {
		return err
	}
	before := all[peer]
	all[peer] = before.Miss(n.Journal.Now().UnixMicro())
	if all[peer] == before || came.UnixMicro() <= before.At { // it was made before the peer could know
		return n.answer(ctx, peer, came)
	}
	b, err := json.MarshalIndent(missedContent{1, all}, "", "\t")
	if err == nil {
		err = durable.Write(filepath.Join(n.Home, shortKeysName), b, 0o600)
	}
	if err != nil {
		return fmt.Errorf("write what short keys were missed: %w", err)
	}
	return n.changePeer(ctx, peer, func(p *journal.Peer) bool {
		p.Link.HeaderDue = true
		return true
	})
}
