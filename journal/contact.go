package journal

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/sqldb"
)

// A Contact is what is needed of a peer to tell whether a message is from it. Anybody can make a server look one up: it is read without
// what the peer's own headers can make long.
type Contact struct {
	Name  string
	State access.State
	Card  []byte
}

// ContactByName returns one peer's contact; nil if there is none of that name.
func ContactByName(ctx context.Context, q sqldb.DB, name string) (*Contact, error) {
	var out *Contact
	err := sqldb.Each(ctx, q, fmt.Sprintf("SELECT name, state, card FROM omsync_peer WHERE state <> 'removed' AND name = %s", sqldb.Binary(nil, name)),
		func(r []sql.RawBytes) error {
			out = &Contact{Name: string(r[0]), State: access.State(r[1]), Card: append([]byte(nil), r[2]...)}
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("read omsync_peer: %w", err)
	}
	return out, nil
}

// Contact returns the contact of a peer.
func (p *Peer) Contact() *Contact { return &Contact{Name: p.Name, State: p.State, Card: p.Card} }

// StopPeer notes what a peer's file would have used too much of. It commits by itself: the import of the file has come to nothing.
func StopPeer(ctx context.Context, db *sql.DB, over *access.OverQuota) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	p, err := PeerByName(ctx, tx, over.Peer, true)
	if err != nil || p == nil {
		return err
	}
	p.Used.Stopped = over
	if err := SavePeer(ctx, tx, p); err != nil {
		return err
	}
	return tx.Commit()
}
