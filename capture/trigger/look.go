package trigger

import (
	"context"
	"fmt"
	"slices"

	"github.com/omsync/omsync/schema"
)

// Found is what triggers there are on a table, beside those that Install would make.
type Found struct {
	Table    string
	Missing  bool // one is not there at all, or did not note changes as this table's: changes went by
	Outdated bool // one is of another text, or there is one too many
	Bare     bool // none of ours is there
	// Others are the numbers of other tables as whose the triggers on it noted changes: it was another's copy, and RENAME took them along.
	Others []uint16
	Away   bool   // triggers that note changes as this table's are on another one, which was this one until a RENAME
	Made   string // when the newest of ours was made; "" where the server does not say
}

// Look compares the triggers that are in the database with those that there should be, table by table.
func Look(ctx context.Context, q schema.Querier, want *Wanted, there *Listing) ([]Found, error) {
	plans, err := planTables(ctx, q, want, there)
	if err != nil {
		return nil, err
	}
	numbers := want.numbers
	on := map[uint16][]string{} // tables by number of what is noted there
	for _, w := range plans {
		for _, x := range w.there {
			if n := x.number(); n != 0 {
				on[n] = append(on[n], w.table)
			}
		}
	}
	var out []Found
	for _, w := range plans {
		f := w.look(numbers[w.table])
		f.Away = numbers[w.table] != 0 && slices.ContainsFunc(on[numbers[w.table]], func(t string) bool { return t != w.table })
		out = append(out, f)
	}
	return out, nil
}

// look says what is on the table of that number.
func (w tablePlan) look(number uint16) Found {
	f := Found{Table: w.table, Outdated: len(w.stale) > 0, Bare: true}
	stale := map[string]bool{}
	for _, x := range w.there {
		if !x.ours() {
			continue
		}
		f.Bare, f.Made = false, max(f.Made, x.created)
		n := x.number()
		if n != 0 && n != number {
			f.Others = append(f.Others, n)
		} else if slices.Contains(w.stale, x) {
			stale[x.event] = true
		}
	}
	slices.Sort(f.Others)
	f.Others = slices.Compact(f.Others)
	f.Missing = w.altered || slices.ContainsFunc(w.missing, func(x trigger) bool { return !stale[x.Event] })
	return f
}

// number returns the number of the table as whose a trigger of ours notes changes; 0: it is not ours, or notes those of others alone.
func (x existing) number() (n uint16) {
	if x.ours() {
		fmt.Sscanf(x.name, triggerPrefix+"%d_", &n)
	}
	return n
}
