package schema

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
)

// MaxContent is how many bytes the values of a row may have of which the text of [ContentSQL] is made.
const MaxContent = 64 << 10

// Contents returns the columns of a table whose values say what a row is: not what the server computes or what means something here alone.
func Contents(t *Table) (out []*Column) {
	for _, c := range t.Columns {
		if !c.Generated && !c.Local {
			out = append(out, c)
		}
	}
	return out
}

// ContentSQL returns the expression of a text that holds a row's values, of those columns, with the names of the columns, for
// [ParseContent]: parts as those of a local key, but for FLOAT and DOUBLE, which are whole. value is as in [KeySQL]. The expression does
// not depend on time zone, sql_mode, character set or collation of the session. It is NULL where max_allowed_packet is too small for it.
func ContentSQL(columns []*Column, value func(*Column) string) string {
	var parts []string
	for _, c := range columns {
		kind, v := keyPartKind(c), value(c)
		part, _ := keyPartSQL(c, v)
		if kind == keyFloat {
			part = v + "*1e0"
		}
		head := fmt.Sprintf("%X=", c.Name)
		if c.Nullable {
			parts = append(parts, fmt.Sprintf("IF(%s IS NULL, '%s-', CONCAT('%[2]s%d', %s))", v, head, kind, part))
		} else {
			parts = append(parts, fmt.Sprintf("CONCAT('%s%d', %s)", head, kind, part))
		}
	}
	// CONCAT_WS would leave out a part that is NULL for its length.
	return "CONCAT(" + strings.Join(parts, ", ',', ") + ")"
}

// SizeSQL returns the expression of how many bytes the values of those columns have that can be long.
func SizeSQL(columns []*Column, value func(*Column) string) string {
	sum := "0"
	for _, c := range columns {
		if kind := keyPartKind(c); kind == keyText || kind == keyBytes || c.Type == "json" {
			sum += " + IFNULL(LENGTH(" + value(c) + "), 0)"
		}
	}
	return sum
}

// ParseContent takes apart what [ContentSQL] made of a row of the table: the values by column, as [Column.Select] reads them in a
// session whose time zone is UTC; nil is NULL. What is of a column that is no more is left out. Error: a column is of another kind since,
// or the text is no such.
func ParseContent(t *Table, content []byte) (map[*Column][]byte, error) {
	byName := make(map[string]*Column, len(t.Columns))
	for _, c := range t.Columns {
		byName[fmt.Sprintf("%X", c.Name)] = c
	}
	out := map[*Column][]byte{}
	for part := range bytes.SplitSeq(content, []byte(",")) {
		name, value, ok := bytes.Cut(part, []byte("="))
		if !ok || len(value) == 0 {
			return nil, fmt.Errorf("%s: a part of a row has no value", t.Name)
		}
		c := byName[string(name)]
		if c == nil || c.Generated || c.Local {
			continue
		}
		if string(value) == "-" {
			out[c] = nil
			continue
		}
		kind := keyPartKind(c)
		if value[0] != byte('0'+kind) {
			return nil, fmt.Errorf("%s.%s is of another type now", t.Name, c.Name)
		}
		v, err := parsePart(c, kind, string(value[1:]))
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", t.Name, c.Name, err)
		}
		out[c] = v
	}
	return out, nil
}

// parsePart returns the value that a part of ContentSQL stands for.
func parsePart(c *Column, kind keyKind, part string) ([]byte, error) {
	switch kind {
	case keyFloat:
		return []byte(part), nil
	case keyText, keyBytes, keyOther:
		v, err := hex.DecodeString(part)
		return append([]byte{}, v...), err
	}
	parts, err := ParseKey([]*Column{c}, part)
	if err != nil {
		return nil, err
	}
	return parts[0], nil
}
