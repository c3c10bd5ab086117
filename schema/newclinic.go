package schema

import (
	"maps"
	"slices"
	"strings"
)

// NewClinic says which rows a site needs in its tables before its first exchange, so that the application starts: those that nobody
// sends, and those without which nobody could log in.
type NewClinic struct {
	Rows []string          // patterns of tables whose rows are all taken
	With map[string]string // table → column: rows are taken whose column refers to a row that is taken
	Only map[string]NewClinicRows
	Set  map[string]map[string]string // table → column → value; empty: NULL

	// Account is the table of the people who log in. Rows that are taken may refer to its rows and to People's: these are taken too.
	Account        string
	Names          []string // its columns with the names by which people log in
	First          string   // the name of the one who gets a password
	Also           []string // names of others that the application needs
	Password, Salt string   // the columns for the password
	Retired        string   // the column that is not 0 where nobody can log in
	People         []string
}

// NewClinicRows are the rows of one table, by the value of a column.
type NewClinicRows struct {
	Column   string   `toml:"column"`
	Take     []string `toml:"take"`     // patterns of values that are taken; none: all
	Although []string `toml:"although"` // patterns of values that are taken although a filter keeps them where they are
}

// newClinic is the section of a file.
type newClinic struct {
	Rows    []string                     `toml:"rows"`
	With    map[string]string            `toml:"with"`
	Only    map[string]NewClinicRows     `toml:"only"`
	Set     map[string]map[string]string `toml:"set"`
	Account struct {
		Table    string   `toml:"table"`
		Names    []string `toml:"names"`
		First    string   `toml:"first"`
		Also     []string `toml:"also"`
		Password string   `toml:"password"`
		Salt     string   `toml:"salt"`
		Retired  string   `toml:"retired"`
		People   []string `toml:"people"`
	} `toml:"account"`
}

// NewClinic returns what a new site needs, or nil where no file says it. What a later file says of a table or the account stands before an
// earlier one; lists of tables are added up.
func (p *Profile) NewClinic() *NewClinic {
	if p == nil {
		return nil
	}
	var out *NewClinic
	for _, l := range p.layers {
		n := l.NewClinic
		if n == nil {
			continue
		}
		if out == nil {
			out = &NewClinic{With: map[string]string{}, Only: map[string]NewClinicRows{}, Set: map[string]map[string]string{}}
		}
		out.Rows = append(out.Rows, n.Rows...)
		maps.Copy(out.With, n.With)
		maps.Copy(out.Only, n.Only)
		maps.Copy(out.Set, n.Set)
		if a := n.Account; a.Table != "" {
			out.Account, out.Names, out.First, out.Also = a.Table, a.Names, a.First, a.Also
			out.Password, out.Salt, out.Retired, out.People = a.Password, a.Salt, a.Retired, a.People
		}
	}
	return out
}

// Whole reports whether all rows of a table are taken.
func (n *NewClinic) Whole(table string) bool { return matchesAny(n.Rows, table) }

// Takes reports whether a row is taken by the value of its column, where filter is what keeps rows of the table where they are (nil: nothing).
// Rows without a value are not.
func (r NewClinicRows) Takes(value string, filter *RowFilter) bool {
	if len(r.Take) > 0 && !matchesAny(r.Take, value) {
		return false
	}
	return filter == nil || !strings.EqualFold(filter.Column, r.Column) || !filter.Match(value) || matchesAny(r.Although, value)
}

// incomplete reports whether the section cannot be meant.
func (n *newClinic) incomplete() bool {
	a := n.Account
	some := a.Table != "" || len(a.Names) > 0 || a.First != "" || a.Password != "" || a.Salt != ""
	all := a.Table != "" && len(a.Names) > 0 && a.First != "" && a.Password != "" && a.Salt != ""
	only := slices.ContainsFunc(slices.Collect(maps.Values(n.Only)), func(r NewClinicRows) bool { return r.Column == "" })
	return some && !all || only || slices.Contains(n.Rows, "") || slices.Contains(slices.Collect(maps.Values(n.With)), "")
}

// Distinct says that no two rows of a table may have the same values, where the database lets them: the application looks rows up by these.
type Distinct struct {
	Columns []string
	Voided  string // rows in which this column is not 0 do not count; empty: all count
	Of      string // the values are one where this column is one too; empty: never
	// A row counts only where the row of another table to which its column Via refers has another value in Unless than Is, and where
	// the column Beside has Local, rows with different values in Place are different. All may be empty.
	Via, Unless, Is, Beside, Local, Place string
	Help                                  string // what to do
}

// distinct is the section of a file.
type distinct struct {
	Columns []string `toml:"columns"`
	Voided  string   `toml:"voided"`
	Of      string   `toml:"of"`
	Via     string   `toml:"via"`
	Unless  string   `toml:"unless"`
	Is      string   `toml:"is"`
	Beside  string   `toml:"beside"`
	Local   string   `toml:"local"`
	Place   string   `toml:"place"`
	Help    string   `toml:"help"`
}

// Distinct returns what must be different in the rows of a table, or nil.
func (p *Profile) Distinct(table string) *Distinct {
	d, ok := lookup(p, table, func(l *layer, found func(string, distinct)) {
		for pattern, d := range l.Distinct {
			found(pattern, d)
		}
	})
	if !ok || len(d.Columns) == 0 {
		return nil
	}
	out := Distinct(d)
	return &out
}
