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
func (j *Journal) CountWaiting(ctx context.Context, q sqldb.DB, p *Peer) (int64, error) {
	total, _, err := (&counter{j: j, q: q, whole: map[string]int64{}}).count(ctx, p)
	return total, err
}

// counter counts what peers have not acknowledged.
type counter struct {
	j     *Journal
	q     sqldb.DB
	whole map[string]int64 // rows of tables without an entry of their own, as far as they were counted
}

// count counts, and finds the oldest epoch from which something waits.
func (c *counter) count(ctx context.Context, p *Peer) (total int64, oldest uint64, err error) {
	j, q, acked := c.j, c.q, p.Link.Acked.Epoch
	older := func(epoch uint64) {
		if epoch > 0 && (oldest == 0 || epoch < oldest) {
			oldest = epoch
		}
	}
	add := func(since uint64, query string, args ...any) {
		if err != nil {
			return
		}
		err = sqldb.Each(ctx, q, fmt.Sprintf(query, args...), func(r []sql.RawBytes) error {
			n := sqldb.Int(r[0])
			if total += n; n > 0 {
				if since == 0 {
					since = sqldb.Uint(r[1])
				}
				older(since)
			}
			return nil
		})
	}
	var ids, whole, lost []string // tables of which what is new waits, those that are owed to the peer, and of these those that it lost
	var owedSince uint64          // the oldest epoch from which a table is owed
	for _, t := range j.Replicated() {
		if !j.On(t, p).Sends() {
			continue
		}
		jt := j.Tables[t.Name]
		owes := p.Owes(t.Name, acked)
		owed := owes != 0
		gone := owed && p.Owed[t.Name].Lost
		switch {
		case gone:
			lost = append(lost, fmt.Sprint(jt.ID))
		case owed:
			whole = append(whole, fmt.Sprint(jt.ID))
		default:
			ids = append(ids, fmt.Sprint(jt.ID))
		}
		if owed && (owedSince == 0 || owes < owedSince) {
			owedSince = owes
		}
		if !jt.Default.IsEmpty() && (owed || jt.Default.Epoch > acked) && (gone || jt.Default.From != p.ID) { // rows without an entry of their own
			n, wrong := c.wholeOf(ctx, t.Name, jt.ID)
			if wrong != nil {
				return 0, 0, wrong
			}
			if total += n; n > 0 {
				older(max(owes, jt.Default.Epoch))
			}
		}
	}
	for _, some := range []struct {
		ids         []string
		base, since uint64
		knows       merge.Peer
	}{{ids, acked, 0, p.ID}, {whole, 0, owedSince, p.ID}, {lost, 0, owedSince, merge.NoPeer}} {
		if len(some.ids) == 0 {
			continue
		}
		in := strings.Join(some.ids, ",")
		add(some.since, "SELECT COUNT(DISTINCT table_id, local_id, local_key), IFNULL(MIN(epoch), 0) FROM omsync_version WHERE table_id IN (%s) AND epoch > %d AND origin <> %d", in, some.base, some.knows)
		add(some.since, "SELECT COUNT(*), IFNULL(MIN(epoch), 0) FROM omsync_tombstone WHERE table_id IN (%s) AND epoch > %d AND origin <> %d", in, some.base, some.knows)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("count what waits for %s: %w", p.Name, err)
	}
	return total, oldest, nil
}

// wholeOf returns how many rows of a table have no entry of their own.
func (c *counter) wholeOf(ctx context.Context, name string, id uint16) (n int64, err error) {
	if n, ok := c.whole[name]; ok {
		return n, nil
	}
	query := fmt.Sprintf("SELECT (SELECT COUNT(*) FROM %s) - (SELECT COUNT(DISTINCT local_id, local_key) FROM omsync_version WHERE table_id = %d)", schema.Quote(name), id)
	err = sqldb.Each(ctx, c.q, query, func(r []sql.RawBytes) error { n = sqldb.Int(r[0]); return nil })
	if err != nil {
		return 0, fmt.Errorf("count the rows of %s: %w", name, err)
	}
	c.whole[name] = n
	return n, nil
}
