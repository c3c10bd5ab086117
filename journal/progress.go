package journal

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// LastEpochMade returns the last epoch that was made here, by a seal or anything else, and when; 0 and no time before the first.
func LastEpochMade(ctx context.Context, q sqldb.DB) (epoch uint64, made time.Time, err error) {
	err = sqldb.Each(ctx, q, "SELECT id, created_at FROM omsync_epoch ORDER BY id DESC LIMIT 1", func(r []sql.RawBytes) error {
		epoch, made = sqldb.Uint(r[0]), time.UnixMicro(sqldb.Int(r[1]))
		return nil
	})
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("read omsync_epoch: %w", err)
	}
	return epoch, made, nil
}

// CountWaiting returns how many rows and deletions a peer has not acknowledged, of the tables that are sent to it and without those
// that came from it.
func (j *Journal) CountWaiting(ctx context.Context, q sqldb.DB, p *Peer) (total int64, err error) {
	acked := p.Link.Acked.Epoch
	add := func(query string, args ...any) {
		if err == nil {
			err = sqldb.Each(ctx, q, fmt.Sprintf(query, args...), func(r []sql.RawBytes) error { total += sqldb.Int(r[0]); return nil })
		}
	}
	var ids, whole, lost []string // tables of which what is new waits, those that are owed to the peer, and of these those that it lost
	for _, t := range j.Replicated() {
		if !j.On(t, p).Sends() {
			continue
		}
		jt := j.Tables[t.Name]
		owed := p.Owes(t.Name, acked) != 0
		gone := owed && p.Owed[t.Name].Lost
		if gone {
			lost = append(lost, fmt.Sprint(jt.ID))
		} else if owed {
			whole = append(whole, fmt.Sprint(jt.ID))
		} else {
			ids = append(ids, fmt.Sprint(jt.ID))
		}
		if !jt.Default.IsEmpty() && (owed || jt.Default.Epoch > acked) && (gone || jt.Default.From != p.ID) { // rows without an entry of their own
			add("SELECT (SELECT COUNT(*) FROM %s) - (SELECT COUNT(DISTINCT local_id, local_key) FROM omsync_version WHERE table_id = %d)", schema.Quote(t.Name), jt.ID)
		}
	}
	for _, some := range []struct {
		ids   []string
		base  uint64
		knows merge.Peer
	}{{ids, acked, p.ID}, {whole, 0, p.ID}, {lost, 0, merge.NoPeer}} {
		if len(some.ids) == 0 {
			continue
		}
		in := strings.Join(some.ids, ",")
		add("SELECT COUNT(DISTINCT table_id, local_id, local_key) FROM omsync_version WHERE table_id IN (%s) AND epoch > %d AND origin <> %d", in, some.base, some.knows)
		add("SELECT COUNT(*) FROM omsync_tombstone WHERE table_id IN (%s) AND epoch > %d AND origin <> %d", in, some.base, some.knows)
	}
	if err != nil {
		return 0, fmt.Errorf("count what waits for %s: %w", p.Name, err)
	}
	return total, nil
}
