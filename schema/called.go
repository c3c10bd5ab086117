package schema

import (
	"errors"
	"fmt"
	"strings"

	"github.com/omsync/omsync/internal/tomlfile"
)

// Called says how people call a row of a table: by values of its own, by those of rows that refer to it, and by whose row it is.
type Called struct {
	Values  []string // columns; of one that refers to a row, what that is called
	By      []CalledBy
	Of      string   // the column that refers to the row to which it belongs
	Known   CalledBy // by the value of which people look for what belongs to the row; Table is empty where they do not
	Retired string   // a column of By's tables: rows where it is not 0 come last
	First   string   // a column of By's tables: rows where it is not 0 come first
}

// CalledBy is values of the rows of a table that refer to a row by a column.
type CalledBy struct {
	Table, Column string
	Values        []string
}

// called is a section of a file.
type called struct {
	Values  []string `toml:"values"`
	By      []string `toml:"by"`
	Of      string   `toml:"of"`
	Known   string   `toml:"known_by"`
	Retired string   `toml:"retired"`
	First   string   `toml:"first"`
}

// Called returns how people call a row of the table; nil: nobody says.
func (p *Profile) Called(table string) *Called {
	c, ok := lookup(p, table, func(l *layer, found func(string, called)) {
		for pattern, c := range l.Called {
			found(pattern, c)
		}
	})
	if !ok {
		return nil
	}
	out := &Called{Values: c.Values, Of: c.Of, Retired: c.Retired, First: c.First}
	for _, text := range c.By {
		by, _ := parseCalledBy(text) // it is checked
		out.By = append(out.By, by)
	}
	out.Known, _ = parseCalledBy(c.Known)
	return out
}

// KnownBy returns, by table, the values by which people look for what belongs to a row of it.
func (p *Profile) KnownBy() map[string]CalledBy {
	out := map[string]CalledBy{}
	if p == nil {
		return out
	}
	for _, l := range p.layers {
		for table, c := range l.Called {
			if by, ok := parseCalledBy(c.Known); ok {
				out[table] = by
			} else {
				delete(out, table)
			}
		}
	}
	return out
}

// parseCalledBy reads "TABLE.COLUMN VALUE VALUE".
func parseCalledBy(text string) (by CalledBy, ok bool) {
	words := strings.Fields(text)
	if len(words) < 2 {
		return by, false
	}
	table, column, ok := strings.Cut(words[0], ".")
	return CalledBy{table, column, words[1:]}, ok && table != "" && column != ""
}

// Bookkeeping reports whether a column only says who changed a row, and when: two sites that differ in nothing else are not in conflict to
// people.
func (p *Profile) Bookkeeping(table, column string) bool {
	columns, _ := lookup(p, table, func(l *layer, found func(string, []string)) {
		for pattern, columns := range l.Bookkeeping {
			found(pattern, columns)
		}
	})
	return containsFold(columns, column)
}

// checkCalled returns the first section of what rows are called that cannot be meant, and its key.
func (l *layer) checkCalled() (tomlfile.Key, error) {
	for table, c := range l.Called {
		key := tomlfile.Key{"called", table}
		if len(c.Values)+len(c.By) == 0 && c.Of == "" {
			return key, errors.New("what a row is called needs values, by or of")
		}
		for _, text := range append(c.By[:len(c.By):len(c.By)], c.Known) {
			if _, ok := parseCalledBy(text); !ok && text != "" {
				return key, fmt.Errorf("%q names no values: write \"TABLE.COLUMN VALUE ...\"", text)
			}
		}
	}
	return nil, nil
}
