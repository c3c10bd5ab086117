package schema

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/omsync/omsync/internal/tomlfile"
)

// A NaturalKey is by what rows of a table that two sites made apart are recognised as one: values of the row itself, or of rows that
// belong to it. A part that is a reference stands for the row it refers to: it is the same at both sites if that row is. A part that is
// NULL or empty makes no natural key.
type NaturalKey struct {
	Name    string    // what people call it: "name", "mapping"
	Table   *Table    // whose rows it is a key of
	Of      *Table    // the table with the columns: Table, or one whose rows belong to it; one row may have several keys then
	By      *Column   // the column of Of that says to which row of Table a row of Of belongs; nil if Of is Table
	Columns []*Column // the parts
	Where   []Fixed   // only rows of Of with these values have a key
	Only    []string  // only these values of the first part, compared without case; none: all
	Certain bool      // two rows with one key are the same, without a question; otherwise it speaks for that
	// Supports: it speaks for or against what another key proposes, and proposes nothing by itself.
	Supports bool
}

// Fixed is a column with the value that it must have.
type Fixed struct {
	Column *Column
	Value  string
}

// natural is a rule of a profile.
type natural struct {
	Columns []string
	Of, By  string
	Where   map[string]string
	Only    []string
	Certain bool
	// Supports is NaturalKey.Supports.
	Supports bool
}

// NaturalKeys returns the natural keys of a table, certain ones first and then by name. A rule of a built-in profile that names what this
// database does not have is left out: versions of a data model differ.
func (p *Profile) NaturalKeys(c *Catalogue, t *Table) []*NaturalKey {
	rules, _ := lookup(p, t.Name, func(l *layer, found func(string, map[string]natural)) {
		for pattern, rules := range l.natural {
			found(pattern, rules)
		}
	})
	var out []*NaturalKey
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		if k := rules[name].in(c, t, name); k != nil {
			out = append(out, k)
		}
	}
	slices.SortStableFunc(out, func(a, b *NaturalKey) int {
		switch {
		case a.Certain == b.Certain:
			return 0
		case a.Certain:
			return -1
		}
		return 1
	})
	return out
}

// in returns the rule as a key of a table; nil if the database has not what it names.
func (r natural) in(c *Catalogue, t *Table, name string) *NaturalKey {
	k := &NaturalKey{Name: name, Table: t, Of: t, Only: r.Only, Certain: r.Certain, Supports: r.Supports}
	if r.Of != "" {
		if k.Of = c.Named(r.Of); k.Of == nil {
			return nil
		}
		k.By = k.Of.Column(r.By)
		if k.By == nil || !belongs(k.By, t) {
			return nil
		}
	}
	for _, column := range r.Columns {
		part := k.Of.Column(column)
		if part == nil || part.Ref != nil && part.Ref.When != nil {
			return nil
		}
		k.Columns = append(k.Columns, part)
	}
	for _, column := range slices.Sorted(maps.Keys(r.Where)) {
		fixed := k.Of.Column(column)
		if fixed == nil {
			return nil
		}
		k.Where = append(k.Where, Fixed{fixed, r.Where[column]})
	}
	return k
}

// belongs reports whether a column says to which row of t its own row belongs: it refers to it, or is the key that both share.
func belongs(by *Column, t *Table) bool {
	if by.Ref == nil {
		return by == by.Table.Integer && by.Table.Root == t.Root
	}
	return by.Ref.When == nil && by.Ref.To.Root == t.Root
}

// Label returns the columns whose values tell people which row it is, in the table itself or in one whose rows belong to it (by its column
// by), of which the first counts; none: the profile says nothing, or names what is not there.
func (p *Profile) Label(c *Catalogue, t *Table) *NaturalKey {
	r, ok := lookup(p, t.Name, func(l *layer, found func(string, natural)) {
		for pattern, r := range l.label {
			found(pattern, r)
		}
	})
	if !ok {
		return nil
	}
	return r.in(c, t, "label")
}

// readNatural reads [natural] and [label]. A list of columns, which is what natural took before it was used, is a key that is not certain.
func (l *layer) readNatural() (tomlfile.Key, error) {
	l.natural, l.label = map[string]map[string]natural{}, map[string]natural{}
	for table, value := range l.Natural {
		key := tomlfile.Key{"natural", table}
		if list, ok := value.([]any); ok {
			r, err := readRule(map[string]any{"columns": list})
			if err != nil {
				return key, err
			}
			l.natural[table] = map[string]natural{"key": r}
			continue
		}
		rules, ok := value.(map[string]any)
		if !ok {
			return key, fmt.Errorf("%s must be a table of rules, each with a name", key)
		}
		l.natural[table] = map[string]natural{}
		for name, value := range rules {
			r, err := readRule(value)
			if err != nil {
				return append(key, name), err
			}
			l.natural[table][name] = r
		}
	}
	for table, value := range l.Label {
		if list, ok := value.([]any); ok {
			value = map[string]any{"columns": list}
		}
		r, err := readRule(value)
		if err != nil {
			return tomlfile.Key{"label", table}, err
		}
		l.label[table] = r
	}
	return nil, nil
}

// readRule reads one rule of [natural] or [label].
func readRule(value any) (r natural, err error) {
	fields, ok := value.(map[string]any)
	if !ok {
		return r, errors.New("a natural key is a table with columns, and perhaps of with by, where, only and certain")
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		ok := true
		switch v := fields[name]; name {
		case "columns":
			r.Columns, ok = texts(v)
		case "only":
			r.Only, ok = texts(v)
		case "of":
			r.Of, ok = v.(string)
		case "by":
			r.By, ok = v.(string)
		case "certain":
			r.Certain, ok = v.(bool)
		case "supports":
			r.Supports, ok = v.(bool)
		case "where":
			r.Where, ok = textsByName(v)
		default:
			return r, fmt.Errorf("unknown key %s: a natural key has columns, of, by, where, only, certain and supports", name)
		}
		if !ok {
			return r, fmt.Errorf("%s holds a value of another type", name)
		}
	}
	if len(r.Columns) == 0 || slices.Contains(r.Columns, "") {
		return r, errors.New("a natural key needs columns")
	}
	if r.Certain && r.Supports {
		return r, errors.New("a natural key that is certain needs no other: certain or supports")
	}
	if (r.Of == "") != (r.By == "") {
		return r, errors.New("a natural key of rows that belong to the table's needs both: of (their table) and by (their column that refers to it)")
	}
	return r, nil
}

func texts(v any) (out []string, ok bool) {
	list, ok := v.([]any)
	for _, x := range list {
		s, text := x.(string)
		out, ok = append(out, s), ok && text
	}
	return out, ok
}

func textsByName(v any) (map[string]string, bool) {
	fields, ok := v.(map[string]any)
	out := map[string]string{}
	for name, x := range fields {
		s, text := x.(string)
		out[name], ok = s, ok && text
	}
	return out, ok
}

// naturalTables calls see for each table and column that [natural] and [label] name.
func (l *layer) naturalTables(see func(pattern, where string, columns ...string)) {
	one := func(pattern, where string, r natural) {
		if r.Of == "" {
			see(pattern, where, slices.Concat(r.Columns, slices.Collect(maps.Keys(r.Where)))...)
			return
		}
		see(pattern, where)
		see(r.Of, where, slices.Concat(r.Columns, slices.Collect(maps.Keys(r.Where)), []string{r.By})...)
	}
	for pattern, rules := range l.natural {
		for name, r := range rules {
			one(pattern, cmp.Or("natural."+strings.TrimSpace(name), "natural"), r)
		}
	}
	for pattern, r := range l.label {
		one(pattern, "label", r)
	}
}
