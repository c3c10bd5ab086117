package journal

import (
	"errors"
	"maps"
	"unicode/utf8"
)

// Content is the values of a row, by the names of their columns, so that they mean the same everywhere. A generated column has none.
type Content map[string]Value

// Value is one value of a row.
type Value struct {
	Text *string // as text; nil: NULL. Of a reference the key of its row, canonical
	// Table is of a reference the table that the key is of: where a column refers to one only in some rows, the row's own. Empty: a
	// plain value, or one of a reference that points to no row.
	Table string
}

// contentRecord is a [Content] as omsync_deleted.content holds it. JSON has only text: what is none is in Bytes and KeyBytes,
// and so is a long text of which JSON would make a much longer one.
type contentRecord struct {
	Version    int                        `json:"version"`
	Values     map[string]*string         `json:"values,omitempty"` // null: NULL
	Bytes      map[string][]byte          `json:"bytes,omitempty"`
	References map[string]referenceRecord `json:"references,omitempty"`
	TooLong    bool                       `json:"too_long,omitempty"` // the values were too long to be kept: there is nothing else
}

// errTooLong is what decodeContent returns of a row whose values were too long to be kept.
var errTooLong = errors.New("the row was too long to be kept")

type referenceRecord struct {
	Table    string `json:"table"`
	Key      string `json:"key,omitempty"`
	KeyBytes []byte `json:"key_bytes,omitempty"`
}

func encodeContent(c Content) ([]byte, error) {
	r := contentRecord{Version: recordVersion}
	for name, v := range c {
		switch {
		case v.Text != nil && v.Table != "":
			ref := referenceRecord{Table: v.Table, Key: *v.Text}
			if !utf8.ValidString(*v.Text) {
				ref.Key, ref.KeyBytes = "", []byte(*v.Text)
			}
			put(&r.References, name, ref)
		case v.Text != nil && (!utf8.ValidString(*v.Text) || grows(*v.Text)):
			put(&r.Bytes, name, []byte(*v.Text))
		default:
			put(&r.Values, name, v.Text)
		}
	}
	return encodeRecord("row that was deleted", r)
}

// grows reports whether a text is long, and longer as JSON writes it than in base64.
func grows(text string) bool {
	const long = 1 << 10
	if len(text) < long {
		return false
	}
	escapes := 0
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"', c == '\\', c == '\n', c == '\r', c == '\t', c == '\b', c == '\f':
			escapes++
		case c < ' ', c == '<', c == '>', c == '&':
			escapes += 5
		}
	}
	return escapes > len(text)/3
}

// Size is about how many bytes the record of a row takes, and at least three quarters of that many.
func (c Content) Size() int {
	n := 500
	for name, v := range c {
		n += 50 + len(name)
		if v.Text != nil {
			n += len(*v.Text)
		}
	}
	return n
}

// tooLongBytes is more than the length of a record of a row whose values were too long to be kept.
const tooLongBytes = 256

// encodeTooLong is the record of a row whose values were too long to be kept.
func encodeTooLong() ([]byte, error) {
	return encodeRecord("row that was deleted", contentRecord{Version: recordVersion, TooLong: true})
}

// put puts a value into a map, which it makes with the first one.
func put[T any](m *map[string]T, name string, value T) {
	if *m == nil {
		*m = map[string]T{}
	}
	(*m)[name] = value
}

func decodeContent(b []byte) (Content, error) {
	var r contentRecord
	if err := decodeRecord("row that was deleted", recordVersion, b, &r); err != nil {
		return nil, err
	}
	if r.TooLong {
		return nil, errTooLong
	}
	if len(r.Values)+len(r.Bytes)+len(r.References) == 0 {
		return nil, nil
	}
	c := make(Content, len(r.Values)+len(r.Bytes)+len(r.References))
	for name, v := range r.Values {
		c[name] = Value{Text: v}
	}
	for name, v := range r.Bytes {
		s := string(v)
		c[name] = Value{Text: &s}
	}
	for name, v := range r.References {
		key := v.Key
		if v.KeyBytes != nil {
			key = string(v.KeyBytes)
		}
		c[name] = Value{Text: &key, Table: v.Table}
	}
	return c, nil
}

// Equal reports whether two rows have the same values.
func (c Content) Equal(other Content) bool {
	return maps.EqualFunc(c, other, func(a, b Value) bool {
		return a.Table == b.Table && (a.Text == nil) == (b.Text == nil) && (a.Text == nil || *a.Text == *b.Text)
	})
}
