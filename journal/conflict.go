package journal

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"strconv"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// A Conflict is a value that lost against one whose author had not seen it. What it is about (table, key, column), the
// loser's stamp and value identify it: both ends of a link record the same one. (The stamp alone would not do: a node
// that was restored, with its clock set back, can make two values with one stamp.)
type Conflict struct {
	Table, Key, Column string  // Column "": the row's deletion lost, or if not Deletion the row itself to one
	Value              *string // as text; a reference as the key of its row; nil: NULL
	Deletion           bool
	Loser, Winner      merge.Stamp
	At                 int64 // µs since 1970 UTC
	Epoch              uint64
	From               merge.Peer
}

func (c Conflict) digest() string {
	h := sha256.New()
	value := "NULL"
	if c.Value != nil {
		value = strconv.Quote(*c.Value)
	}
	fmt.Fprintf(h, "%q %q %q %d %q %s", c.Table, c.Key, c.Column, c.Loser.Time, c.Loser.Author, value)
	return string(h.Sum(nil)[:16])
}

const conflictColumns = "table_name, row_key, column_name, value, deletion, loser_time, loser_author, winner_time, winner_author, " +
	"recorded_at, epoch, origin"

// PutConflicts records conflicts; those already recorded stay as they are. It returns how many were new.
func PutConflicts(ctx context.Context, q sqldb.DB, cs []Conflict) (int, error) {
	added := 0
	for len(cs) > 0 {
		b := []byte("INSERT IGNORE INTO omsync_conflict (digest, " + conflictColumns + ") VALUES ")
		n := 0
		for ; n < len(cs) && n < chunk && len(b) < 1<<20; n++ {
			if n > 0 {
				b = append(b, ',')
			}
			b = cs[n].literal(b)
		}
		cs = cs[n:]
		r, err := q.ExecContext(ctx, string(b))
		if err != nil {
			return 0, fmt.Errorf("record conflicts: %w", err)
		}
		fresh, err := r.RowsAffected()
		if err != nil {
			return 0, fmt.Errorf("record conflicts: %w", err)
		}
		added += int(fresh)
	}
	return added, nil
}

func (c Conflict) literal(b []byte) []byte {
	b = append(b, '(')
	for _, s := range []string{c.digest(), c.Table, c.Key, c.Column} {
		b = append(sqldb.Binary(b, s), ',')
	}
	if c.Value == nil {
		b = append(b, "NULL"...)
	} else {
		b = sqldb.Binary(b, *c.Value)
	}
	return fmt.Appendf(b, ",%t,%d,%s,%d,%s,%d,%d,%d)", c.Deletion, c.Loser.Time, sqldb.Binary(nil, c.Loser.Author),
		c.Winner.Time, sqldb.Binary(nil, c.Winner.Author), c.At, c.Epoch, c.From)
}

// conflictPage is how many records are held at once: each may have a long value.
const conflictPage = 100

// NewerConflicts calls f for each record above epoch base that did not come from the peer, in order. f may use q itself.
func NewerConflicts(ctx context.Context, q sqldb.DB, base uint64, peer merge.Peer, f func(Conflict) error) error {
	for last := uint64(0); ; {
		var page []Conflict
		query := fmt.Sprintf("SELECT %s, id FROM omsync_conflict WHERE epoch > %d AND origin <> %d AND id > %d ORDER BY id LIMIT %d",
			conflictColumns, base, peer, last, conflictPage)
		err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
			c := Conflict{Table: string(r[0]), Key: string(r[1]), Column: string(r[2]), Deletion: sqldb.Int(r[4]) != 0,
				Loser:  merge.Stamp{Time: sqldb.Int(r[5]), Author: string(r[6])},
				Winner: merge.Stamp{Time: sqldb.Int(r[7]), Author: string(r[8])},
				At:     sqldb.Int(r[9]), Epoch: sqldb.Uint(r[10]), From: merge.Peer(sqldb.Uint(r[11]))}
			if r[3] != nil {
				v := string(r[3])
				c.Value = &v
			}
			last = sqldb.Uint(r[12])
			page = append(page, c)
			return nil
		})
		if err != nil {
			return fmt.Errorf("read conflicts: %w", err)
		}
		for _, c := range page {
			if err := f(c); err != nil {
				return err
			}
		}
		if len(page) < conflictPage {
			return nil
		}
	}
}

// CountConflicts returns the number of records.
func CountConflicts(ctx context.Context, q sqldb.DB) (n int64, err error) {
	err = sqldb.Each(ctx, q, "SELECT COUNT(*) FROM omsync_conflict", func(r []sql.RawBytes) error { n = sqldb.Int(r[0]); return nil })
	return n, err
}
