package schema

import (
	"embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/internal/tomlfile"
)

//go:embed profiles/*.toml
var profiles embed.FS

// Builtin returns a profile that comes with the program: "openmrs" or "none".
func Builtin(name string) (*Profile, error) {
	data, err := profiles.ReadFile("profiles/" + name + ".toml")
	if err != nil {
		return nil, fmt.Errorf("no built-in profile %q: use one of openmrs, none", name)
	}
	p, err := ParseProfile(name, data, nil)
	if err != nil {
		return nil, err
	}
	p.layers[0].builtin = true
	return p, nil
}

// Detect returns the name of the built-in profile that fits a database with those tables.
func Detect(tables []string) string {
	markers := []string{"person", "patient", "encounter", "obs", "concept", "concept_name", "users", "global_property"}
	for _, m := range markers {
		if !containsFold(tables, m) {
			return "none"
		}
	}
	return "openmrs"
}

// layer is one file of a profile, with the names that it uses.
type layer struct {
	origin  string
	builtin bool

	Never     []string `toml:"never"`
	Travel    []string `toml:"travel"`
	Direction struct {
		Both   []string `toml:"both"`
		Down   []string `toml:"down"`
		Add    []string `toml:"add"`
		None   []string `toml:"none"`
		Rights []string `toml:"rights"`
	} `toml:"direction"`
	Key         map[string][]string               `toml:"key"`
	Natural     map[string][]string               `toml:"natural"`
	Exclude     map[string]exclude                `toml:"exclude"`
	References  map[string]map[string]string      `toml:"references"`
	Undeclared  map[string]map[string]string      `toml:"undeclared"`
	Conditional map[string]map[string]conditional `toml:"conditional"`
	Filter      map[string]rowFilter              `toml:"filter"`
	Reindex     *reindex                          `toml:"reindex"`
}

type exclude struct {
	Up     []string `toml:"up"`
	Always []string `toml:"always"`
	Never  []string `toml:"never"`
}

type conditional struct {
	Via     string            `toml:"via"`
	Column  string            `toml:"column"`
	Beside  bool              `toml:"beside"`
	Targets map[string]string `toml:"targets"`
}

type rowFilter struct {
	Column string   `toml:"column"`
	Never  []string `toml:"never"`
	Except []string `toml:"except"`
}

type reindex struct {
	Table  string   `toml:"table"`
	Column string   `toml:"column"`
	Value  string   `toml:"value"`
	Blank  string   `toml:"blank"`
	When   []string `toml:"when"`
}

// ParseProfile reads a profile, to stand on top of another (nil: none). Unknown keys and rules that cannot be meant are errors
// that name the line. What the tables of a database have to say to it is seen by [Read].
func ParseProfile(name string, data []byte, over *Profile) (*Profile, error) {
	l := &layer{origin: name}
	f, err := tomlfile.Parse(data)
	if err == nil {
		err = checkTables(f)
	}
	if err == nil {
		err = f.Decode(l)
	}
	if err != nil {
		return nil, fmt.Errorf("profile %s: %w", name, err)
	}
	if key, err := l.check(); err != nil {
		return nil, fmt.Errorf("profile %s: line %d: %w", name, f.Line(key), err)
	}
	p := &Profile{Name: name}
	if over != nil {
		p.layers = slices.Clone(over.layers)
	}
	p.layers = append(p.layers, l)
	return p, nil
}

// checkTables returns an error for the first key that stands for a table but is none.
func checkTables(f *tomlfile.File) error {
	for _, e := range f.Entries() {
		key, table := e.Key, false
		switch key[0] {
		case "references", "undeclared":
			table = len(key) <= 2
		case "conditional":
			table = len(key) <= 2 || len(key) == 4 && key[3] == "targets"
		case "key", "natural", "exclude", "filter":
			table = len(key) == 1
		}
		if table && e.Kind != tomlfile.Table {
			return &tomlfile.Error{Line: e.Line, Key: key, Message: fmt.Sprintf("%s must be a table of keys and values, not a %s", key, e.Kind)}
		}
	}
	return nil
}

// check returns the first rule that cannot be meant, and its key.
func (l *layer) check() (tomlfile.Key, error) {
	lists := []struct {
		key  tomlfile.Key
		list []string
	}{
		{tomlfile.Key{"never"}, l.Never}, {tomlfile.Key{"travel"}, l.Travel},
		{tomlfile.Key{"direction", "both"}, l.Direction.Both}, {tomlfile.Key{"direction", "down"}, l.Direction.Down},
		{tomlfile.Key{"direction", "add"}, l.Direction.Add}, {tomlfile.Key{"direction", "none"}, l.Direction.None},
		{tomlfile.Key{"direction", "rights"}, l.Direction.Rights},
	}
	said := map[string]string{} // by question (never or travel; which direction): table → list
	for _, x := range lists {
		if slices.Contains(x.list, "") {
			return x.key, errors.New("an empty table name")
		}
		question := map[string]string{"never": "travel", "rights": "rights"}[x.key[len(x.key)-1]]
		if question == "" {
			question = x.key[0]
		}
		for _, table := range x.list {
			id := question + " " + strings.ToLower(table)
			if before := said[id]; before != "" {
				return x.key, fmt.Errorf("table %s is named twice: under %s and %s", table, before, x.key)
			}
			said[id] = x.key.String()
		}
	}
	for _, section := range []struct {
		name string
		keys map[string][]string
	}{{"key", l.Key}, {"natural", l.Natural}} {
		for table, columns := range section.keys {
			if len(columns) == 0 || slices.Contains(columns, "") {
				return tomlfile.Key{section.name, table}, fmt.Errorf("the key of table %s names no column", table)
			}
		}
	}
	for table, columns := range l.Undeclared {
		for column, text := range columns {
			if _, ok := parseUsual(text); !ok {
				return tomlfile.Key{"undeclared", table, column}, fmt.Errorf("%q names no table: write \"TABLE\", or \"TABLE where COLUMN else TABLE\"", text)
			}
		}
	}
	for table, columns := range l.Conditional {
		for column, c := range columns {
			if c.Column == "" || len(c.Targets) == 0 {
				return tomlfile.Key{"conditional", table, column}, errors.New("a conditional reference needs column (what decides) and targets")
			}
		}
	}
	for table, f := range l.Filter {
		if f.Column == "" {
			return tomlfile.Key{"filter", table}, errors.New("a filter needs column")
		}
	}
	if r := l.Reindex; r != nil && (r.Table == "" || r.Column == "" || r.Value == "" || r.Blank == "" || len(r.When) == 0 || slices.Contains(r.When, "")) {
		return tomlfile.Key{"reindex"}, errors.New("reindex needs table, column and value (which row), blank (the column to empty) and when (which tables)")
	}
	return nil, nil
}

// tomlKey writes a name as a TOML key.
func tomlKey(name string) string { return tomlfile.Key{name}.String() }
