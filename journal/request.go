package journal

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// A ResendRequest is a request to a peer to send a table again. The epoch of the asker tells a repeated request from a new one, and
// when the peer has heard it: once it has acknowledged that epoch.
type ResendRequest struct {
	Table string
	Epoch uint64
	Lost  bool // the asker has lost the table, and is to be sent what came from it too
	// Column is a column that the asker did not have before this request; "": none. A request for such columns goes once without, and once
	// more for each.
	Column string
}

// lostSuffix is what follows a request for a table that the asker has lost. It goes beside the request without it, which alone an earlier
// program understands. So does one for a column, which is columnMark and its name, with # and % escaped as in a URL.
const (
	lostSuffix = "#lost"
	columnMark = "#column:"
)

var escapeColumn = strings.NewReplacer("%", "%25", "#", "%23")

func (a ResendRequest) String() string {
	s := a.Table + "#" + strconv.FormatUint(a.Epoch, 10)
	if a.Lost {
		s += lostSuffix
	}
	if a.Column != "" {
		s += columnMark + escapeColumn.Replace(a.Column)
	}
	return s
}

// ParseResendRequest returns the request that String wrote.
func ParseResendRequest(s string) (ResendRequest, bool) {
	column := ""
	if i := strings.LastIndex(s, columnMark); i >= 0 && !strings.Contains(s[i+1:], "#") {
		var err error
		if column, err = url.PathUnescape(s[i+len(columnMark):]); err != nil || column == "" {
			return ResendRequest{}, false
		}
		s = s[:i]
	}
	s, lost := strings.CutSuffix(s, lostSuffix)
	i := strings.LastIndexByte(s, '#')
	if i <= 0 {
		return ResendRequest{}, false
	}
	n, err := strconv.ParseUint(s[i+1:], 10, 64)
	return ResendRequest{s[:i], n, lost, column}, err == nil && n > 0
}

// ParseResendRequests returns the requests among texts, those for lost tables first; and by the request without them the columns that
// the sender did not have before.
func ParseResendRequests(texts []string) (lost []ResendRequest, columns map[ResendRequest][]string) {
	var other []ResendRequest
	columns = map[ResendRequest][]string{}
	for _, s := range texts {
		switch r, ok := ParseResendRequest(s); {
		case !ok:
		case r.Column != "":
			of := ResendRequest{Table: r.Table, Epoch: r.Epoch}
			columns[of] = append(columns[of], r.Column)
		case r.Lost:
			lost = append(lost, r)
		default:
			other = append(other, r)
		}
	}
	return append(lost, other...), columns
}

// maxColumns is how many columns a header names at most: it has to have room for what else is said.
const maxColumns = 1000

// ResendRequests returns what the peer is to be asked for, in order: it has not acknowledged the epoch of the request yet. Columns come
// last.
func (p *Peer) ResendRequests() []string {
	var out, columns []string
	for t, e := range p.Requested {
		if p.hasHeard(t) {
			continue
		}
		out = append(out, ResendRequest{Table: t, Epoch: e}.String())
		if p.Lost[t] == e {
			out = append(out, ResendRequest{Table: t, Epoch: e, Lost: true}.String())
		}
		for _, c := range p.Gained[t] {
			columns = append(columns, ResendRequest{Table: t, Epoch: e, Column: c}.String())
		}
	}
	slices.Sort(out)
	slices.Sort(columns)
	return append(out, columns[:min(len(columns), maxColumns)]...)
}

// hasHeard reports whether the peer has acknowledged the last request for a table.
func (p *Peer) hasHeard(table string) bool { return p.Link.Acked.Epoch >= p.Requested[table] }

// Request notes tables that the peer is to be asked for, from this node's epoch on.
func (p *Peer) Request(tables []string, epoch uint64) {
	if len(tables) == 0 {
		return
	}
	if p.Requested == nil {
		p.Requested = map[string]uint64{}
	}
	for _, t := range tables {
		if p.hasHeard(t) {
			delete(p.Gained, t)
		}
		p.Requested[t] = epoch
	}
	p.Link.HeaderDue = true // there may be nothing else to send: the table is empty
}

// RequestResend notes, for every peer, tables to be asked for; those in lost are lost here, and gained has by table the columns that were not
// here before.
func RequestResend(ctx context.Context, q sqldb.DB, tables, lost []string, gained map[string][]string, epoch uint64) error {
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
		for t, columns := range gained {
			if p.Gained == nil {
				p.Gained = map[string][]string{}
			}
			p.Gained[t] = slices.Compact(slices.Sorted(slices.Values(slices.Concat(p.Gained[t], columns))))
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

// Ask notes that the peer asks for a table; lost: which it has lost; gained: columns that it did not have before.
func (p *Peer) Ask(table string, lost bool, gained merge.Mask) {
	if p.Owed == nil {
		p.Owed = map[string]Owed{}
	}
	o := p.Owed[table]
	if pending := o.Again || p.Link.Acked.Epoch < o.Epoch; !pending {
		o.Lost, o.Gained = false, merge.Mask{}
	}
	o.Again, o.Lost, o.Gained = true, o.Lost || lost, o.Gained.Or(gained)
	p.Owed[table] = o
}

// Lacks returns the columns of a table that were new at the peer or here when the one asked the other.
func (p *Peer) Lacks(t *Table) merge.Lacks {
	o := p.Owed[t.Name]
	out := merge.Lacks{Gained: o.Gained, Until: o.Epoch, Here: t.MaskOf(p.Gained[t.Name]), Asked: p.Requested[t.Name]}
	if o.Again {
		out.Until = math.MaxUint64
	}
	return out
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
		o := Owed{Epoch: epoch, At: now, Lost: p.Owed[t].Lost}
		if was := p.Owed[t]; was.Again || p.Link.Acked.Epoch < was.Epoch {
			o.Gained = was.Gained
		}
		p.Owed[t] = o
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
