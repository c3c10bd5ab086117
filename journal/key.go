package journal

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/schema"
)

// A row's key is what identifies it everywhere: one string, made of the parts that its table's key columns give. A part
// that refers to a row is that row's key. A key of one part is the part itself (but for a text that looks like NULL); several
// are joined by the ASCII unit separator, inside which a separator is escaped.
const (
	separator = '\x1f'
	escape    = '\x1e'
	null      = "\x1eN"
)

// JoinKey returns the key that parts make; a nil part is NULL.
func JoinKey(parts []*string) string {
	if len(parts) == 1 && parts[0] != nil {
		if looksNull(*parts[0]) {
			return string(escape) + *parts[0]
		}
		return *parts[0]
	}
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteByte(separator)
		}
		if p == nil {
			b.WriteString(null)
			continue
		}
		for j := 0; j < len(*p); j++ {
			if c := (*p)[j]; c == separator || c == escape {
				b.WriteByte(escape)
			}
			b.WriteByte((*p)[j])
		}
	}
	return b.String()
}

// looksNull reports whether a text is what stands for NULL, with any number of escapes before it: as the only part of a key, which has
// no others, it gets one escape more.
func looksNull(s string) bool {
	return len(s) >= len(null) && s[len(s)-1] == null[1] && strings.Trim(s[:len(s)-1], string(escape)) == ""
}

// SplitKey returns the n parts of a key; false if it has another number.
func SplitKey(key string, n int) ([]*string, bool) {
	if n == 1 {
		if part, ok := KeyPart(key); ok {
			return []*string{&part}, true
		}
	}
	var parts []*string
	var b []byte
	isNull := false
	end := func() {
		if isNull {
			parts = append(parts, nil)
		} else {
			s := string(b)
			parts = append(parts, &s)
		}
		b, isNull = nil, false
	}
	for i := 0; i < len(key); i++ {
		switch c := key[i]; {
		case c == separator:
			end()
		case c == escape && i+1 < len(key):
			i++
			if key[i] == 'N' && len(b) == 0 {
				isNull = true
			} else {
				b = append(b, key[i])
			}
		default:
			b = append(b, c)
		}
	}
	end()
	return parts, len(parts) == n
}

// KeyPart returns the part that a key of one part has; false if it is NULL.
func KeyPart(key string) (part string, ok bool) {
	if key == null {
		return "", false
	}
	if looksNull(key) {
		return key[1:], true
	}
	return key, true
}

// Canonical returns the form of a table's key in which keys are compared and kept: uuids count in either case, as the
// columns' collations have it, and a number with a point however a server prints it.
func Canonical(t *schema.Table, key string) string {
	t = t.Root
	if len(t.KeyColumns) == 1 {
		return CanonicalPart(t.KeyColumns[0], key)
	}
	parts, ok := SplitKey(key, len(t.KeyColumns))
	if !ok {
		return key
	}
	for i, c := range t.KeyColumns {
		if parts[i] != nil {
			s := CanonicalPart(c, *parts[i])
			parts[i] = &s
		}
	}
	return JoinKey(parts)
}

// CanonicalPart is [Canonical] for the value of one key column.
func CanonicalPart(c *schema.Column, part string) string {
	switch {
	case c.Ref != nil:
		return Canonical(c.Ref.To, part)
	case c.UUIDColumn && c.Charset != "": // bytes have no small letters
		return strings.ToLower(part)
	case c.Type == "double" || c.Type == "float":
		if f, err := strconv.ParseFloat(part, 64); err == nil {
			return strconv.FormatFloat(f, 'g', -1, 64)
		}
	}
	return part
}

// CanonicalBytes is [CanonicalPart] for bytes; those of a uuid in small letters it returns as they are.
func CanonicalBytes(c *schema.Column, part []byte) []byte {
	if c.UUIDColumn && c.Ref == nil && isSmall(part) {
		return part
	}
	return []byte(CanonicalPart(c, string(part)))
}

// isSmall reports whether a text is ASCII without capital letters. It looks at eight bytes at once: digests ask it for every row.
func isSmall(b []byte) bool {
	const each = 0x0101010101010101
	for ; len(b) >= 8; b = b[8:] {
		x := binary.LittleEndian.Uint64(b)
		fromA, fromZ := x+(0x80-'A')*each, x+(0x80-'Z'-1)*each // the highest bit of a byte says whether it is that or more, if all are ASCII
		if (x|fromA&^fromZ)&(0x80*each) != 0 {
			return false
		}
	}
	for _, c := range b {
		if c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

// MapKey returns a key of a root table with each key that it is made of, and it itself, replaced by what f returns for it.
func MapKey(t *schema.Table, key string, f func(*schema.Table, string) string) string {
	parts, ok := SplitKey(key, len(t.KeyColumns))
	if !ok {
		return key
	}
	nested := false
	for i, c := range t.KeyColumns {
		if c.Ref != nil && c.Ref.When == nil && parts[i] != nil {
			part := MapKey(c.Ref.To.Root, *parts[i], f)
			parts[i], nested = &part, true
		}
	}
	if nested {
		key = JoinKey(parts)
	}
	return f(t, key)
}

// FilteredOut reports whether a filter keeps the rows of a key where they are, and whether it looks at the key at all: if not,
// only the row itself tells.
func FilteredOut(t *schema.Table, f *schema.RowFilter, key string) (stays, known bool) {
	if f == nil {
		return false, true
	}
	for p, c := range t.KeyColumns {
		if strings.EqualFold(c.Name, f.Column) {
			parts, ok := SplitKey(key, len(t.KeyColumns))
			return ok && parts[p] != nil && f.Match(*parts[p]), true
		}
	}
	return false, false
}

// IsNumber reports whether a value of a conditional reference can be a row's integer.
func IsNumber(v []byte) bool {
	return len(v) > 0 && len(v) <= 18 && !slices.ContainsFunc(v, func(c byte) bool { return c < '0' || c > '9' })
}

// Discriminator returns a function that says of values of a condition's deciding column what they mean: themselves, or what the
// rows that they refer to say. Condition.Target takes the answer.
func Discriminator(ctx context.Context, q sqldb.DB, w *schema.Condition) (func(string) string, error) {
	formats, err := Formats(ctx, q, w)
	if err != nil {
		return nil, err
	}
	if formats == nil {
		return func(v string) string { return v }, nil
	}
	return func(v string) string { return formats[v] }, nil
}

// Formats returns what values of a condition's deciding column mean, where rows say that to which they refer; nil where they mean themselves.
func Formats(ctx context.Context, q sqldb.DB, w *schema.Condition) (map[string]string, error) {
	if w.Via == nil {
		return nil, nil
	}
	formats := map[string]string{}
	query := fmt.Sprintf("SELECT %s, %s FROM %s", schema.Quote(w.Via.Ref.ToColumn.Name), schema.Quote(w.LookupColumn.Name), schema.Quote(w.Lookup.Name))
	err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		formats[string(r[0])] = string(r[1])
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", w.Lookup.Name, err)
	}
	return formats, nil
}

// Identity returns the SQL expressions that give a row's local identity: its integer, and its local key. prefix is "" or a table
// alias with its dot.
func Identity(t *schema.Table, prefix string) string {
	if t.Integer != nil {
		return prefix + schema.Quote(t.Integer.Name) + ", ''"
	}
	return "0, " + schema.LocalKeySQL(t, prefix)
}

// maxPrinted is how many bytes a key has that people read: three uuids and some.
const maxPrinted = 120

// PrintableKey returns a key as people can read it, with nothing in it that a terminal obeys, that changes the order of what stands
// beside it, or that is about a patient, and at most 120 bytes long. Of a key that is not a uuid, only the uuids in it.
func PrintableKey(t *schema.Table, key string) string {
	t = t.Root
	parts, ok := SplitKey(key, len(t.KeyColumns))
	if !ok {
		return "?"
	}
	var out []string
	for i, c := range t.KeyColumns {
		switch {
		case parts[i] == nil:
			out = append(out, "NULL")
		case c.Ref != nil && c.Ref.To != nil:
			out = append(out, PrintableKey(c.Ref.To, *parts[i]))
		case c.UUIDColumn && c.Charset == "":
			out = append(out, fmt.Sprintf("%x", *parts[i]))
		case c.UUIDColumn:
			out = append(out, strings.Map(func(r rune) rune {
				if !unicode.IsPrint(r) {
					return -1
				}
				return r
			}, *parts[i]))
		default:
			out = append(out, "*")
		}
	}
	return Cut(strings.Join(out, "/"), maxPrinted)
}

// Cut returns a text, and of one with more bytes than limit as much of its beginning as has room beside "…".
func Cut(text string, limit int) string {
	const more = "…"
	if len(text) <= limit {
		return text
	}
	n := max(limit-len(more), 0)
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + more
}
