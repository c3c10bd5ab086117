package schema

import (
	"fmt"
	"strings"

	"github.com/omsync/omsync/internal/tomlfile"
)

// ownerSection is what a file says of owners.
type ownerSection struct {
	Table  string              `toml:"table"`
	By     map[string][]string `toml:"by"`
	Nobody []string            `toml:"nobody"`
}

// ownerRule is what a file says of one table.
type ownerRule struct {
	table   string // whose rows are owners
	columns []string
	nobody  bool

	pattern string
	from    *layer
}

// ownerTable returns the table whose rows are owners: the latest file that names one counts.
func (p *Profile) ownerTable() (r ownerRule) {
	if p == nil {
		return r
	}
	for _, l := range p.layers {
		if l.Owner.Table != "" {
			r = ownerRule{table: l.Owner.Table, from: l}
		}
	}
	return r
}

// ownerRule returns what the profile says by name of the owners of a table's rows.
func (p *Profile) ownerRule(table string) (ownerRule, bool) {
	return lookup(p, table, func(l *layer, found func(string, ownerRule)) {
		for pattern, columns := range l.Owner.By {
			found(pattern, ownerRule{columns: columns, pattern: pattern, from: l})
		}
		for _, pattern := range l.Owner.Nobody {
			found(pattern, ownerRule{nobody: true, pattern: pattern, from: l})
		}
	})
}

// fail notes the first rule of a node's own file that is wrong. The built-in profile serves many versions of a data model.
func (f *finder) fail(r ownerRule, where, format string, args ...any) {
	if f.problem == nil && r.from != nil && !r.from.builtin {
		f.problem = fmt.Errorf("profile %s: %s: %s", r.from.origin, where, fmt.Sprintf(format, args...))
	}
}

// failExact notes that what the profile says of a table by its full name is wrong. What a pattern says need not fit every table.
func (f *finder) failExact(r ownerRule, t *Table, format string, args ...any) {
	if !strings.Contains(r.pattern, "*") {
		f.fail(r, "owner.by."+tomlKey(t.Name), format, args...)
	}
}

// failCircle notes that the path of a table leads back to where it was: by the rule of one of those between, since a path that is found
// never does.
func (f *finder) failCircle(from, back *Table) {
	names, i := []string{}, len(f.open)-1
	for ; f.open[i] != back; i-- {
		names = append([]string{f.open[i].Name}, names...)
	}
	names = append(append([]string{back.Name}, names...), back.Name)
	for _, t := range append([]*Table{from}, f.open[i:]...) {
		if r := f.said[t]; r.columns != nil {
			f.failExact(r, t, "it leads in a circle (%s): name a column that leads to an owner", strings.Join(names, " → "))
		}
	}
}

// checkOwner returns the first thing about owners that cannot be meant, and its key.
func (l *layer) checkOwner() (tomlfile.Key, error) {
	said := map[string]bool{}
	for table, columns := range l.Owner.By {
		for _, c := range columns {
			if c == "" {
				return tomlfile.Key{"owner", "by", table}, fmt.Errorf("table %s belongs by a column without a name: name one, or none with []", table)
			}
		}
		said[strings.ToLower(table)] = true
	}
	for _, table := range l.Owner.Nobody {
		if table == "" {
			return tomlfile.Key{"owner", "nobody"}, fmt.Errorf("an empty table name")
		}
		if said[strings.ToLower(table)] {
			return tomlfile.Key{"owner", "nobody"}, fmt.Errorf("table %s is named twice: under owner.by and owner.nobody", table)
		}
	}
	return nil, nil
}
