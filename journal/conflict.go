package journal

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

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
	From               merge.Peer // the peer that told of it; 0: it was noticed here
	Owners             []string   // the keys of the owners of the row that had the losing value; none: there are none, or nobody knows
	Over               merge.Peer // the peer in whose batch it was noticed or came; 0: an earlier omsync recorded it, or a decision made here
}

// Digest returns what stands for a record everywhere, 16 bytes: at servers that write names of tables in small letters, too.
func (c Conflict) Digest() string {
	h := sha256.New()
	value := "NULL"
	if c.Value != nil {
		value = strconv.QuoteToASCII(*c.Value)
	}
	fmt.Fprintf(h, "%+q %+q %+q %d %+q %s", strings.ToLower(c.Table), c.Key, strings.ToLower(c.Column), c.Loser.Time, c.Loser.Author, value)
	return string(h.Sum(nil)[:16])
}

const conflictColumns = "table_name, row_key, column_name, value, deletion, loser_time, loser_author, winner_time, winner_author, " +
	"recorded_at, epoch, origin, peer_id, owners"

// Fits reports whether a record has room in omsync_conflict, where nothing of it may be cut: otherwise no batch could hold it.
func (c Conflict) Fits() bool {
	return len(c.Table) <= 255 && len(c.Key) <= 1<<16-1 && len(c.Column) <= 255 && IsName(c.Loser.Author) && IsName(c.Winner.Author)
}

// size is what a record counts: the bytes of its key and value.
func (c Conflict) size() int {
	n := len(c.Key)
	if c.Value != nil {
		n += len(*c.Value)
	}
	return n
}

// PutConflicts records conflicts; those already recorded stay as they are. It returns how many were new, and the bytes of their keys and
// values.
func PutConflicts(ctx context.Context, q sqldb.DB, cs []Conflict) (added, size int, err error) {
	for len(cs) > 0 {
		n, long := 0, 0
		for ; n < len(cs) && n < chunk && long < 1<<19; n++ {
			if !cs[n].Fits() {
				return 0, 0, fmt.Errorf("record a conflict in %s: its key or a name in it is too long", cs[n].Table)
			}
			long += cs[n].size() + 200
		}
		fresh, err := notRecorded(ctx, q, cs[:n])
		if err != nil {
			return 0, 0, fmt.Errorf("record conflicts: %w", err)
		}
		cs = cs[n:]
		if len(fresh) == 0 {
			continue
		}
		b := []byte("INSERT IGNORE INTO omsync_conflict (digest, " + conflictColumns + ") VALUES ")
		for i, c := range fresh {
			if i > 0 {
				b = append(b, ',')
			}
			b = c.literal(b)
			size += c.size()
		}
		if err := sqldb.Exec(ctx, q, string(b)); err != nil {
			return 0, 0, fmt.Errorf("record conflicts: %w", err)
		}
		added += len(fresh)
	}
	return added, size, nil
}

// notRecorded returns those of some conflicts that are not recorded yet, each once.
func notRecorded(ctx context.Context, q sqldb.DB, cs []Conflict) (fresh []Conflict, err error) {
	b := []byte("SELECT digest FROM omsync_conflict WHERE digest IN (")
	digests := make([]string, len(cs))
	for i, c := range cs {
		if i > 0 {
			b = append(b, ',')
		}
		digests[i] = c.Digest()
		b = sqldb.Binary(b, digests[i])
	}
	known := make(map[string]bool, len(cs))
	err = sqldb.Each(ctx, q, string(append(b, ')')), func(r []sql.RawBytes) error {
		known[string(r[0])] = true
		return nil
	})
	for i, c := range cs {
		if !known[digests[i]] {
			known[digests[i]] = true
			fresh = append(fresh, c)
		}
	}
	return fresh, err
}

func (c Conflict) literal(b []byte) []byte {
	b = append(b, '(')
	for _, s := range []string{c.Digest(), c.Table, c.Key, c.Column} {
		b = append(sqldb.Binary(b, s), ',')
	}
	if c.Value == nil {
		b = append(b, "NULL"...)
	} else {
		b = sqldb.Binary(b, *c.Value)
	}
	b = fmt.Appendf(b, ",%t,%d,%s,%d,%s,%d,%d,%d,NULLIF(%d, 0),", c.Deletion, c.Loser.Time, sqldb.Binary(nil, c.Loser.Author),
		c.Winner.Time, sqldb.Binary(nil, c.Winner.Author), c.At, c.Epoch, c.From, c.Over)
	if len(c.Owners) == 0 || !fitOwners(c.Owners) {
		return append(b, "NULL)"...)
	}
	return append(sqldb.Binary(b, encodeOwners(c.Owners)), ')')
}

// readConflict reads conflictColumns.
func readConflict(r []sql.RawBytes) Conflict {
	c := Conflict{Table: string(r[0]), Key: string(r[1]), Column: string(r[2]), Deletion: sqldb.Int(r[4]) != 0,
		Loser:  merge.Stamp{Time: sqldb.Int(r[5]), Author: string(r[6])},
		Winner: merge.Stamp{Time: sqldb.Int(r[7]), Author: string(r[8])},
		At:     sqldb.Int(r[9]), Epoch: sqldb.Uint(r[10]), From: merge.Peer(sqldb.Uint(r[11])), Over: merge.Peer(sqldb.Uint(r[12]))}
	if r[3] != nil {
		v := string(r[3])
		c.Value = &v
	}
	c.Owners = decodeOwners(r[13])
	return c
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
			page = append(page, readConflict(r))
			last = sqldb.Uint(r[14])
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
