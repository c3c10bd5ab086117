package apply

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// maxReferred is how many rows one statement looks for referrers of.
const maxReferred = 500

// referrers finds what refers to rows that are to go, as merge.RefuseDeletions wants it. The rows are locked, so that nothing new
// can come to refer to them by a foreign key.
func (im *importer) referrers(ctx context.Context, deletions []*deletion) ([][2]int, error) {
	place := map[*localTable]map[journal.Row]int{}
	var order []*localTable
	for i, d := range deletions {
		if place[d.l] == nil {
			place[d.l] = map[journal.Row]int{}
			order = append(order, d.l)
		}
		if _, twice := place[d.l][d.row.row]; twice {
			return nil, fmt.Errorf("%w: a row of %s is deleted twice", batch.ErrCorrupt, d.l.Name)
		}
		place[d.l][d.row.row] = i
	}
	var out [][2]int
	for _, l := range order {
		for _, ref := range l.Children {
			values, byValue := referredValues(deletions, place[l], ref)
			from := place[im.resolver.local[ref.From.Table.Name]]
			for part := range slices.Chunk(values, maxReferred) {
				to := map[string]int{}
				for _, v := range part {
					to[string(v)] = byValue[string(v)]
				}
				err := journal.Referrers(ctx, im.resolver.s.conn, ref, l.Table, part, func(r journal.Row, value string) {
					by, goes := from[r]
					if !goes {
						by = -1
					}
					for _, i := range meant(to, value) {
						out = append(out, [2]int{by, i})
					}
				})
				if err != nil {
					return nil, err
				}
			}
		}
	}
	return out, nil
}

// referredValues returns the values by which a reference points to deleted rows, in order, and which row each one is.
func referredValues(deletions []*deletion, rows map[journal.Row]int, ref *schema.Ref) ([][]byte, map[string]int) {
	byValue := map[string]int{}
	var values [][]byte
	for _, i := range rows {
		if v, ok := deletions[i].referredBy(ref); ok {
			byValue[string(v)] = i
			values = append(values, v)
		}
	}
	slices.SortFunc(values, func(a, b []byte) int { return slices.Compare(a, b) })
	return values, byValue
}

// meant is the deletions that a row refers to which the server found to hold one of these values. It compares as the
// column does: a name in another case, or with a space after it, is the same name. What is none of the values as it stands
// may therefore mean any of them.
func meant(to map[string]int, value string) []int {
	if i, ok := to[value]; ok {
		return []int{i}
	}
	return slices.Collect(maps.Values(to))
}

// referredBy is the value by which a reference points to the row.
func (d *deletion) referredBy(ref *schema.Ref) ([]byte, bool) {
	if ref.When != nil || ref.ToColumn == d.l.Integer {
		return strconv.AppendInt(nil, d.row.row.Int, 10), true
	}
	if at := slices.Index(d.columns, ref.ToColumn); at >= 0 && d.row.values[at] != nil {
		return d.row.values[at], true
	}
	return nil, false
}
