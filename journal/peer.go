package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// Peer is a neighbour and the state of the link to it. Numbers are never used again.
type Peer struct {
	ID    merge.Peer
	Name  string
	Role  access.Role
	State access.State
	Card  []byte
	Link  merge.Link
	// Wants is tables to ask the peer for, with this node's epoch of the request; Answered what the peer asked for and got.
	Requested, Answered        map[string]uint64
	Heard                      features.Heard // what the peer's headers said that its program reads
	SentAt, AckedAt, AppliedAt time.Time      // zero: never
}

const peerColumns = "id, name, role, state, card, link, sent_at, acked_at, applied_at, asks"

// Peers lists the neighbours that are not removed, by name. Link.Log is left out: LoadLog reads it.
func Peers(ctx context.Context, q sqldb.DB) ([]*Peer, error) {
	return readPeers(ctx, q, "state <> 'removed' ORDER BY name")
}

// PeerByName reads one neighbour; nil if there is none of that name. lock: its row is locked to the transaction's end.
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
	err := sqldb.Each(ctx, q, "SELECT "+peerColumns+" FROM omsync_peer WHERE "+where, func(r []sql.RawBytes) error {
		p := &Peer{ID: merge.Peer(sqldb.Uint(r[0])), Name: string(r[1]), Role: access.Role(r[2]), State: access.State(r[3]), Card: append([]byte(nil), r[4]...),
			SentAt: at(r[6]), AckedAt: at(r[7]), AppliedAt: at(r[8])}
		out = append(out, p)
		if r[9] != nil {
			var a asks
			if err := json.Unmarshal(r[9], &a); err != nil {
				return err
			}
			p.Requested, p.Answered = a.Wants, a.Answered
			if r := a.Heard; r != nil {
				p.Heard = features.Heard{Reads: r.Reads, History: r.History, Epoch: r.Epoch, Time: r.Time}
			}
		}
		return json.Unmarshal(r[5], &p.Link)
	})
	if err != nil {
		return nil, fmt.Errorf("read omsync_peer: %w", err)
	}
	return out, nil
}

type asks struct {
	Wants    map[string]uint64 `json:"wants,omitempty"`
	Answered map[string]uint64 `json:"answered,omitempty"`
	Heard    *heard            `json:"heard,omitempty"`
}

// heard is the stored form of features.Heard.
type heard struct {
	Reads   []string `json:"reads,omitempty"`
	History uint64   `json:"history,omitempty"`
	Epoch   uint64   `json:"epoch,omitempty"`
	Time    int64    `json:"time,omitempty"`
}

func heardRecord(h features.Heard) *heard {
	if h.History == 0 {
		return nil
	}
	return &heard{h.Reads, h.History, h.Epoch, h.Time}
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

// AddPeer writes a new neighbour and gives it its number.
func AddPeer(ctx context.Context, q sqldb.DB, p *Peer) error {
	link, err := encodeLink(p)
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

// NextLink is a number for a new link: the clock in microseconds, or more than any link had before, also those of peers that
// were removed, if the clock was set back since.
func NextLink(ctx context.Context, q sqldb.DB, now time.Time) (uint64, error) {
	next := uint64(now.UnixMicro())
	err := sqldb.Each(ctx, q, "SELECT link FROM omsync_peer", func(r []sql.RawBytes) error {
		var l merge.Link
		if err := json.Unmarshal(r[0], &l); err != nil {
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

// encodeLink leaves the log out: it has a table of its own.
func encodeLink(p *Peer) ([]byte, error) {
	l := p.Link
	l.Imports = nil
	return json.Marshal(l)
}

// SavePeer writes the state of the link, without its log.
func SavePeer(ctx context.Context, q sqldb.DB, p *Peer) error {
	link, err := encodeLink(p)
	if err != nil {
		return err
	}
	a, err := json.Marshal(asks{p.Requested, p.Answered, heardRecord(p.Heard)})
	if err != nil {
		return err
	}
	_, err = q.ExecContext(ctx, "UPDATE omsync_peer SET role = ?, state = ?, card = ?, link = ?, asks = ?, acked = ?, applied = ?, sent_at = ?, acked_at = ?, applied_at = ? WHERE id = ?",
		string(p.Role), string(p.State), p.Card, link, a, p.Link.Acked.Epoch, p.Link.Applied.Epoch, micros(p.SentAt), micros(p.AckedAt), micros(p.AppliedAt), uint32(p.ID))
	if err != nil {
		return fmt.Errorf("save the peer %s: %w", p.Name, err)
	}
	return nil
}

// LoadImports reads the ends of the batches applied from the peer into its link.
func LoadImports(ctx context.Context, q sqldb.DB, p *Peer) error {
	p.Link.Imports = nil
	return sqldb.Each(ctx, q, fmt.Sprintf("SELECT epoch, token, own FROM omsync_import WHERE peer = %d ORDER BY own", p.ID), func(r []sql.RawBytes) error {
		p.Link.Imports = append(p.Link.Imports, merge.AppliedBatch{Position: merge.Position{Epoch: sqldb.Uint(r[0]), Token: sqldb.Uint(r[1])}, OwnEpoch: sqldb.Uint(r[2])})
		return nil
	})
}

// SaveImports brings the log in line with the link's: rows behind the last common one go, new ones are added.
func SaveImports(ctx context.Context, q sqldb.DB, p *Peer, had []merge.AppliedBatch) error {
	same := 0
	for same < len(had) && same < len(p.Link.Imports) && had[same] == p.Link.Imports[same] {
		same++
	}
	for _, m := range had[same:] {
		if err := sqldb.Exec(ctx, q, fmt.Sprintf("DELETE FROM omsync_import WHERE peer = %d AND own = %d", p.ID, m.OwnEpoch)); err != nil {
			return fmt.Errorf("save the imports from %s: %w", p.Name, err)
		}
	}
	for _, m := range p.Link.Imports[same:] {
		if err := sqldb.Exec(ctx, q, fmt.Sprintf("INSERT INTO omsync_import (peer, epoch, token, own) VALUES (%d, %d, %d, %d)", p.ID, m.Position.Epoch, m.Token, m.OwnEpoch)); err != nil {
			return fmt.Errorf("save the imports from %s: %w", p.Name, err)
		}
	}
	return nil
}

// Rejoin makes everything that came from the peer after this own epoch count as made here, in the new epoch: the peer
// was restored and no longer has it.
func Rejoin(ctx context.Context, q sqldb.DB, peer merge.Peer, after, epoch uint64) error {
	for _, t := range []string{"omsync_version", "omsync_tombstone", "omsync_conflict"} {
		if err := sqldb.Exec(ctx, q, fmt.Sprintf("UPDATE %s SET frm = 0, epoch = %d WHERE frm = %d AND epoch > %d", t, epoch, peer, after)); err != nil {
			return fmt.Errorf("count what came from a restored peer as made here: %w", err)
		}
	}
	err := sqldb.Exec(ctx, q, fmt.Sprintf("UPDATE omsync_table SET def_frm = 0, def_epoch = %d WHERE def_mask IS NOT NULL AND def_frm = %d AND def_epoch > %d", epoch, peer, after))
	if err != nil {
		return fmt.Errorf("count what came from a restored peer as made here: %w", err)
	}
	return nil
}
