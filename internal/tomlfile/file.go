package tomlfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// Kind is what a key stands for.
type Kind string

const (
	Table   Kind = "table"
	List    Kind = "list" // of values, or of tables
	String  Kind = "string"
	Integer Kind = "integer"
	Float   Kind = "float"
	Boolean Kind = "boolean"
	Time    Kind = "time"
)

// Key is the path to a value, from the top of the file.
type Key []string

// String returns the key as TOML writes it.
func (k Key) String() string {
	parts := make([]string, len(k))
	for i, part := range k {
		if parts[i] = part; part == "" || strings.ContainsFunc(part, needsQuotes) {
			parts[i] = Quote(part)
		}
	}
	return strings.Join(parts, ".")
}

func needsQuotes(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-')
}

// Quote returns a text as a basic string of TOML, in double quotes. The escapes of JSON are among those of TOML, which wants one
// more: U+007F.
func Quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return `""` // a string always encodes
	}
	return strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\x7f", `\u007f`)
}

// Entry is a key of a file, where it first stands. A table that no header names, such as a in [a.b], is there too.
type Entry struct {
	Key  Key
	Kind Kind
	Line int // from 1
}

// File is a file whose syntax is right.
type File struct {
	data    []byte
	entries []Entry
	byKey   map[string]int // an index of entries

	offset, lines int // how many lines end before an offset: the last that was asked for
}

// Error is what is wrong with a file.
type Error struct {
	Line    int // from 1
	Key     Key // empty where the syntax is wrong
	Message string
}

// Error returns the message after its line.
func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Message) }

// Parse reads a file. Its error is an [*Error].
func Parse(data []byte) (*File, error) {
	f := &File{data: data, byKey: map[string]int{}}
	var all map[string]any
	if err := toml.Unmarshal(data, &all); err != nil { // the parser alone takes a key that is there twice
		return nil, f.explain(err)
	}
	var p unstable.Parser
	p.Reset(data)
	var table Key
	for p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.Table:
			table = f.addKey(nil, e, Table)
		case unstable.ArrayTable:
			table = f.addKey(nil, e, List)
		case unstable.KeyValue:
			f.addValue(table, e)
		}
	}
	return f, p.Error()
}

// addValue notes a key with its value, and the keys of an inline table.
func (f *File) addValue(table Key, e *unstable.Node) {
	v := e.Value()
	key := f.addKey(table, e, kinds[v.Kind])
	if v.Kind != unstable.InlineTable {
		return
	}
	for i := v.Children(); i.Next(); {
		if n := i.Node(); n.Kind == unstable.KeyValue {
			f.addValue(key, n)
		}
	}
}

var kinds = map[unstable.Kind]Kind{
	unstable.InlineTable: Table, unstable.Array: List, unstable.String: String, unstable.Bool: Boolean, unstable.Integer: Integer, unstable.Float: Float,
	unstable.LocalDate: Time, unstable.LocalTime: Time, unstable.LocalDateTime: Time, unstable.DateTime: Time,
}

// addKey notes a key and the tables on the way to it, unless they are known, and returns it.
func (f *File) addKey(table Key, e *unstable.Node, kind Kind) Key {
	key := slices.Clone(table)
	for i := e.Key(); i.Next(); {
		n := i.Node()
		key = append(key, string(n.Data))
		entry := Entry{slices.Clone(key), Table, f.lineAt(int(n.Raw.Offset))}
		if i.IsLast() {
			entry.Kind = kind
		}
		if id := key.String(); !f.has(id) {
			f.byKey[id] = len(f.entries)
			f.entries = append(f.entries, entry)
		}
	}
	return key
}

// lineAt returns the line of an offset. Keys are asked for in the order in which they stand, nearly: the library would count from the top each time.
func (f *File) lineAt(offset int) int {
	if offset < f.offset {
		f.offset, f.lines = 0, 0
	}
	f.lines += bytes.Count(f.data[f.offset:offset], []byte{'\n'})
	f.offset = offset
	return f.lines + 1
}

func (f *File) has(id string) bool {
	_, ok := f.byKey[id]
	return ok
}

// Entries returns the keys of the file, in its order.
func (f *File) Entries() []Entry { return f.entries }

// Has reports whether a key is there.
func (f *File) Has(key Key) bool { return f.has(key.String()) }

// Line returns the line of a key, 1 if it is not there.
func (f *File) Line(key Key) int {
	if i, ok := f.byKey[key.String()]; ok {
		return f.entries[i].Line
	}
	return 1
}

// Decode fills in a struct with toml tags. A key for which it has no field and a value of another type are errors: each an
// [*Error]. Fields have types of TOML's own: the library does not ask each UnmarshalText.
func (f *File) Decode(into any) error {
	d := toml.NewDecoder(bytes.NewReader(f.data))
	d.DisallowUnknownFields()
	return f.explain(d.Decode(into))
}

// explain words an error of the library without the names of Go's types.
func (f *File) explain(err error) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) && len(unknown.Errors) > 0 {
		e := &unknown.Errors[0]
		line, _ := e.Position()
		return &Error{line, Key(e.Key()), "unknown key " + Key(e.Key()).String()}
	}
	var e *toml.DecodeError
	if !errors.As(err, &e) {
		return err
	}
	line, _ := e.Position()
	out := &Error{line, Key(e.Key()), strings.TrimPrefix(e.Error(), "toml: ")}
	if i, ok := f.byKey[out.Key.String()]; ok && mismatch(out.Message) {
		if out.Message = fmt.Sprintf("%s cannot be %s", out.Key, article(f.entries[i].Kind)); f.entries[i].Kind == List {
			out.Message = fmt.Sprintf("%s holds a value of another type", out.Key)
		}
	}
	return out
}

func mismatch(message string) bool {
	return strings.HasPrefix(message, "cannot decode TOML ") || strings.HasPrefix(message, "cannot store ")
}

func article(k Kind) string {
	if k == Integer {
		return "an integer"
	}
	return "a " + string(k)
}
