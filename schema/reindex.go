package schema

import (
	"fmt"
	"strings"
)

// Reindex names a setting by which the application knows that what it derives from some tables, and keeps elsewhere, is up to
// date. Once the setting is empty, the application makes that anew, mostly at its next start.
type Reindex struct {
	Table         string   // the table of settings
	Column, Value string   // which row of it
	Blank         string   // the column to empty
	When          []string // patterns of the tables that count
}

// Match reports whether the application derives something from a table.
func (r *Reindex) Match(table string) bool { return matchesAny(r.When, table) }

// Reindex returns what the latest file that has such a section says. It is an error if there is none, and if the row is not
// one that stays here: what is done to it would reach the peers, whose applications need it or not by themselves.
func (p *Profile) Reindex() (*Reindex, error) {
	var r *Reindex
	if p != nil {
		for _, l := range p.layers {
			if l.Reindex != nil {
				r = (*Reindex)(l.Reindex)
			}
		}
	}
	if r == nil {
		return nil, fmt.Errorf("the profile %s has no section [reindex]: leave reindex out, or add the section to a profile file", p.name())
	}
	if f := p.RowFilter(r.Table); !p.never(r.Table) && (f == nil || !strings.EqualFold(f.Column, r.Column) || !f.Match(r.Value)) {
		return nil, fmt.Errorf("the profile %s empties a setting that other sites have too: keep %s here by [filter.%s], or leave reindex out", p.name(), r.Value, r.Table)
	}
	return r, nil
}

func (p *Profile) name() string {
	if p == nil {
		return "none"
	}
	return p.Name
}
