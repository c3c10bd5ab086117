package export

import (
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// Whatever a database holds that no batch takes is left out, with a report: one such row, that one peer sent or a program wrote, must not
// keep all others from going to everybody.

// leftOut counts what an export left out, by what it was and why.
type leftOut map[string]int

func (l leftOut) add(format string, args ...any) { l[fmt.Sprintf(format, args...)]++ }

// report says what was left out.
func (l leftOut) report(peer string, warn func(format string, args ...any)) {
	for _, what := range slices.Sorted(maps.Keys(l)) {
		warn("not sent to %s: %s (%d)", peer, what, l[what])
	}
}

// keyFits reports whether a key that the journal or a row has goes into a batch: it is not too long, and has as many parts as it should.
func keyFits(t *schema.Table, key string) bool {
	if len(key) > batch.MaxKey {
		return false
	}
	columns := t.Root.KeyColumns
	if len(columns) == 1 && columns[0].Ref == nil {
		return true
	}
	parts, ok := journal.SplitKey(key, len(columns))
	if !ok {
		return false
	}
	for i, c := range columns {
		if c.Ref != nil && c.Ref.To != nil && parts[i] != nil && !keyFits(c.Ref.To, *parts[i]) {
			return false
		}
	}
	return true
}

// sendsKey is keyFits, and counts what does not fit.
func (p *plan) sendsKey(t *schema.Table, key, what string) bool {
	if keyFits(t, key) {
		return true
	}
	p.left.add("%s of %s with a key that is damaged or longer than %d bytes", what, t.Name, batch.MaxKey)
	return false
}

// rowFits reports whether a batch takes the values of a row.
func rowFits(values []sql.RawBytes) bool {
	sum, longest := 0, 0
	for _, v := range values {
		sum, longest = sum+len(v), max(longest, len(v))
	}
	return longest <= batch.MaxValue && sum-longest <= batch.MaxBlock
}
