package export

import (
	"bytes"
	"database/sql/driver"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/digest"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// Whichever way a row is read for a digest, it has the same key and the hash of its values as they print.
func TestMessages(t *testing.T) {
	key, refers := &schema.Column{Name: "uuid"}, &schema.Column{Name: "place_id", Ref: &schema.Ref{}}
	columns := []*schema.Column{{Name: "a"}, refers, {Name: "b"}, {Name: "c"}}
	value := rapid.OneOf(
		rapid.Just[driver.Value](nil),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 300), func(b []byte) driver.Value { return append([]byte{}, b...) }),
		rapid.Map(rapid.Int64(), func(n int64) driver.Value { return n }), rapid.Map(rapid.Uint64(), func(n uint64) driver.Value { return n }),
		rapid.Map(rapid.Float32(), func(f float32) driver.Value { return f }), rapid.Map(rapid.Float64(), func(f float64) driver.Value { return f }))
	rapid.Check(t, func(t *rapid.T) {
		r := &reader{t: &table{Table: &schema.Table{KeyColumns: []*schema.Column{key}}, columns: columns}, seed: digest.Seed{1, 2, 3}}
		texts, messages := newPortion(r.t), newPortion(r.t)
		addText := r.addTexts()
		for i := range rapid.IntRange(1, 4).Draw(t, "rows") {
			row := []driver.Value{value.Draw(t, "key")}
			for _, c := range columns {
				if c == refers {
					row = append(row, rapid.Map(rapid.Int64(), func(n int64) driver.Value { return n }).Draw(t, "reference"))
				} else {
					row = append(row, value.Draw(t, c.Name))
				}
			}
			addText(texts, journal.Row{Int: int64(i)}, row)
			r.addMessage(messages, journal.Row{Int: int64(i)}, row)
		}
		h := digest.NewHasher(r.seed)
		other := h.Key("place", nil)
		for i := range texts.rows {
			if a, b := texts.key[0][i], messages.key[0][i]; !bytes.Equal(a, b) || (a == nil) != (b == nil) {
				t.Fatalf("the keys %q and %q", a, b)
			}
			var values []digest.Value
			for c := range columns {
				values = append(values, digest.Value{Bytes: texts.values[c][i]})
			}
			values[1] = digest.Value{Ref: &other}
			m := messages.messages
			if got := string(texts.values[1][i]); got != strconv.FormatInt(m.refs[1].to[i], 10) {
				t.Fatalf("a reference to %s is one to %d", got, m.refs[1].to[i])
			}
			copy(m.b[m.refs[1].at[i]:], other[:])
			id := h.Row("visit", 1, other)
			if got, want := digest.Message(m.b[m.spans[i].from:m.spans[i].to]).Content(id), h.Content(id, values); got != want {
				t.Fatalf("row %d: %d, want %d", i, got, want)
			}
		}
	})
}
