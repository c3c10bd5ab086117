package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// A Peer is a node that this node exchanges batches with, and the state of the link to it. Numbers are never used again.
type Peer struct {
	ID    merge.Peer
	Name  string
	Role  access.Role
	State access.State
	Card  []byte
	Link  merge.Link
	// Requested is tables to ask the peer for, with this node's epoch of the request; Answered the peer's epochs of its own requests
	// that were read; Owed what it is sent for that.
	Requested, Answered        map[string]uint64
	Lost                       map[string]uint64 // those of Requested that this node has lost
	Owed                       map[string]Owed
	Gained                     map[string][]string // by table of Requested, columns that were not here before
	Used                       access.Used         // of its quotas
	Heard                      features.Heard      // what the peer's headers said that its program reads
	Rules                      Rules               // what may go of which table on this link: SavePeer does not write it
	Before                     []merge.Peer        // peers of the same name that were removed
	Parents                    []merge.Peer        // this node's parent, and those that it had
	SentAt, AckedAt, AppliedAt time.Time           // zero: never
}

const peerColumns = "id, name, role, state, card, link, sent_at, acked_at, applied_at, requests, heard, used, " +
	"(SELECT rules FROM omsync_rule r WHERE r.peer_id = omsync_peer.id), (SELECT rules FROM omsync_rule r WHERE r.peer_id = 0)"

// Peers returns the peers that are not removed, by name. Link.Imports is left out: LoadImports reads it.
func Peers(ctx context.Context, q sqldb.DB) ([]*Peer, error) {
	return readPeers(ctx, q, "state <> 'removed' ORDER BY name")
}

// PeerByName returns one peer; nil if there is none of that name. lock: its row is locked to the transaction's end.
func PeerByName(ctx context.Context, q sqldb.DB, name string, lock bool) (*Peer, error) {
	where := fmt.Sprintf("state <> 'removed' AND name = %s", sqldb.Binary(nil, name))
	if lock {
		where += " FOR UPDATE"
	}
	ps, err := readPeers(ctx, q, where)
	if err != nil || len(ps) == 0 {
		return nil, err
	}
	return ps[0], nil
}

func readPeers(ctx context.Context, q sqldb.DB, where string) ([]*Peer, error) {
	var out []*Peer
	err := sqldb.Each(ctx, q, "SELECT "+peerColumns+" FROM omsync_peer WHERE "+where, func(r []sql.RawBytes) (err error) {
		p := &Peer{ID: merge.Peer(sqldb.Uint(r[0])), Name: string(r[1]), Role: access.Role(r[2]), State: access.State(r[3]), Card: append([]byte(nil), r[4]...),
			SentAt: at(r[6]), AckedAt: at(r[7]), AppliedAt: at(r[8])}
		out = append(out, p)
		return p.decode(r[5], r[9], r[10], r[11], r[12], r[13])
	})
	if err == nil && len(out) > 0 {
		err = findOthers(ctx, q, out)
	}
	if err != nil {
		return nil, fmt.Errorf("read omsync_peer: %w", err)
	}
	return out, nil
}

// findOthers fills in the peers that matter for whose a row is: those of the same name before, and this node's parents.
func findOthers(ctx context.Context, q sqldb.DB, peers []*Peer) error {
	return sqldb.Each(ctx, q, "SELECT id, name, role, state FROM omsync_peer", func(r []sql.RawBytes) error {
		id, name, removed := merge.Peer(sqldb.Uint(r[0])), string(r[1]), access.State(r[3]) == access.Removed
		for _, p := range peers {
			if access.Role(r[2]) == access.Parent {
				p.Parents = append(p.Parents, id)
			} else if removed && p.Name == name && p.Role == access.Child && p.ID != id {
				p.Before = append(p.Before, id)
			}
		}
		return nil
	})
}

// decode fills in what the records of a peer say. An error says what a person can do.
func (p *Peer) decode(link, asked, heard, used, rules, forAll []byte) (err error) {
	if asked != nil {
		var again requests
		again, err = decodeRequests(asked)
		p.Requested, p.Answered, p.Lost, p.Owed, p.Gained = again.requested, again.answered, again.lost, again.owed, again.gained
	}
	if err == nil {
		p.Heard, err = decodeHeard(heard)
	}
	if err == nil {
		p.Used, err = decodeUsed(used)
	}
	if err == nil {
		p.Rules, err = decodeRules(rules)
	}
	if err == nil && p.Role == access.Child {
		var all Rules
		all, err = decodeRules(forAll)
		p.Rules.ForAll, p.Rules.AllPreset = all.Said, all.Preset
	}
	if p.Used.Stopped != nil {
		p.Used.Stopped.Peer = p.Name
	}
	if err == nil {
		p.Link, err = decodeLink(link)
	}
	var newer *newerRecordError
	switch {
	case errors.As(err, &newer):
		return fmt.Errorf("the peer %s: %w", p.Name, err)
	case err != nil:
		return fmt.Errorf("the peer %s: %w: restore the database from a backup, or remove this peer (omsync peer remove %[1]s) and add it anew", p.Name, err)
	}
	return nil
}

func at(b []byte) time.Time {
	if b == nil {
		return time.Time{}
	}
	return time.UnixMicro(sqldb.Int(b))
}

func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

// AddPeer writes a new peer and gives it its number.
func AddPeer(ctx context.Context, q sqldb.DB, p *Peer) error {
	link, err := encodeLink(&p.Link)
	if err != nil {
		return err
	}
	r, err := q.ExecContext(ctx, "INSERT INTO omsync_peer (name, role, card, link) VALUES (?, ?, ?, ?)", p.Name, string(p.Role), p.Card, link)
	if err != nil {
		return fmt.Errorf("add the peer %s: %w", p.Name, err)
	}
	id, err := r.LastInsertId()
	p.ID, p.State = merge.Peer(id), access.Active
	return err
}

// NextLink returns a number for a new link: the clock in microseconds, or more than any link had before, also those of peers that
// were removed, if the clock was set back since.
func NextLink(ctx context.Context, q sqldb.DB, now time.Time) (uint64, error) {
	next := uint64(now.UnixMicro())
	err := sqldb.Each(ctx, q, "SELECT link, state FROM omsync_peer", func(r []sql.RawBytes) error {
		l, err := decodeLink(r[0])
		if err != nil && access.State(r[1]) == access.Removed { // perhaps for that
			var part linkRecord
			if json.Unmarshal(r[0], &part) == nil {
				next = max(next, part.Number+1)
			}
			return nil
		}
		if err != nil {
			return err
		}
		next = max(next, l.Number+1)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("read omsync_peer: %w", err)
	}
	return next, nil
}

// RemovePeer makes a peer one that was removed, also one whose records are damaged, and reports whether there is a peer of that name.
func RemovePeer(ctx context.Context, q sqldb.DB, name string) (bool, error) {
	r, err := q.ExecContext(ctx, "UPDATE omsync_peer SET state = ? WHERE name = ? AND state <> ?", string(access.Removed), name, string(access.Removed))
	if err != nil {
		return false, fmt.Errorf("remove the peer %s: %w", name, err)
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

// SavePeer writes the state of the link, without its imports.
func SavePeer(ctx context.Context, q sqldb.DB, p *Peer) error {
	link, err := encodeLink(&p.Link)
	if err != nil {
		return err
	}
	again, err := encodeRequests(requests{p.Requested, p.Answered, p.Lost, p.Owed, p.Gained})
	if err != nil {
		return err
	}
	heard, err := encodeHeard(p.Heard)
	if err != nil {
		return err
	}
	used, err := encodeUsed(p.Used)
	if err != nil {
		return err
	}
	_, err = q.ExecContext(ctx, "UPDATE omsync_peer SET role = ?, state = ?, card = ?, link = ?, requests = ?, heard = ?, used = ?, acked_epoch = ?, applied_epoch = ?, "+
		"sent_at = ?, acked_at = ?, applied_at = ? WHERE id = ?",
		string(p.Role), string(p.State), p.Card, link, again, heard, used, p.Link.Acked.Epoch, p.Link.Applied.Epoch,
		micros(p.SentAt), micros(p.AckedAt), micros(p.AppliedAt), uint32(p.ID))
	if err != nil {
		return fmt.Errorf("save the peer %s: %w", p.Name, err)
	}
	return nil
}
