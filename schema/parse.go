package schema

import (
	"embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
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
	md, err := toml.Decode(string(data), l)
	if err != nil {
		return nil, fmt.Errorf("profile %s: %w", name, plainError(err))
	}
	if key := notTable(md); key != nil {
		return nil, fmt.Errorf("profile %s: line %d: %s must be a table of keys and values, not a %s", name, line(data, key), key, strings.ToLower(md.Type(key...)))
	}
	if unknown := md.Undecoded(); len(unknown) > 0 {
		return nil, fmt.Errorf("profile %s: line %d: unknown key %s", name, line(data, unknown[0]), unknown[0])
	}
	if key, err := l.check(); err != nil {
		return nil, fmt.Errorf("profile %s: line %d: %w", name, line(data, key), err)
	}
	p := &Profile{Name: name}
	if over != nil {
		p.layers = slices.Clone(over.layers)
	}
	p.layers = append(p.layers, l)
	return p, nil
}

// plainError words a syntax error with its line, without the library's name.
func plainError(err error) error {
	return errors.New(strings.TrimPrefix(err.Error(), "toml: "))
}

// notTable returns the first key that stands for a table but is none: the library takes that for an empty one.
func notTable(md toml.MetaData) toml.Key {
	for _, key := range md.Keys() {
		table := false
		switch key[0] {
		case "references":
			table = len(key) <= 2
		case "conditional":
			table = len(key) <= 2 || len(key) == 4 && key[3] == "targets"
		case "key", "natural", "exclude", "filter":
			table = len(key) == 1
		}
		if table && md.Type(key...) != "Hash" {
			return key
		}
	}
	return nil
}

// check returns the first rule that cannot be meant, and its key.
func (l *layer) check() (toml.Key, error) {
	lists := []struct {
		key  toml.Key
		list []string
	}{
		{toml.Key{"never"}, l.Never}, {toml.Key{"travel"}, l.Travel},
		{toml.Key{"direction", "both"}, l.Direction.Both}, {toml.Key{"direction", "down"}, l.Direction.Down},
		{toml.Key{"direction", "add"}, l.Direction.Add}, {toml.Key{"direction", "none"}, l.Direction.None},
		{toml.Key{"direction", "rights"}, l.Direction.Rights},
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
				return toml.Key{section.name, table}, fmt.Errorf("the key of table %s names no column", table)
			}
		}
	}
	for table, columns := range l.Conditional {
		for column, c := range columns {
			if c.Column == "" || len(c.Targets) == 0 {
				return toml.Key{"conditional", table, column}, errors.New("a conditional reference needs column (what decides) and targets")
			}
		}
	}
	for table, f := range l.Filter {
		if f.Column == "" {
			return toml.Key{"filter", table}, errors.New("a filter needs column")
		}
	}
	if r := l.Reindex; r != nil && (r.Table == "" || r.Column == "" || r.Value == "" || r.Blank == "" || len(r.When) == 0 || slices.Contains(r.When, "")) {
		return toml.Key{"reindex"}, errors.New("reindex needs table, column and value (which row), blank (the column to empty) and when (which tables)")
	}
	return nil, nil
}

// located fails to decode, so that the library says where the value is.
type located struct{}

func (*located) UnmarshalTOML(any) error { return errors.New("here") }

// line returns the line of a key, 1 if it is not to be found.
func line(data []byte, key toml.Key) int {
	var table map[string]toml.Primitive
	md, err := toml.Decode(string(data), &table)
	for i, part := range key {
		value, ok := table[part]
		if err != nil || !ok {
			break
		}
		if i < len(key)-1 {
			table = nil
			err = md.PrimitiveDecode(value, &table)
			continue
		}
		var parse toml.ParseError
		if errors.As(md.PrimitiveDecode(value, &located{}), &parse) {
			return parse.Position.Line
		}
	}
	return 1
}

// tomlKey writes a name as a TOML key.
func tomlKey(name string) string { return toml.Key{name}.String() }
