package journal

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
)

// A ResendRequest is a request to a peer to send a table again. The epoch of the asker tells a repeated request from a new one, and
// when the peer has heard it: once it has acknowledged that epoch.
type ResendRequest struct {
	Table string
	Epoch uint64
	Lost  bool // the asker has lost the table, and is to be sent what came from it too
}

// lostSuffix is what follows a request for a table that the asker has lost. It goes beside the request without it, which alone an earlier
// program understands.
const lostSuffix = "#lost"

func (a ResendRequest) String() string {
	s := a.Table + "#" + strconv.FormatUint(a.Epoch, 10)
	if a.Lost {
		s += lostSuffix
	}
	return s
}

// ParseResendRequest returns the request that String wrote.
func ParseResendRequest(s string) (ResendRequest, bool) {
	s, lost := strings.CutSuffix(s, lostSuffix)
	i := strings.LastIndexByte(s, '#')
	if i <= 0 {
		return ResendRequest{}, false
	}
	n, err := strconv.ParseUint(s[i+1:], 10, 64)
	return ResendRequest{s[:i], n, lost}, err == nil && n > 0
}

// ParseResendRequests returns the requests among texts, those for lost tables first.
func ParseResendRequests(texts []string) (lost []ResendRequest) {
	var other []ResendRequest
	for _, s := range texts {
		switch r, ok := ParseResendRequest(s); {
		case !ok:
		case r.Lost:
			lost = append(lost, r)
		default:
			other = append(other, r)
		}
	}
	return append(lost, other...)
}

// ResendRequests returns what the peer is to be asked for, in order: it has not acknowledged the epoch of the request yet.
func (p *Peer) ResendRequests() []string {
	var out []string
	for t, e := range p.Requested {
		if p.Link.Acked.Epoch < e {
			out = append(out, ResendRequest{t, e, false}.String())
			if p.Lost[t] == e {
				out = append(out, ResendRequest{t, e, true}.String())
			}
		}
	}
	slices.Sort(out)
	return out
}

// Request notes tables that the peer is to be asked for, from this node's epoch on.
func (p *Peer) Request(tables []string, epoch uint64) {
	if len(tables) == 0 {
		return
	}
	if p.Requested == nil {
		p.Requested = map[string]uint64{}
	}
	for _, t := range tables {
		p.Requested[t] = epoch
	}
	p.Link.HeaderDue = true // there may be nothing else to send: the table is empty
}

// RequestResend notes, for every peer, tables to be asked for; those in lost are lost here.
func RequestResend(ctx context.Context, q sqldb.DB, tables, lost []string, epoch uint64) error {
	if len(tables) == 0 {
		return nil
	}
	peers, err := readPeers(ctx, q, "state <> 'removed' FOR UPDATE")
	if err != nil {
		return err
	}
	for _, p := range peers {
		p.Request(tables, epoch)
		for _, t := range lost {
			if p.Lost == nil {
				p.Lost = map[string]uint64{}
			}
			p.Lost[t] = epoch
		}
		if err := SavePeer(ctx, q, p); err != nil {
			return err
		}
	}
	return nil
}

// RecordResend lets the links know on which a load is under way that rows were given a new epoch, by Resend: it no longer says which
// batch brought them.
func RecordResend(ctx context.Context, q sqldb.DB, epoch uint64) error {
	peers, err := readPeers(ctx, q, "state <> 'removed' FOR UPDATE")
	if err != nil {
		return err
	}
	for _, p := range peers {
		if p.Link.Receiving.ID == 0 {
			continue
		}
		p.Link.RecordResend(epoch)
		if err := SavePeer(ctx, q, p); err != nil {
			return err
		}
	}
	return nil
}

// Ask notes that the peer asks for a table; lost: which it has lost.
func (p *Peer) Ask(table string, lost bool) {
	if p.Owed == nil {
		p.Owed = map[string]Owed{}
	}
	o := p.Owed[table]
	pending := o.Again || p.Link.Acked.Epoch < o.Epoch
	o.Again, o.Lost = true, lost || o.Lost && pending
	p.Owed[table] = o
}

// AskedFor returns the tables that the peer asks for and is to be sent now, in order. due says whether one is that was last settled at
// that time; 0: never.
func (p *Peer) AskedFor(due func(last int64) bool) (tables []string) {
	for t, o := range p.Owed {
		if o.Again && due(o.At) {
			tables = append(tables, t)
		}
	}
	slices.Sort(tables)
	return tables
}

// Owe settles that the peer is sent tables whole: by each batch that starts before this node's epoch, until it has applied one.
func (p *Peer) Owe(tables []string, epoch uint64, now int64) {
	if p.Owed == nil {
		p.Owed = map[string]Owed{}
	}
	for _, t := range tables {
		p.Owed[t] = Owed{Epoch: epoch, At: now, Lost: p.Owed[t].Lost}
	}
}

// Owes returns from which epoch on a table was owed to the peer, if a batch to it that starts at base has the whole table for that; 0: it
// has what is new.
func (p *Peer) Owes(table string, base uint64) uint64 {
	if o := p.Owed[table]; base < o.Epoch {
		return o.Epoch
	}
	return 0
}

// Resend gives all versions of a table a new epoch, which only sends again what was there before: their stamps stay. It is
// merge.Row.Resend for all rows at once.
func Resend(ctx context.Context, q sqldb.DB, t *Table, epoch uint64, a *Authors) error {
	for _, name := range []string{"omsync_version", "omsync_tombstone"} {
		if err := sqldb.Exec(ctx, q, fmt.Sprintf("UPDATE %s SET epoch = %d WHERE table_id = %d", name, epoch, t.ID)); err != nil {
			return fmt.Errorf("send %s again: %w", t.Name, err)
		}
	}
	if t.Default.IsEmpty() {
		return nil
	}
	t.Default.Epoch = epoch
	return SaveDefault(ctx, q, t, a)
}
