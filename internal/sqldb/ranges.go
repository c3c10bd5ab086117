package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
)

// rangesAtOnce is how many ranges of an index a statement looks in: servers take the longer for each the more there are (1,000 in one 100 ms, in ten 30).
const rangesAtOnce = 100

// EachInRanges calls f with the rows that lie in ranges of an index, which texts stand for, limit rows at most. query is the statement for some of the texts, to its
// LIMIT. whole is false if there are more rows.
func EachInRanges(ctx context.Context, q DB, texts [][]byte, limit int, query func(some [][]byte) []byte, f func([]sql.RawBytes)) (whole bool, err error) {
	for some := range slices.Chunk(texts, rangesAtOnce) {
		err := Each(ctx, q, string(fmt.Appendf(query(some), " LIMIT %d", limit+1)), func(r []sql.RawBytes) error {
			if limit--; limit >= 0 {
				f(r)
			}
			return nil
		})
		if err != nil || limit < 0 {
			return false, err
		}
	}
	return true, nil
}
