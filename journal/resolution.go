package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// A ConflictRecord is a conflict as it is stored, with what people decided about it.
type ConflictRecord struct {
	ID uint64
	Conflict
	Digest     string // what stands for it everywhere
	CameAt     int64  // when it came to be here, µs since 1970 UTC by this node's clock
	Size       int64  // bytes of its value, which is nil unless values were asked for
	Resolution merge.Resolution
}

// ConflictFilter chooses records. What is zero chooses all.
type ConflictFilter struct {
	ID     uint64
	Table  string
	Key    string // canonical; with Table
	Peer   merge.Peer
	Since  uint64      // this node's epochs from this one on
	Winner merge.Stamp // what they lost to
	Values bool        // with their values
	Limit  int         // the newest so many
	When   When
	Loser  *merge.Stamp // what lost
}

// When chooses records by what lost.
type When uint8

const (
	Any     When = iota
	Later        // it was made since its node is one
	Earlier      // it is from before
)

// ConflictRecords hands to f the records that a filter chooses, the newest first. f may not use q.
func ConflictRecords(ctx context.Context, q sqldb.DB, f ConflictFilter, each func(ConflictRecord) error) error {
	value := "NULL"
	if f.Values {
		value = "c.value"
	}
	columns := "c." + strings.ReplaceAll(conflictColumns, ", ", ", c.")
	b := []byte("SELECT " + strings.Replace(columns, "c.value", value, 1) + ", c.id, e.created_at, LENGTH(c.value), r.resolution, r.time, r.author, c.digest" +
		" FROM omsync_conflict c LEFT JOIN omsync_resolution r ON r.digest = c.digest LEFT JOIN omsync_epoch e ON e.id = c.epoch WHERE TRUE")
	text := func(column, v string) { b = sqldb.Binary(append(b, " AND c."+column+" = "...), v) }
	if f.ID != 0 {
		b = fmt.Appendf(b, " AND c.id = %d", f.ID)
	}
	if f.Table != "" {
		text("table_name", f.Table)
	}
	if f.Key != "" {
		text("row_key", f.Key)
	}
	if f.Peer != 0 {
		b = fmt.Appendf(b, " AND c.peer_id = %d", f.Peer)
	}
	if f.Since != 0 {
		b = fmt.Appendf(b, " AND c.epoch >= %d", f.Since)
	}
	if f.Winner != (merge.Stamp{}) {
		b = fmt.Appendf(b, " AND c.winner_time = %d", f.Winner.Time)
		text("winner_author", f.Winner.Author)
	}
	if f.Loser != nil {
		b = fmt.Appendf(b, " AND c.loser_time = %d", f.Loser.Time)
		text("loser_author", f.Loser.Author)
	}
	switch f.When {
	case Later:
		b = append(b, " AND c.loser_time > 0"...)
	case Earlier:
		b = append(b, " AND c.loser_time = 0"...)
	}
	b = append(b, " ORDER BY c.id DESC"...)
	if f.Limit > 0 {
		b = fmt.Appendf(b, " LIMIT %d", f.Limit)
	}
	err := sqldb.Each(ctx, q, string(b), func(r []sql.RawBytes) error {
		c := ConflictRecord{Conflict: readConflict(r), ID: sqldb.Uint(r[14]), CameAt: sqldb.Int(r[15]), Size: sqldb.Int(r[16]), Digest: string(r[20])}
		if r[15] == nil { // its epoch is gone
			c.CameAt = c.At
		}
		if r[17] != nil {
			c.Resolution = merge.Resolution{How: merge.How(r[17]), Stamp: merge.Stamp{Time: sqldb.Int(r[18]), Author: string(r[19])}}
		}
		return each(c)
	})
	if err != nil {
		return fmt.Errorf("read conflicts: %w", err)
	}
	return nil
}

// EarlierConflicts counts what lost of rows from before their node was one and nobody has decided about.
type EarlierConflicts struct {
	Table        string
	Rows, Values int64
}

// CountEarlier counts, by table, what a filter chooses of it. ID, Winner, Loser, Limit and When of the filter choose nothing.
func CountEarlier(ctx context.Context, q sqldb.DB, f ConflictFilter) (out []EarlierConflicts, err error) {
	b := fmt.Appendf(nil, "SELECT c.table_name, COUNT(DISTINCT c.row_key), COUNT(*) FROM omsync_conflict c LEFT JOIN omsync_resolution r ON r.digest = c.digest"+
		" WHERE c.loser_time = 0 AND c.epoch >= %d AND (r.digest IS NULL OR r.resolution = '%s')", f.Since, merge.Open)
	if f.Table != "" {
		b = sqldb.Binary(append(b, " AND c.table_name = "...), f.Table)
	}
	if f.Peer != 0 {
		b = fmt.Appendf(b, " AND c.peer_id = %d", f.Peer)
	}
	err = sqldb.Each(ctx, q, string(b)+" GROUP BY c.table_name ORDER BY c.table_name", func(r []sql.RawBytes) error {
		out = append(out, EarlierConflicts{string(r[0]), sqldb.Int(r[1]), sqldb.Int(r[2])})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count conflicts: %w", err)
	}
	return out, nil
}

// ErrNoConflict means that no record has the number.
var ErrNoConflict = errors.New("there is no conflict of that number")

// ConflictByID returns one record, without its value.
func ConflictByID(ctx context.Context, q sqldb.DB, id uint64) (c ConflictRecord, err error) {
	found := false
	err = ConflictRecords(ctx, q, ConflictFilter{ID: id}, func(r ConflictRecord) error { c, found = r, true; return nil })
	if err == nil && (!found || id == 0) {
		err = ErrNoConflict
	}
	return c, err
}

// A ConflictResolution is what was decided about a record that a digest stands for.
type ConflictResolution struct {
	Digest string
	merge.Resolution
	Epoch uint64
	From  merge.Peer // the peer that told of it; 0: it was decided here
}

// PutResolutions writes resolutions, in place of those that are there.
func PutResolutions(ctx context.Context, q sqldb.DB, rs []ConflictResolution) error {
	for part := range slices.Chunk(rs, chunk) {
		b := []byte("REPLACE INTO omsync_resolution (digest, resolution, time, author, epoch, origin) VALUES ")
		for i, r := range part {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(sqldb.Binary(append(b, '('), r.Digest), ',')
			b = sqldb.Binary(b, string(r.How))
			b = fmt.Appendf(b, ",%d,%s,%d,%d)", r.Time, sqldb.Binary(nil, r.Author), r.Epoch, r.From)
		}
		if err := sqldb.Exec(ctx, q, string(b)); err != nil {
			return fmt.Errorf("write what was decided about conflicts: %w", err)
		}
	}
	return nil
}

// A ResolvedConflict is a record, without its value, and the newest resolution of it.
type ResolvedConflict struct {
	Conflict
	Digest     string
	Resolution ConflictResolution
}

const resolvedColumns = "c.table_name, c.row_key, c.column_name, NULL, c.deletion, c.loser_time, c.loser_author, c.winner_time, c.winner_author, " +
	"c.recorded_at, c.epoch, c.origin, c.peer_id, c.owners, c.digest, r.resolution, r.time, r.author, r.epoch, r.origin"

func readResolved(r []sql.RawBytes) ResolvedConflict {
	out := ResolvedConflict{Conflict: readConflict(r), Digest: string(r[14])}
	out.Resolution = ConflictResolution{Digest: out.Digest, Epoch: sqldb.Uint(r[18]), From: merge.Peer(sqldb.Uint(r[19])),
		Resolution: merge.Resolution{How: merge.How(r[15]), Stamp: merge.Stamp{Time: sqldb.Int(r[16]), Author: string(r[17])}}}
	return out
}

// ConflictsOf returns the records for which digests stand, with their resolutions; of those that are not here, nothing. Their order is
// that of the digests.
func ConflictsOf(ctx context.Context, q sqldb.DB, digests []string) ([]ResolvedConflict, error) {
	found := make(map[string]ResolvedConflict, len(digests))
	err := chunks(digests, func(part []string) error {
		b := []byte("SELECT " + resolvedColumns + " FROM omsync_conflict c LEFT JOIN omsync_resolution r ON r.digest = c.digest WHERE c.digest IN (")
		for i, d := range part {
			if i > 0 {
				b = append(b, ',')
			}
			b = sqldb.Binary(b, d)
		}
		return sqldb.Each(ctx, q, string(append(b, ')')), func(r []sql.RawBytes) error {
			c := readResolved(r)
			found[c.Digest] = c
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read conflicts: %w", err)
	}
	var out []ResolvedConflict
	for _, d := range digests {
		if c, ok := found[d]; ok {
			out = append(out, c)
			delete(found, d)
		}
	}
	return out, nil
}

// NewerResolutions calls f for each resolution above epoch base that did not come from the peer, with its record. f may use q itself.
func NewerResolutions(ctx context.Context, q sqldb.DB, base uint64, peer merge.Peer, f func(ResolvedConflict) error) error {
	for last := uint64(0); ; {
		var page []ResolvedConflict
		query := fmt.Sprintf("SELECT %s, c.id FROM omsync_resolution r FORCE INDEX (epoch) STRAIGHT_JOIN omsync_conflict c FORCE INDEX (digest) ON c.digest = r.digest"+
			" WHERE r.epoch > %d AND r.origin <> %d AND c.id > %d ORDER BY c.id LIMIT %d", resolvedColumns, base, peer, last, chunk)
		err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
			page = append(page, readResolved(r))
			last = sqldb.Uint(r[20])
			return nil
		})
		if err != nil {
			return fmt.Errorf("read what was decided about conflicts: %w", err)
		}
		for _, c := range page {
			if err := f(c); err != nil {
				return err
			}
		}
		if len(page) < chunk {
			return nil
		}
	}
}

// NoteEdit notes columns of a row as changed, as a trigger does where the application changes them: what is there is somebody's decision,
// and stamped anew.
func NoteEdit(ctx context.Context, q sqldb.DB, tbl uint16, r Row, columns merge.Mask) error {
	local := "local_id"
	value := fmt.Append(nil, r.Int)
	if r.Key != "" {
		local, value = "local_key", sqldb.Binary(nil, r.Key)
	}
	for word := range columns.Words() {
		op := OpUpdate
		if merge.FromWord(word).IsWide() {
			op = opUpdateMore
		}
		err := sqldb.Exec(ctx, q, fmt.Sprintf("INSERT INTO omsync_capture (table_id, operation, %s, column_mask, changed_at) VALUES (%d, %d, %s, %d, UTC_TIMESTAMP(6))",
			local, tbl, op, value, word))
		if err != nil {
			return fmt.Errorf("note an edit: %w", err)
		}
	}
	return nil
}
