package schema

import (
	"embed"
	"fmt"
	"slices"

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
		Up     []string `toml:"up"`
		Rights []string `toml:"rights"`

		Owners  []string `toml:"owners"` // nil: not said
		NotBy   []string `toml:"not_by"`
		Staff   []string `toml:"staff"`
		Code    []string `toml:"code"`
		NotCode []string `toml:"not_code"`
	} `toml:"direction"`
	Key         map[string][]string               `toml:"key"`
	Natural     map[string]any                    `toml:"natural"`
	Label       map[string]any                    `toml:"label"`
	Exclude     map[string]exclude                `toml:"exclude"`
	References  map[string]map[string]string      `toml:"references"`
	Undeclared  map[string]map[string]string      `toml:"undeclared"`
	Conditional map[string]map[string]conditional `toml:"conditional"`
	Filter      map[string]rowFilter              `toml:"filter"`
	Secret      map[string]secret                 `toml:"secret"`
	Names       map[string]loginNames             `toml:"names"`
	Reindex     *reindex                          `toml:"reindex"`
	NewClinic   *newClinic                        `toml:"new_clinic"`
	Distinct    map[string]distinct               `toml:"distinct"`
	Bookkeeping map[string][]string               `toml:"bookkeeping"`
	Called      map[string]called                 `toml:"called"`
	Owner       ownerSection                      `toml:"owner"`

	byColumn map[string][]undeclared // what Undeclared says: by column, in small letters

	natural map[string]map[string]natural // what Natural says: by table and the name of a rule
	label   map[string]natural
}

type secret struct {
	Columns []string `toml:"columns"`
	Roles   string   `toml:"roles"`
	Row     string   `toml:"row"`
	Role    string   `toml:"role"`
}

type loginNames struct {
	Columns  []string `toml:"columns"`
	Numbered []string `toml:"numbered"`
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
	key, err := l.readNatural()
	if err == nil {
		key, err = l.check()
	}
	if err != nil {
		return nil, fmt.Errorf("profile %s: line %d: %w", name, f.Line(key), err)
	}
	l.sortUndeclared()
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
		case "key", "natural", "label", "exclude", "filter", "secret", "names", "distinct", "bookkeeping":
			table = len(key) == 1
		case "owner":
			table = len(key) == 1 || len(key) == 2 && key[1] == "by"
		case "called":
			table = len(key) <= 2
		case "new_clinic":
			table = len(key) == 1 || len(key) == 2 && slices.Contains([]string{"with", "only", "set", "account"}, key[1])
		}
		if table && e.Kind != tomlfile.Table {
			return &tomlfile.Error{Line: e.Line, Key: key, Message: fmt.Sprintf("%s must be a table of keys and values, not a %s", key, e.Kind)}
		}
	}
	return nil
}

// tomlKey writes a name as a TOML key.
func tomlKey(name string) string { return tomlfile.Key{name}.String() }
