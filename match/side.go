package match

import (
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Side is what one of the two databases holds.
type Side struct {
	Node   string   // its name
	Tables []*Table // referred tables before those that refer to them
}

// Table is the rows of one table with what they are compared by.
type Table struct {
	Name string
	Root string // the table whose rows' keys these are: a patient's are its person's
	// KeyRefs are, for each part of the rows' keys, the root of the table that it refers to; nil: no part refers to a row.
	KeyRefs []string
	Keys    []Key
	Unique  []Key // values that no two rows of one database may have
	Sends   bool  // rows that are made here go to the other side
	Rows    []Row
}

// Key is a natural key, or a unique index.
type Key struct {
	Name              string   // what people call it
	Refs              []string // for each part the root of the table that it refers to; "": it is a plain value
	Only              []string // only these values of the first part make a key; none: all
	Certain, Supports bool     // see schema.NaturalKey
}

// Parts are the values of a natural key, a unique index or a key of several parts; nil is NULL. References are keys of rows.
type Parts []*string

// Row is one row.
type Row struct {
	Key      string    // what identifies it everywhere
	KeyParts Parts     // the parts of Key, where the table has KeyRefs
	Label    string    // by what people know it
	Natural  [][]Parts // for each of the table's Keys those of the row: several where others' rows belong to it
	Unique   []Parts   // for each of the table's Unique
	Seen     bool      // the other side has had this row from here
}

// Table returns the table of that name, or nil.
func (s *Side) Table(name string) *Table {
	for _, t := range s.Tables {
		if strings.EqualFold(t.Name, name) {
			return t
		}
	}
	return nil
}

// Fold returns the form in which values of natural keys are compared: without case, without blanks at their ends, and composed.
func Fold(s string) string {
	return strings.TrimSpace(caseless(s))
}

func caseless(s string) string { return cases.Fold().String(norm.NFC.String(s)) }

// foldUnique returns the form in which values of unique indexes are compared: for the usual collations of MySQL, accents do not count
// either, nor do blanks at the end.
func foldUnique(s string) string {
	return strings.TrimRight(caseless(strings.Map(func(r rune) rune {
		if norm.NFD.PropertiesString(string(r)).CCC() != 0 {
			return -1
		}
		return r
	}, norm.NFD.String(s))), " ")
}

// join makes one text of parts; false if one is NULL, or empty where empty values do not count. fold and to are applied to plain values and to references.
func join(parts Parts, refs []string, fold func(string) string, to func(root, key string) (string, bool)) (string, bool) {
	var b strings.Builder
	for i, p := range parts {
		if p == nil {
			return "", false
		}
		s, ok := *p, true
		if refs[i] != "" {
			s, ok = to(refs[i], s)
		} else {
			s = fold(s)
			ok = s != ""
		}
		if !ok {
			return "", false
		}
		writePart(&b, s)
	}
	return b.String(), len(parts) > 0
}

// writePart writes a part so that other parts cannot be taken for it.
func writePart(b *strings.Builder, s string) {
	b.WriteString(strings.ReplaceAll(strings.ReplaceAll(s, "\x1e", "\x1e\x1e"), "\x1f", "\x1e\x1f"))
	b.WriteByte('\x1f')
}

// counts reports whether a natural key's first part is one that makes a key.
func (k *Key) counts(parts Parts) bool {
	if len(k.Only) == 0 {
		return true
	}
	for _, only := range k.Only {
		if len(parts) > 0 && parts[0] != nil && Fold(*parts[0]) == Fold(only) {
			return true
		}
	}
	return false
}

// Text returns a natural key's values as people read them. References are given by what label says of them.
func (p Parts) Text(refs []string, label func(root, key string) string) string {
	var out []string
	for i, v := range p {
		switch {
		case v == nil:
		case refs[i] != "":
			out = append(out, label(refs[i], *v))
		default:
			out = append(out, *v)
		}
	}
	return strings.Join(out, ", ")
}
