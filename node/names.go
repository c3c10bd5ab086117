package node

import (
	"context"

	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
)

// Names are what numbers in omsync's tables stand for.
type Names struct {
	peers  map[merge.Peer]string
	tables map[uint16]string
}

// Names reads the names of peers and tables.
func (n *Node) Names(ctx context.Context) (*Names, error) {
	peers, err := journal.Peers(ctx, n.DB)
	if err != nil {
		return nil, err
	}
	m := &Names{map[merge.Peer]string{}, map[uint16]string{}}
	for _, p := range peers {
		m.peers[p.ID] = p.Name
	}
	for name, t := range n.Journal.Tables {
		m.tables[t.ID] = name
	}
	return m, nil
}

// Peer returns a peer's name.
func (m *Names) Peer(id merge.Peer) string {
	if name := m.peers[id]; name != "" {
		return name
	}
	return "a peer that was removed"
}

// Table returns a table's name (of omsync_table.id); empty: it is not exchanged here any more.
func (m *Names) Table(id uint16) string { return m.tables[id] }
