package apply_test

import (
	"strings"
	"testing"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
)

// What a peer puts beside a value is no more believed than a reference: never is a number of its own taken for a row of here.
func TestSignedNonsenseBesideValues(t *testing.T) {
	uuid := []batch.Column{{Name: "uuid"}}
	text := func(v string) batch.Values { return batch.Values{Bytes: [][]byte{[]byte(v)}} }
	key := func(r uint32) batch.Values { return batch.Values{Refs: []uint32{r}} }
	note := func(w *batch.Writer, beside batch.Column, of string, person, with batch.Values) error {
		n, err := w.Table(batch.Table{Name: of, Root: of, Key: uuid, Columns: []batch.Column{{Name: "name", Slot: 1}}})
		if err != nil {
			return err
		}
		if _, err := w.Keys(n, []batch.Values{text("p-bela")}); err != nil { // batch.FirstRef
			return err
		}
		if n, err = w.Table(batch.Table{Name: "note", Root: "note", Key: uuid, Columns: []batch.Column{{Name: "person_id", Slot: 1}, beside}}); err != nil {
			return err
		}
		first, err := w.Keys(n, []batch.Values{text("n-1")})
		if err != nil {
			return err
		}
		return w.Rows(&batch.Rows{Table: n, Keys: []uint32{first}, Masks: []uint64{3}, Times: []int64{1}, Authors: []string{"hub"}, Epochs: []uint64{1000}, Columns: []batch.Values{person, with}})
	}
	beside := batch.Column{Name: "person_id" + batch.BesideSuffix, Ref: true}
	for _, c := range []struct {
		name  string
		items func(w *batch.Writer) error
		want  string // the note's person; "" if the file is refused
	}{
		{"a key", func(w *batch.Writer) error { return note(w, beside, "person", text("41"), key(batch.FirstRef)) }, "Bela"},
		{"no key", func(w *batch.Writer) error { return note(w, beside, "person", text("41"), key(batch.RefNull)) }, "nobody"},
		{"no keys at all", func(w *batch.Writer) error { return note(w, beside, "person", text("41"), batch.Values{}) }, "nobody"},
		{"a row that is nowhere", func(w *batch.Writer) error { return note(w, beside, "person", text("41"), key(batch.RefNowhere)) }, "0"},
		{"a plain value for a key", func(w *batch.Writer) error { return note(w, beside, "person", text("41"), text("41")) }, "nobody"},
		{"no value", func(w *batch.Writer) error { return note(w, beside, "person", batch.Values{}, key(batch.FirstRef)) }, "nobody"},
		{"a key of another table", func(w *batch.Writer) error { return note(w, beside, "concept", text("41"), key(batch.FirstRef)) }, ""},
		{"a column with a version of its own", func(w *batch.Writer) error {
			return note(w, batch.Column{Name: beside.Name, Ref: true, Slot: 2}, "person", text("41"), key(batch.FirstRef))
		}, "nobody"},
		{"a column that holds no references", func(w *batch.Writer) error {
			return note(w, batch.Column{Name: beside.Name}, "person", text("41"), text("41"))
		}, "nobody"},
		{"what belongs to no column", func(w *batch.Writer) error {
			return note(w, batch.Column{Name: "other" + batch.BesideSuffix, Ref: true}, "person", text("41"), key(batch.FirstRef))
		}, "nobody"},
	} {
		t.Run(c.name, func(t *testing.T) {
			hub, clinic := besideSites(t, besideProfile, besideProfile)
			f := forge(t, hub.Export(clinic)[0], c.items)
			_, err := clinic.ImportErr(f, func(o *apply.Options) { o.Verify = func(*batch.Header, []byte, []byte) error { return nil } })
			if c.want == "" {
				if err == nil || !strings.Contains(err.Error(), "the schemas differ: its person_id refers to concept") {
					t.Errorf("error %v, want one of another table", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := clinic.One("SELECT COALESCE(p.name, n.person_id, 'nobody') FROM note n LEFT JOIN person p USING (person_id) WHERE n.uuid = 'n-1'"); got != c.want {
				t.Errorf("the note is about %s, want %s", got, c.want)
			}
		})
	}
}
