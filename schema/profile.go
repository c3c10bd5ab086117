package schema

import (
	"strings"

	"github.com/omsync/omsync/access"
)

// Profile says of a data model what its database does not. It is data: a TOML file, documented in profiles/none.toml. Table
// names in it may hold `*` for any run of characters and are compared without case. What a later file says stands before an
// earlier one, and within a file an exact name before a pattern, a longer pattern before a shorter one.
//
// Which way a table goes follows from the profile and from what the table refers to: see [Table.Direction]. A nil *Profile says
// nothing: every table is sent both ways.
type Profile struct {
	Name   string
	layers []*layer // a user's file after the built-in one that it corrects

	released []string // see Release
}

// Exclusion says in which files the values of a column are left out.
type Exclusion uint8

const (
	ExcludeNever  Exclusion = iota
	ExcludeUp               // left out of what a child sends to its parent
	ExcludeAlways           // never leaves the database
	ExcludeSecret           // goes to a child alone, of those rows that [Profile.Release] lets go
)

// RowFilter names rows that are never sent, by the value of one column.
type RowFilter struct {
	Column   string
	Patterns []string // values with `*` for any run of characters, compared without case
	Except   []string // patterns of values that are sent all the same
}

// Match reports whether a row with that value in Column stays here.
func (f *RowFilter) Match(value string) bool {
	return f != nil && matchesAny(f.Patterns, value) && !matchesAny(f.Except, value)
}

// Excluded returns in which files values of a column are left out. What a file excludes, or says not to exclude, stands before secrets.
func (p *Profile) Excluded(table, column string) Exclusion {
	x, ok := lookup(p, table, func(l *layer, found func(string, Exclusion)) {
		for pattern, e := range l.Exclude {
			for x, columns := range map[Exclusion][]string{ExcludeNever: e.Never, ExcludeUp: e.Up, ExcludeAlways: e.Always} {
				if containsFold(columns, column) {
					found(pattern, x)
				}
			}
		}
	})
	if s := p.Secret(table); !ok && s != nil && containsFold(s.Columns, column) {
		return ExcludeSecret
	}
	return x
}

// RowFilter returns the filter of a table's rows, or nil. A later file adds to the filter of an earlier one that looks at the
// same column, and replaces one that looks at another.
func (p *Profile) RowFilter(table string) *RowFilter {
	if p == nil {
		return nil
	}
	var filter *RowFilter
	for _, l := range p.layers {
		f, ok := lookup(&Profile{layers: []*layer{l}}, table, func(l *layer, found func(string, rowFilter)) {
			for pattern, f := range l.Filter {
				found(pattern, f)
			}
		})
		switch {
		case !ok:
		case filter == nil || !strings.EqualFold(filter.Column, f.Column):
			filter = &RowFilter{f.Column, f.Never, f.Except}
		default:
			filter = &RowFilter{f.Column, append(filter.Patterns[:len(filter.Patterns):len(filter.Patterns)], f.Never...),
				append(filter.Except[:len(filter.Except):len(filter.Except)], f.Except...)}
		}
	}
	return filter
}

// key returns the columns that the profile names as the table's key.
func (p *Profile) key(table string) []string {
	columns, _ := lookup(p, table, func(l *layer, found func(string, []string)) {
		for pattern, columns := range l.Key {
			found(pattern, columns)
		}
	})
	return columns
}

func (p *Profile) never(table string) bool {
	never, _ := lookup(p, table, func(l *layer, found func(string, bool)) {
		for _, pattern := range l.Never {
			found(pattern, true)
		}
		for _, pattern := range l.Travel {
			found(pattern, false)
		}
	})
	return never
}

// lookup returns what the latest file that names the table says of it, by its most specific pattern. say calls found for each
// rule of a file.
func lookup[T any](p *Profile, table string, say func(l *layer, found func(pattern string, value T))) (value T, ok bool) {
	if p == nil {
		return value, false
	}
	for i := len(p.layers) - 1; i >= 0 && !ok; i-- {
		best, by := -1, ""
		say(p.layers[i], func(pattern string, v T) {
			if !Matches(pattern, table) {
				return
			}
			if s := Specificity(pattern); s > best || s == best && pattern < by {
				value, ok, best, by = v, true, s, pattern
			}
		})
	}
	return value, ok
}

// Specificity ranks patterns: see [access.Specificity].
func Specificity(pattern string) int { return access.Specificity(pattern) }

// Matches compares s with a pattern: see [access.Matches].
func Matches(pattern, s string) bool { return access.Matches(pattern, s) }

func matchesAny(patterns []string, s string) bool {
	for _, p := range patterns {
		if Matches(p, s) {
			return true
		}
	}
	return false
}

func containsFold(list []string, s string) bool {
	for _, x := range list {
		if strings.EqualFold(x, s) {
			return true
		}
	}
	return false
}
