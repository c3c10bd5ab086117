package journal

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// A WaitingRow is a row of a batch that could not be applied yet.
type WaitingRow struct {
	ID    uint64     // 0: not stored yet
	Peer  merge.Peer // who sent it
	Table uint16     // omsync_table.id
	Key   string     // canonical
	merge.Waiting
	Content Content // what came of a live row, its key columns among it
	Reason  Reason
	Since   int64 // µs since 1970 UTC: when the first version of it came that could not be applied
	Tried   int64 // µs since 1970 UTC: when it was last tried
	Tries   int
	Dropped Dropping // nothing: it waits
}

// A Reason says why a row waits.
type Reason struct {
	Code   ReasonCode
	Column string // which one it is about; empty: none
	// Of a reference: the table of the row that is not here (omsync_table.id; 0: not known here), and its key, canonical.
	AwaitedTable uint16
	AwaitedKey   string
	Text         string // for people; it names no patient's data
}

// ReasonCode is a kind of reason.
type ReasonCode string

// The kinds. What a row waits for decides when it is tried again.
const (
	WaitsForRow    ReasonCode = "reference" // a row that it refers to is not here
	WaitsForUnique ReasonCode = "unique"    // another row has a value that only one may have
	WaitsForValue  ReasonCode = "value"     // the table does not take a value
	WaitsForStamp  ReasonCode = "stamp"     // a stamp is beyond the horizon
	WaitsForSchema ReasonCode = "schema"    // a column is a reference on one side only, or refers to another table there
)

const waitingColumns = "id, peer_id, table_id, row_key, whole_key, lost, versions, content, reason, column_name, awaited_table, awaited_key, text, since, tried_at, tries, dropped_at, dropped_by, dropped_why"

// waitingPortion is how many bytes of rows that wait are written at once, but for one that is longer alone.
const waitingPortion = 1 << 20

// PutWaiting stores rows that wait, in place of those of the same peer and key that are not lost at it. It returns how many bytes they take.
func PutWaiting(ctx context.Context, q sqldb.DB, rows []WaitingRow) (size int64, err error) {
	const head = "REPLACE INTO omsync_waiting (peer_id, table_id, row_key, whole_key, lost, versions, content, size, deletion, since_epoch, reason, column_name, awaited_table, awaited_key, text, since, tried_at, tries) VALUES "
	b := []byte(head)
	for i, w := range rows {
		versions, err := encodeWaiting(w.Waiting)
		if err != nil {
			return 0, err
		}
		content, err := encodeContent(w.Content)
		if err != nil {
			return 0, err
		}
		size += int64(len(versions) + len(content))
		if len(b) > len(head) {
			b = append(b, ',')
		}
		b = w.literal(b, versions, content)
		if i < len(rows)-1 && len(b) < waitingPortion {
			continue
		}
		if err := sqldb.Exec(ctx, q, string(b)); err != nil {
			return 0, fmt.Errorf("set rows aside: %w", err)
		}
		b = b[:len(head)]
	}
	return size, nil
}

// literal appends a row as it is stored.
func (w *WaitingRow) literal(b, versions, content []byte) []byte {
	b = fmt.Appendf(b, "(%d,%d,", w.Peer, w.Table)
	b = append(sqldb.Binary(b, indexed(w.Key)), ',')
	if len(w.Key) > longest {
		b = append(sqldb.Binary(b, w.Key), ',')
	} else {
		b = append(b, "NULL,"...)
	}
	b = sqldb.AppendString(append(b, "0,_binary"...), versions)
	b = sqldb.AppendString(append(b, ",_binary"...), content)
	b = fmt.Appendf(b, ",%d,%t,%d,", len(versions)+len(content), !w.Alive, w.Waiting.Since())
	b = append(sqldb.Binary(b, string(w.Reason.Code)), ',')
	b = append(sqldb.Binary(b, w.Reason.Column), ',')
	b = fmt.Appendf(b, "%d,", w.Reason.AwaitedTable)
	b = append(sqldb.Binary(b, indexed(w.Reason.AwaitedKey)), ',')
	b = sqldb.AppendString(append(b, "_binary"...), []byte(w.Reason.Text))
	return fmt.Appendf(b, ",%d,%d,%d)", w.Since, w.Tried, w.Tries)
}

// WaitingFilter chooses rows that wait. A zero field chooses all.
type WaitingFilter struct {
	Peer   merge.Peer
	Table  uint16
	Reason ReasonCode
	IDs    []uint64
	Keys   []string // canonical
	// AwaitedKeys chooses those that wait for rows of AwaitedTable with these keys, canonical.
	AwaitedTable   uint16
	AwaitedKeys    []string
	NotLost        bool
	Dropped        bool   // those that somebody dropped
	NotDropped     bool   // the others
	Removed        bool   // those whose sender was removed
	Since          int64  // µs since 1970 UTC: those that wait since then
	After          uint64 // those with a higher number
	LongestUntried bool   // in order of when they were tried, the longest ago first
	Limit          int    // 0: all
	MaxBytes       int64  // of what is stored of them, but for one that is longer alone; 0: any; of WaitingIDs alone
}

func (f *WaitingFilter) where() string {
	b := []byte(" WHERE 1")
	if f.Peer != 0 {
		b = fmt.Appendf(b, " AND peer_id = %d", f.Peer)
	}
	if f.Table != 0 {
		b = fmt.Appendf(b, " AND table_id = %d", f.Table)
	}
	if f.Reason != "" {
		b = sqldb.AppendString(append(b, " AND reason = "...), []byte(f.Reason))
	}
	if f.IDs != nil {
		b = append(append(b, " AND id IN (0"...), strings.Repeat(",%d", len(f.IDs))...)
		ids := make([]any, len(f.IDs))
		for i, id := range f.IDs {
			ids[i] = id
		}
		b = fmt.Appendf(nil, string(b)+")", ids...)
	}
	if f.Keys != nil {
		b = appendKeys(append(b, " AND row_key IN ("...), f.Keys)
	}
	if f.AwaitedKeys != nil {
		b = appendKeys(fmt.Appendf(b, " AND awaited_table = %d AND awaited_key IN (", f.AwaitedTable), f.AwaitedKeys)
	}
	if f.Dropped {
		b = append(b, " AND dropped_at > 0"...)
	}
	if f.NotDropped {
		b = append(b, " AND dropped_at = 0"...)
	}
	if f.Removed {
		b = append(b, " AND peer_id IN (SELECT id FROM omsync_peer WHERE state = 'removed')"...)
	}
	if f.Since != 0 {
		b = fmt.Appendf(b, " AND since >= %d", f.Since)
	}
	if f.After != 0 {
		b = fmt.Appendf(b, " AND id > %d", f.After)
	}
	if f.NotLost {
		b = append(b, " AND lost = 0"...)
	}
	return string(b)
}

// index is the index that finds the rows, where the server might take one that reads all of a peer's.
func (f *WaitingFilter) index() string {
	switch {
	case f.IDs != nil:
		return " FORCE INDEX (PRIMARY)"
	case f.AwaitedKeys != nil:
		return " FORCE INDEX (awaited)"
	case f.Keys != nil && f.Peer != 0 && f.Table != 0 && f.NotLost:
		return " FORCE INDEX (peer_row)"
	case f.LongestUntried && f.Peer != 0 && f.NotDropped:
		return " FORCE INDEX (tried)"
	}
	return ""
}

// appendKeys appends keys as the index holds them, and a closing bracket.
func appendKeys(b []byte, keys []string) []byte {
	b = append(b, "NULL"...)
	for _, k := range keys {
		b = sqldb.Binary(append(b, ','), indexed(k))
	}
	return append(b, ')')
}

// Waiting hands the rows that wait to f. f must not use q.
func Waiting(ctx context.Context, q sqldb.DB, filter WaitingFilter, f func(WaitingRow) error) error {
	query := "SELECT " + waitingColumns + " FROM omsync_waiting" + filter.index() + filter.where() + filter.order()
	err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		w := WaitingRow{ID: sqldb.Uint(r[0]), Peer: merge.Peer(sqldb.Uint(r[1])), Table: uint16(sqldb.Uint(r[2])), Key: whole(r[3:]),
			Since: sqldb.Int(r[13]), Tried: sqldb.Int(r[14]), Tries: int(sqldb.Int(r[15])), Dropped: Dropping{string(r[17]), string(r[18]), sqldb.Int(r[16])}}
		w.Reason = Reason{ReasonCode(r[8]), string(r[9]), uint16(sqldb.Uint(r[10])), string(r[11]), string(r[12])}
		var err error
		if w.Waiting, err = decodeWaiting(r[6]); err != nil {
			return err
		}
		w.Lost = sqldb.Uint(r[5]) != 0
		if w.Content, err = decodeContent(r[7]); err != nil {
			return err
		}
		return f(w)
	})
	if err != nil {
		return fmt.Errorf("read rows that wait: %w", err)
	}
	return nil
}

// ForgetWaiting forgets rows that wait, and returns how many.
func ForgetWaiting(ctx context.Context, q sqldb.DB, filter WaitingFilter) (int64, error) {
	r, err := q.ExecContext(ctx, "DELETE FROM omsync_waiting"+filter.where())
	if err != nil {
		return 0, fmt.Errorf("forget rows that wait: %w", err)
	}
	return r.RowsAffected()
}

// TriedWaiting notes that rows were tried again in vain.
func TriedWaiting(ctx context.Context, q sqldb.DB, id uint64, why Reason, now int64) error {
	_, err := q.ExecContext(ctx, "UPDATE omsync_waiting SET reason = ?, column_name = ?, awaited_table = ?, awaited_key = ?, text = ?, tried_at = ?, tries = tries + 1 WHERE id = ?",
		string(why.Code), why.Column, why.AwaitedTable, indexed(why.AwaitedKey), why.Text, now, id)
	if err != nil {
		return fmt.Errorf("note that a row was tried: %w", err)
	}
	return nil
}

// WaitingTables returns of which tables versions of rows wait that a peer sent and has not lost.
func WaitingTables(ctx context.Context, q sqldb.DB, peer merge.Peer) (map[uint16]bool, error) {
	out := map[uint16]bool{}
	query := fmt.Sprintf("SELECT id FROM omsync_table t WHERE (SELECT 1 FROM omsync_waiting w FORCE INDEX (peer_row) WHERE w.peer_id = %d AND w.lost = 0 AND w.table_id = t.id LIMIT 1) = 1", peer) // one look into the index for each
	err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		out[uint16(sqldb.Uint(r[0]))] = true
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read of which tables rows wait: %w", err)
	}
	return out, nil
}

// WaitingKeys are keys of rows that wait, as the index holds them.
type WaitingKeys map[string]bool

// ReadWaitingKeys returns the keys of the rows of a table of which versions wait that a peer sent and has not lost; nil if they are more
// than most.
func ReadWaitingKeys(ctx context.Context, q sqldb.DB, peer merge.Peer, table uint16, most int) (WaitingKeys, error) {
	out := WaitingKeys{}
	query := fmt.Sprintf("SELECT row_key FROM omsync_waiting FORCE INDEX (peer_row) WHERE peer_id = %d AND lost = 0 AND table_id = %d LIMIT %d", peer, table, most+1)
	if err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error { out[string(r[0])] = true; return nil }); err != nil {
		return nil, fmt.Errorf("read which rows wait: %w", err)
	}
	if len(out) > most {
		return nil, nil
	}
	return out, nil
}

// Among returns those of some keys, canonical, that are among them.
func (w WaitingKeys) Among(keys []string) []string {
	return slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return !w[indexed(k)] })
}

// WaitingPeers returns those of some peers of which rows wait that were not dropped: first those of which a row was not tried for longest.
func WaitingPeers(ctx context.Context, q sqldb.DB, peers []merge.Peer) (out []merge.Peer, err error) {
	tried := map[merge.Peer]int64{}
	for some := range slices.Chunk(peers, 100) {
		var looks []string // one into the index for each: a server may read all rows for a question that names no peer
		for _, p := range some {
			looks = append(looks, fmt.Sprintf("(SELECT peer_id, tried_at FROM omsync_waiting FORCE INDEX (tried) WHERE peer_id = %d AND dropped_at = 0 ORDER BY tried_at LIMIT 1)", p))
		}
		err := sqldb.Each(ctx, q, strings.Join(looks, " UNION ALL "), func(r []sql.RawBytes) error {
			p := merge.Peer(sqldb.Uint(r[0]))
			out, tried[p] = append(out, p), sqldb.Int(r[1])
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read of whom rows wait: %w", err)
		}
	}
	slices.SortFunc(out, func(a, b merge.Peer) int { return cmp.Or(cmp.Compare(tried[a], tried[b]), cmp.Compare(a, b)) })
	return out, nil
}

// WaitingSince returns, by key, how far those of some rows of a table are applied of which versions of the peer wait: see
// merge.Waiting.Since. The keys are canonical.
func WaitingSince(ctx context.Context, q sqldb.DB, peer merge.Peer, table uint16, keys []string) (map[string]uint64, error) {
	out := map[string]uint64{}
	f := WaitingFilter{Peer: peer, Table: table, Keys: keys, NotLost: true}
	query := "SELECT row_key, whole_key, since_epoch FROM omsync_waiting" + f.index() + f.where()
	err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		out[whole(r)] = sqldb.Uint(r[2])
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read rows that wait: %w", err)
	}
	return out, nil
}

// LoseWaiting notes that a peer may not have the rows any more that wait from it. Deletions that wait are forgotten: nobody is to make them
// for it.
func LoseWaiting(ctx context.Context, q sqldb.DB, peer merge.Peer) error {
	err := sqldb.Exec(ctx, q,
		fmt.Sprintf("DELETE FROM omsync_waiting WHERE peer_id = %d AND lost = 0 AND deletion = 1", peer),
		fmt.Sprintf("UPDATE omsync_waiting SET lost = id WHERE peer_id = %d AND lost = 0", peer))
	if err != nil {
		return fmt.Errorf("count rows that wait as made here: %w", err)
	}
	return nil
}

// LoseWaitingOf is LoseWaiting for one table: its sender has lost it.
func LoseWaitingOf(ctx context.Context, q sqldb.DB, peer merge.Peer, tbl uint16) error {
	if err := sqldb.Exec(ctx, q, fmt.Sprintf("UPDATE omsync_waiting SET lost = id WHERE peer_id = %d AND table_id = %d AND lost = 0", peer, tbl)); err != nil {
		return fmt.Errorf("count rows that wait as made here: %w", err)
	}
	return nil
}

// Awaited returns the tables of which rows are waited for, by rows that were dropped too: one look into the index for each.
func Awaited(ctx context.Context, q sqldb.DB) (map[uint16]bool, error) {
	out := map[uint16]bool{}
	err := sqldb.Each(ctx, q, "SELECT id FROM omsync_table t WHERE (SELECT 1 FROM omsync_waiting w FORCE INDEX (awaited) WHERE w.awaited_table = t.id LIMIT 1) = 1", func(r []sql.RawBytes) error {
		out[uint16(sqldb.Uint(r[0]))] = true
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what rows wait for: %w", err)
	}
	return out, nil
}

// AnyWaiting reports whether any row waits that was not dropped.
func AnyWaiting(ctx context.Context, q sqldb.DB) (found bool, err error) {
	err = sqldb.Each(ctx, q, "SELECT 1 FROM omsync_waiting WHERE dropped_at = 0 LIMIT 1", func([]sql.RawBytes) error { found = true; return nil })
	if err != nil {
		return false, fmt.Errorf("look for rows that wait: %w", err)
	}
	return found, nil
}

// Reasons returns all kinds of reasons.
func Reasons() []ReasonCode {
	return []ReasonCode{WaitsForRow, WaitsForUnique, WaitsForValue, WaitsForStamp, WaitsForSchema}
}

// WaitingIDs returns the numbers of rows that wait.
func WaitingIDs(ctx context.Context, q sqldb.DB, f WaitingFilter) (ids []uint64, err error) {
	var sum int64
	err = sqldb.Each(ctx, q, "SELECT id, size FROM omsync_waiting"+f.index()+f.where()+f.order(), func(r []sql.RawBytes) error {
		if sum += sqldb.Int(r[1]); len(ids) == 0 || f.MaxBytes == 0 || sum <= f.MaxBytes {
			ids = append(ids, sqldb.Uint(r[0]))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read rows that wait: %w", err)
	}
	return ids, nil
}

// TouchWaiting notes that rows were tried again, whatever came of it: their turn comes after that of all others.
func TouchWaiting(ctx context.Context, q sqldb.DB, ids []uint64, now int64) error {
	if len(ids) == 0 {
		return nil
	}
	f := WaitingFilter{IDs: ids}
	if err := sqldb.Exec(ctx, q, fmt.Sprintf("UPDATE omsync_waiting SET tried_at = %d, tries = tries + 1%s", now, f.where())); err != nil {
		return fmt.Errorf("note that rows were tried: %w", err)
	}
	return nil
}

// order is the end of a query: the order, and how many.
func (f *WaitingFilter) order() string {
	out := " ORDER BY id"
	if f.LongestUntried {
		out = " ORDER BY tried_at, id"
	}
	if f.Limit > 0 {
		out += fmt.Sprint(" LIMIT ", f.Limit)
	}
	return out
}
