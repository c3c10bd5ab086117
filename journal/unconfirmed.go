package journal

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// Unconfirmed is how many rows and deletions a peer has not acknowledged, and since when the oldest of them waits; zero: none does, or it is
// not known.
type Unconfirmed struct {
	Rows  int64
	Since time.Time
}

// maxRecent is how many versions and deletions are read at once, to count for many peers what each lacks of them.
const maxRecent = 20_000

// UnconfirmedOf returns for each peer what [Journal.CountWaiting] counts, and since when. For many peers it takes little longer than for one,
// where most have acknowledged all but the latest.
func (j *Journal) UnconfirmedOf(ctx context.Context, q sqldb.DB, peers []*Peer) ([]Unconfirmed, error) {
	r, err := j.recentFor(ctx, q, peers)
	if err != nil {
		return nil, err
	}
	out := make([]Unconfirmed, len(peers))
	c := &counter{j: j, q: q, whole: map[string]int64{}}
	made := map[uint64]time.Time{}
	for i, p := range peers {
		rows, oldest, known := r.lackedBy(j, p)
		if !known {
			if rows, oldest, err = c.count(ctx, p); err != nil {
				return nil, err
			}
		}
		out[i].Rows = rows
		if rows == 0 || oldest == 0 {
			continue
		}
		at, ok := made[oldest]
		if !ok {
			µs, err := EpochMadeAt(ctx, q, oldest)
			if err != nil {
				return nil, err
			}
			if µs != 0 {
				at = time.UnixMicro(µs).UTC()
			}
			made[oldest] = at
		}
		out[i].Since = at
	}
	return out, nil
}

// recent is all versions and deletions later than an epoch.
type recent struct {
	since    uint64
	versions []recentVersion // the latest first
	counted  []int           // by row: in which turn it was counted last
	turn     int             // of counting, from 1
	lacked   map[string]lacked
}

type recentVersion struct {
	table  uint16
	row    int
	epoch  uint64
	origin merge.Peer
}

// recentFor reads what is later than what most of the peers have acknowledged, as far as it is little; nil: it is too much.
func (j *Journal) recentFor(ctx context.Context, q sqldb.DB, peers []*Peer) (*recent, error) {
	var acked []uint64
	for _, p := range peers {
		acked = append(acked, p.Link.Acked.Epoch)
	}
	slices.Sort(acked)
	acked = slices.Compact(acked)
	for len(acked) > 0 { // from what the last of them has, to what the last but half of them have, and so on
		r, err := j.readRecent(ctx, q, acked[0])
		if r != nil || err != nil {
			return r, err
		}
		acked = acked[(len(acked)+1)/2:]
	}
	return nil, nil
}

// readRecent reads what is later than an epoch; nil: it is too much.
func (j *Journal) readRecent(ctx context.Context, q sqldb.DB, since uint64) (*recent, error) {
	var ids []string
	for _, t := range j.Replicated() {
		ids = append(ids, fmt.Sprint(j.Tables[t.Name].ID))
	}
	if len(ids) == 0 {
		return &recent{since: since, lacked: map[string]lacked{}}, nil
	}
	r := &recent{since: since, lacked: map[string]lacked{}}
	numbers := map[string]int{}
	for _, query := range []string{
		"SELECT table_id, epoch, origin, CONCAT('v', local_id, ' ', local_key) FROM omsync_version WHERE table_id IN (%s) AND epoch > %d LIMIT %d",
		"SELECT table_id, epoch, origin, CONCAT('t', row_key) FROM omsync_tombstone WHERE table_id IN (%s) AND epoch > %d LIMIT %d",
	} {
		err := sqldb.Each(ctx, q, fmt.Sprintf(query, strings.Join(ids, ","), since, maxRecent+1), func(c []sql.RawBytes) error {
			v := recentVersion{table: uint16(sqldb.Uint(c[0])), epoch: sqldb.Uint(c[1]), origin: merge.Peer(sqldb.Uint(c[2]))}
			key := string(c[0]) + " " + string(c[3])
			n, ok := numbers[key]
			if !ok {
				n = len(numbers)
				numbers[key] = n
			}
			v.row = n
			r.versions = append(r.versions, v)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read what is new: %w", err)
		}
		if len(r.versions) > maxRecent {
			return nil, nil
		}
	}
	slices.SortFunc(r.versions, func(a, b recentVersion) int { return cmp.Compare(b.epoch, a.epoch) })
	r.counted = make([]int, len(numbers))
	return r, nil
}

// lackedBy counts what a peer lacks, and returns the oldest epoch of it. known: that can be told from what is recent.
func (r *recent) lackedBy(j *Journal, p *Peer) (rows int64, oldest uint64, known bool) {
	acked := p.Link.Acked.Epoch
	if r == nil || acked < r.since {
		return 0, 0, false
	}
	var sends []byte // by the table's number, 1: it is sent to the peer
	for _, t := range j.Replicated() {
		if !j.On(t, p).Sends() {
			continue
		}
		jt := j.Tables[t.Name]
		if p.Owes(t.Name, acked) != 0 || !jt.Default.IsEmpty() && jt.Default.Epoch > acked && jt.Default.From != p.ID {
			return 0, 0, false
		}
		for len(sends) <= int(jt.ID) {
			sends = append(sends, 0)
		}
		sends[jt.ID] = 1
	}
	key := fmt.Sprint(acked, " ", string(sends))
	all, counted := r.lacked[key]
	if !counted {
		all = r.count(acked, sends, merge.NoPeer)
		r.lacked[key] = all
	}
	if all.origins[p.ID] { // some of it came from the peer
		all = r.count(acked, sends, p.ID)
	}
	return all.rows, all.oldest, true
}

// lacked is what a peer lacks that has acknowledged an epoch.
type lacked struct {
	rows    int64
	oldest  uint64
	origins map[merge.Peer]bool // from which it came
}

// count counts what is later than an epoch, of the tables that are sent, without what came from a peer.
func (r *recent) count(acked uint64, sends []byte, without merge.Peer) lacked {
	out := lacked{origins: map[merge.Peer]bool{}}
	r.turn++
	for _, v := range r.versions {
		if v.epoch <= acked {
			break
		}
		if int(v.table) >= len(sends) || sends[v.table] == 0 || v.origin == without {
			continue
		}
		out.oldest = v.epoch
		if !out.origins[v.origin] {
			out.origins[v.origin] = true
		}
		if r.counted[v.row] != r.turn {
			r.counted[v.row] = r.turn
			out.rows++
		}
	}
	return out
}
