package export

import (
	"database/sql"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// Values and keys go up to the bounds of a batch, and not one byte above.
func TestFits(t *testing.T) {
	value := make([]byte, batch.MaxValue+1)
	for _, c := range []struct {
		name   string
		values []sql.RawBytes
		want   bool
	}{
		{"nothing", nil, true},
		{"the longest value", []sql.RawBytes{value[:batch.MaxValue], nil}, true},
		{"one byte more", []sql.RawBytes{nil, value}, false},
		{"as much beside the longest", []sql.RawBytes{value[:batch.MaxValue], value[:batch.MaxBlock]}, true},
		{"one byte more beside the longest", []sql.RawBytes{value[:batch.MaxValue], value[:batch.MaxBlock-1], value[:2]}, false},
	} {
		if got := rowFits(c.values); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
	one, two := &schema.Table{KeyColumns: []*schema.Column{{}}}, &schema.Table{}
	one.Root, two.Root = one, two
	two.KeyColumns = []*schema.Column{{}, {Ref: &schema.Ref{To: two}}} // of a row before it
	long := strings.Repeat("k", batch.MaxKey)
	for _, c := range []struct {
		name, key string
		table     *schema.Table
		want      bool
	}{
		{"the longest key", long, one, true},
		{"one byte more", long + "k", one, false},
		{"two parts", "a\x1f\x1eN", two, true},
		{"one of two parts", "a", two, false},
		{"a part that is a key of two parts", "a\x1fb\x1e\x1f\x1e\x1eN", two, true},
		{"a part that is half a key", "a\x1fb", two, false},
	} {
		if got := keyFits(c.table, c.key); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

// A portion is cut where the bytes become too many, and a row alone is not cut.
func TestPortionsAreSplit(t *testing.T) {
	p := &portion{sizes: []int{partBytes - 1, 1, 1, 2 * partBytes, 5}}
	for range p.sizes {
		p.rows, p.known = append(p.rows, journal.Row{}), append(p.known, merge.Row{})
	}
	var got []int
	if err := p.split(func(p *portion) error {
		got = append(got, len(p.rows), p.bytes)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := []int{2, partBytes, 1, 1, 1, 2 * partBytes, 1, 5}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
