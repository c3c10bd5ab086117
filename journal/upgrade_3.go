package journal

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// Format 4 has a bit for each column of a table with more than 62: those after the 62nd had shared one; what people decided about conflicts;
// the keys that peers have for rows here; and what is said of tables on links. Nothing is sent again for that. What
// the triggers of before note of such columns is read as before: see captured.

func stepsFrom3() []upgradeStep {
	return []upgradeStep{
		{"see what the account may do with format 3", 3, func(ctx context.Context, u *upgrade) error {
			if u.format != 3 {
				return nil
			}
			return u.try(ctx, tableTrials())
		}},
		{"claim the tables of format 3", 3, func(ctx context.Context, u *upgrade) error { return u.setFormat(ctx, underWay+3) }},
		{"make omsync_alias", 3, func(ctx context.Context, u *upgrade) error { return u.make(ctx, "omsync_alias") }},
		{"make omsync_report, where the format 3 had none", 3, func(ctx context.Context, u *upgrade) error { return u.make(ctx, "omsync_report") }},
		{"make omsync_refused, where the format 3 had none", 3, func(ctx context.Context, u *upgrade) error { return u.make(ctx, "omsync_refused") }},
		{"add default masks of many columns, and who added rows of a default version", 3, func(ctx context.Context, u *upgrade) error {
			return u.add(ctx, layoutOf("omsync_table"), "default_added_by", "default_more")
		}},
		{"add to versions who added rows", 3, func(ctx context.Context, u *upgrade) error {
			return u.add(ctx, layoutOf("omsync_version"), "added_by")
		}},
		{"add which rows that wait were dropped", 3, func(ctx context.Context, u *upgrade) error {
			if err := u.add(ctx, layoutOf("omsync_waiting"), "size", "deletion", "dropped_at", "dropped_by", "dropped_why"); err != nil {
				return err
			}
			return u.index(ctx, "omsync_waiting", "dropped_at", "DROP KEY tried, ADD KEY tried (peer_id, dropped_at, tried_at), ADD KEY (dropped_at)")
		}},
		{"make omsync_rule", 3, func(ctx context.Context, u *upgrade) error { return u.make(ctx, "omsync_rule") }},
		{"make omsync_resolution", 3, func(ctx context.Context, u *upgrade) error { return u.make(ctx, "omsync_resolution") }},
		{"add over which link a conflict came", 3, func(ctx context.Context, u *upgrade) error {
			return u.add(ctx, layoutOf("omsync_conflict"), "peer_id", "owners")
		}},
		{"give each column a bit, and set the format 4", 3, func(ctx context.Context, u *upgrade) error {
			return u.inTransaction(ctx, func() error {
				if err := u.ownBits(ctx); err != nil {
					return err
				}
				return u.setFormat(ctx, 4)
			})
		}},
	}
}

// sharedTable is a table of which columns share a bit.
type sharedTable struct {
	id      uint64
	columns []Column
	hasMask bool // its default version is that of the shared bit too
}

// ownBits gives the columns that share a bit bits of their own, in what is stored of their tables. It is one transaction, for the same
// numbers mean something else afterwards.
func (u *upgrade) ownBits(ctx context.Context) error {
	var tables []sharedTable
	err := sqldb.Each(ctx, u.c, "SELECT id, columns, default_mask FROM omsync_table", func(r []sql.RawBytes) error {
		columns, err := decodeColumns(r[1])
		if err != nil {
			return err
		}
		if slices.ContainsFunc(columns, func(c Column) bool { return c.Bit == merge.SharedBit }) {
			tables = append(tables, sharedTable{sqldb.Uint(r[0]), columns, isShared(sqldb.Uint(r[2]))})
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, t := range tables {
		own := ownBits(t.columns)
		b, err := encodeColumns(t.columns)
		if err != nil {
			return err
		}
		var more []byte
		if t.hasMask {
			more = encodeMask(own)
		}
		_, err = u.c.ExecContext(ctx, "UPDATE omsync_table SET columns = ?, default_mask = default_mask & ?, default_more = ? WHERE id = ?", b, unshared, more, t.id)
		if err == nil {
			err = u.ownVersions(ctx, t.id, own)
		}
		if err == nil {
			err = u.ownWaiting(ctx, t.id, own)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unshared is the bits that no columns share.
const unshared = uint64(1)<<merge.SharedBit - 1

func isShared(mask uint64) bool { return mask > unshared }

// ownBits gives the columns that share a bit the bits from it on, and returns these.
func ownBits(columns []Column) merge.Mask {
	var own merge.MaskBuilder
	next := merge.SharedBit
	for i, c := range columns {
		if c.Bit == merge.SharedBit {
			columns[i].Bit = next
			own.Add(next)
			next = min(next+1, merge.MaxBit)
		}
	}
	return own.Mask()
}

// ownWords returns a stored mask of the shared bit as the words of one of own bits.
func ownWords(mask uint64, own merge.Mask) []uint64 {
	return slices.Collect(merge.Bits(mask & unshared).Or(own).Words())
}

// ownVersions writes the versions of the shared bit anew, some rows at a time.
func (u *upgrade) ownVersions(ctx context.Context, table uint64, own merge.Mask) error {
	after := "local_id >= -9223372036854775808"
	for {
		var rows []Row
		var values []byte
		query := fmt.Sprintf("SELECT local_id, local_key, column_mask, time, author, epoch, origin FROM omsync_version WHERE table_id = %d AND %s AND column_mask > %d "+
			"ORDER BY local_id, local_key LIMIT %d", table, after, unshared, chunk)
		err := sqldb.Each(ctx, u.c, query, func(r []sql.RawBytes) error {
			row := Row{sqldb.Int(r[0]), string(r[1])}
			rows = append(rows, row)
			for _, word := range ownWords(sqldb.Uint(r[2]), own) {
				if len(values) > 0 {
					values = append(values, ',')
				}
				values = fmt.Appendf(values, "(%d, %d, %s, ", table, row.Int, sqldb.Binary(nil, row.Key))
				values = strconv.AppendUint(values, word, 10)
				values = fmt.Appendf(values, ", %s, %s, %s, %s)", r[3], r[4], r[5], r[6])
			}
			return nil
		})
		if err != nil || len(rows) == 0 {
			return err
		}
		b := append([]byte("DELETE v FROM "), rowList(nil, rows)...)
		b = fmt.Appendf(b, " STRAIGHT_JOIN omsync_version v FORCE INDEX (PRIMARY) ON v.table_id = %d AND v.local_id = d.local_id AND v.local_key = d.local_key AND v.column_mask > %d", table, unshared)
		values = append([]byte("INSERT INTO omsync_version (table_id, local_id, local_key, column_mask, time, author, epoch, origin) VALUES "), values...)
		if err := sqldb.Exec(ctx, u.c, string(b), string(values)); err != nil {
			return err
		}
		last := rows[len(rows)-1]
		after = fmt.Sprintf("local_id >= %d AND (local_id > %[1]d OR local_key > %[2]s)", last.Int, sqldb.Binary(nil, last.Key))
	}
}

// ownWaiting writes the versions of rows that wait anew.
func (u *upgrade) ownWaiting(ctx context.Context, table uint64, own merge.Mask) error {
	records := map[uint64][]byte{}
	err := sqldb.Each(ctx, u.c, fmt.Sprintf("SELECT id, versions FROM omsync_waiting WHERE table_id = %d", table), func(r []sql.RawBytes) error {
		var w waitingRecord
		if err := decodeRecord("row that waits", recordVersion, r[1], &w); err != nil {
			return err
		}
		var groups []groupRecord
		for _, g := range w.Groups {
			words := []uint64{g.Mask}
			if isShared(g.Mask) {
				words = ownWords(g.Mask, own)
			}
			for _, word := range words {
				groups = append(groups, groupRecord{word, g.stampRecord})
			}
		}
		if len(groups) == len(w.Groups) && !slices.ContainsFunc(groups, func(g groupRecord) bool { return isShared(g.Mask) }) {
			return nil
		}
		w.Groups = groups
		b, err := encodeRecord("row that waits", w)
		records[sqldb.Uint(r[0])] = b
		return err
	})
	for id, b := range records {
		if err == nil {
			_, err = u.c.ExecContext(ctx, "UPDATE omsync_waiting SET versions = ?, size = ? + LENGTH(content) WHERE id = ?", b, len(b), id)
		}
	}
	return err
}
