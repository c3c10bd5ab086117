package harmonise

import (
	"errors"
	"strings"
	"testing"
)

// What a file says is bounded by what it makes this node hold, whatever it is made of.
func TestMaxBytes(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for what, row := range map[string]rawRow{"keys": {key: long}, "values": {key: "a", values: []*string{&long}}, "columns without values": {key: "a", values: make([]*string, 1<<17)}} {
		r, table, n := newRaw(), &rawTable{}, 0
		for ; n < 2000; n++ {
			if err := r.add(table, row); errors.Is(err, errTooMuch) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if n < 300 || n > 600 {
			t.Errorf("%s: %d MiB were taken", what, n)
		}
	}
}

// A row that comes again, as in the last part of a load, counts as it came last.
func TestRowsThatComeAgain(t *testing.T) {
	r, table := newRaw(), &rawTable{byKey: map[string]int{}}
	first, last := "", "place"
	for _, v := range []*string{nil, &first, &last} {
		if err := r.add(table, rawRow{"a", []*string{v}}); err != nil {
			t.Fatal(err)
		}
	}
	if len(table.rows) != 1 || table.rows[0].values[0] != &last {
		t.Errorf("%+v", table.rows)
	}
}
