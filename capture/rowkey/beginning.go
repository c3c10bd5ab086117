package rowkey

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// MayBegin reports whether [Beginning] finds rows of a table: their key is a uuid of their own, as text, that an index finds.
func MayBegin(t *schema.Table) bool {
	return t.Root == t && t.Key == schema.KeyUUID && t.KeyIndexed && t.KeyColumns[0].UUIDColumn && t.KeyColumns[0].Charset != ""
}

// Beginnings are texts that keys may begin with. The zero Beginnings are none.
type Beginnings struct {
	Texts   [][]byte // each once
	known   map[string]bool
	lengths map[int]bool
}

// Add adds a text, if it is not there.
func (b *Beginnings) Add(text []byte) {
	if b.known[string(text)] {
		return
	}
	if b.known == nil {
		b.known, b.lengths = map[string]bool{}, map[int]bool{}
	}
	b.known[string(text)], b.lengths[len(text)] = true, true
	b.Texts = append(b.Texts, text)
}

// Each calls f with each of the texts that a key begins with, once.
func (b *Beginnings) Each(key string, f func(text string)) {
	for n := range b.lengths {
		if n <= len(key) && b.known[key[:n]] {
			f(key[:n])
		}
	}
}

// Limit is how many rows are looked at for so many texts: some keys may differ in small letters and capitals alone, or in what else a collation takes
// for the same.
func Limit(texts int) int { return 2*texts + 16 }

// Beginning hands on the keys, canonical, of the rows of a table whose keys begin with one of these texts: letters, digits and hyphens. whole is false if these are
// more than limit rows: then there are others. The table [MayBegin]. It reads an index, without a lock. What begins so by the column's collation alone is handed on too;
// where that tells small letters from capitals, a key that has both where the text has letters is not found.
func Beginning(ctx context.Context, q sqldb.DB, t *schema.Table, prefixes [][]byte, limit int, f func(key string)) (whole bool, err error) {
	c := t.KeyColumns[0]
	name := schema.Quote(c.Name)
	head := "SELECT " + c.Select("") + " FROM " + schema.Quote(t.Name) + t.ForceIndex(t.KeyColumns) + " WHERE "
	whole, err = sqldb.EachInRanges(ctx, q, prefixes, limit, func(some [][]byte) []byte {
		b := []byte(head)
		for _, p := range some {
			for _, s := range c.Spellings(string(p)) {
				if len(b) > len(head) {
					b = append(b, " OR "...)
				}
				b = c.AppendLiteral(append(append(b, name...), " LIKE "...), []byte(s+"%"))
			}
		}
		return b
	}, func(r []sql.RawBytes) { f(journal.Canonical(t, string(r[0]))) })
	if err != nil {
		return false, fmt.Errorf("look for rows of %s: %w", t.Name, err)
	}
	return whole, nil
}
