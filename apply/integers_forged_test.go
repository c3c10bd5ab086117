package apply_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sites"
)

// numberedConcepts writes new concepts with these integers: c-0, c-1 and so on.
func numberedConcepts(column batch.Column, author string, integers ...string) func(w *batch.Writer) error {
	return func(w *batch.Writer) error {
		n, err := w.Table(batch.Table{Name: "concept", Root: "concept", Key: []batch.Column{{Name: "uuid"}}, Columns: []batch.Column{{Name: "name", Slot: 1}, column}})
		if err != nil {
			return err
		}
		var keys, names, values [][]byte
		for i, v := range integers {
			keys, names, values = append(keys, fmt.Appendf(nil, "c-%d", i)), append(names, fmt.Appendf(nil, "name %d", i)), append(values, []byte(v))
		}
		first, err := w.Keys(n, []batch.Values{{Bytes: keys}})
		if err != nil {
			return err
		}
		b := &batch.Rows{Table: n, Columns: []batch.Values{{Bytes: names}, {Bytes: values}}}
		for i := range integers {
			b.Keys, b.Masks, b.Times, b.Authors, b.Epochs = append(b.Keys, first+uint32(i)), append(b.Masks, 3), append(b.Times, 1), append(b.Authors, author), append(b.Epochs, 1000)
		}
		return w.Rows(b)
	}
}

// No integer that a file says is believed, and none of them uses up those that the server has left.
func TestSignedNonsenseOfIntegers(t *testing.T) {
	integer := batch.Column{Name: batch.IntegerColumn, Kind: batch.KindInt}
	for _, c := range []struct {
		name   string
		column batch.Column
		sent   string // by spaces
		want   string // of each row; *: any from 1 to 9,999,999
	}{
		{"honest", integer, "70 71 5000", "70 71 5000"},
		{"no numbers", integer, "x 1.5 1e3 NULL 0x10", "* * * * *"},
		{"not positive", integer, "0 -1 -2147483648", "* * *"},
		{"the last ones", integer, "2147483647 2147483648 1073741824 9223372036854775807 99999999999999999999", "* * * * *"},
		{"one twice", integer, "70 70 70", "70 * *"},
		{"of a row that is here", integer, "3 70", "* 70"},
		{"under another name", batch.Column{Name: "concept_id"}, "70 71", "* *"},
		{"with a version", batch.Column{Name: batch.IntegerColumn, Slot: 2}, "70 71", "* *"},
		{"marked as references", batch.Column{Name: batch.IntegerColumn, Ref: true}, "70 71", "* *"},
	} {
		t.Run(c.name, func(t *testing.T) {
			list := numberedSites(t, "hub", "clinic")
			hub, clinic := list[0], list[1]
			clinic.Exec("INSERT INTO concept VALUES (3, 'own', 'own')")
			connect(list)
			importForged(t, clinic, forge(t, hub.Export(clinic)[0], numberedConcepts(c.column, "hub", strings.Fields(c.sent)...)))
			got := integersOf(clinic, "concept")
			for i, want := range strings.Fields(c.want) {
				n := got[fmt.Sprintf("c-%d", i)]
				if want == "*" && (n < 1 || n > 9_999_999) || want != "*" && want != fmt.Sprint(n) {
					t.Errorf("row %d has %d, want %s", i, n, want)
				}
			}
			clinic.Exec("INSERT INTO concept (uuid) VALUES ('next')")
			if n := integersOf(clinic, "concept")["next"]; n > 9_999_999 {
				t.Errorf("the next row of the application has %d", n)
			}
		})
	}
}

// A child's integers count for nothing, in tables that go up too.
func TestIntegersOfAChild(t *testing.T) {
	list := numberedSites(t, "hub", "clinic")
	hub, clinic := list[0], list[1]
	connect(list)
	sites.Exchange(hub, clinic)
	clinic.Exec("INSERT INTO person VALUES (700, 'p-1')")
	f := clinic.Export(hub)[0]
	concepts := numberedConcepts(batch.Column{Name: batch.IntegerColumn}, "clinic", "70")
	importForged(t, hub, forge(t, f, func(w *batch.Writer) error {
		if err := concepts(w); err != nil {
			return err
		}
		n, err := w.Table(batch.Table{Name: "person", Root: "person", Key: []batch.Column{{Name: "uuid"}}, Columns: []batch.Column{{Name: batch.IntegerColumn}}})
		if err != nil {
			return err
		}
		first, err := w.Keys(n, []batch.Values{{Bytes: [][]byte{[]byte("p-2")}}})
		if err != nil {
			return err
		}
		return w.Rows(&batch.Rows{Table: n, Keys: []uint32{first}, Masks: []uint64{1}, Times: []int64{1}, Authors: []string{"clinic"}, Epochs: []uint64{1000},
			Columns: []batch.Values{{Bytes: [][]byte{[]byte("900")}}}})
	}))
	if got := hub.One("SELECT COUNT(*) FROM concept"); got != "0" {
		t.Errorf("%s concepts of the clinic came", got)
	}
	if n := integersOf(hub, "person")["p-2"]; n < 1 || n == 900 {
		t.Errorf("the person is %d at the hub", n)
	}
}

// Of a parent that runs the program of before, no integers come.
func TestNoIntegersCome(t *testing.T) {
	list := numberedSites(t, "hub", "clinic")
	connect(list)
	importForged(t, list[1], forge(t, list[0].Export(list[1])[0], numberedConcepts(batch.Column{Name: "size", Slot: 2}, "hub", "70", "71")))
	if got := integersOf(list[1], "concept"); got["c-0"] != 1 || got["c-1"] != 2 {
		t.Errorf("%v", got)
	}
}

// The column's name is a part of the format.
func TestIntegerColumn(t *testing.T) {
	if batch.IntegerColumn != "#integer" {
		t.Errorf("%q", batch.IntegerColumn)
	}
}

func importForged(t *testing.T, s *sites.Site, f *sites.File) {
	t.Helper()
	if _, err := s.ImportErr(f, func(o *apply.Options) { o.Verify = func(*batch.Header, []byte, []byte) error { return nil } }); err != nil {
		t.Fatal(err)
	}
}
