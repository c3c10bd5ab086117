package apply_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sites"
)

// signed accepts any signature, as if the peer had signed what is forged here.
func signed(o *apply.Options) {
	o.Verify = func(*batch.Header, []byte, []byte) error { return nil }
}

// forge makes a batch that the hub might have signed, with any items in it.
func forge(t *testing.T, f *sites.File, items func(w *batch.Writer) error, header ...func(*batch.Header)) *sites.File {
	t.Helper()
	h, err := batch.ReadHeader(bytes.NewReader(f.Data))
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range header {
		change(h)
	}
	var out bytes.Buffer
	w, err := batch.NewWriter(&out, h, func(w io.Writer) (io.WriteCloser, error) { return plain{w}, nil },
		func([]byte) ([]byte, error) { return make([]byte, batch.SignatureSize), nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := items(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &sites.File{Name: f.Name, Data: out.Bytes(), From: f.From, To: f.To}
}

type plain struct{ io.Writer }

func (plain) Close() error { return nil }

// wardRows writes rows of a table with one column. keys are the first part of their keys (nil: it is in rest), rest the
// other parts.
func wardRows(w *batch.Writer, t batch.Table, keys []string, values batch.Values, rest ...batch.Values) error {
	n, err := w.Table(t)
	if err != nil {
		return err
	}
	parts := rest
	if keys != nil {
		of := batch.Values{Bytes: make([][]byte, len(keys))}
		for i, k := range keys {
			of.Bytes[i] = []byte(k)
		}
		parts = append([]batch.Values{of}, rest...)
	}
	first, err := w.Keys(n, parts)
	if err != nil {
		return err
	}
	r := &batch.Rows{Table: n, Columns: []batch.Values{values}}
	for i := range max(len(keys), 1) {
		r.Keys, r.Masks, r.Times = append(r.Keys, first+uint32(i)), append(r.Masks, 3), append(r.Times, 1)
		r.Authors, r.Epochs = append(r.Authors, "hub"), append(r.Epochs, 1000)
	}
	return w.Rows(r)
}

// What a peer signs is not believed for that: names that are not here reach no statement, and what does not hold together
// is refused whole.
func TestSignedNonsense(t *testing.T) {
	uuid := []batch.Column{{Name: "uuid", Kind: batch.KindText}}
	ward := func(columns ...batch.Column) batch.Table {
		return batch.Table{Name: "ward", Root: "ward", Key: uuid, Columns: columns}
	}
	text := func(v string) batch.Values { return batch.Values{Bytes: [][]byte{[]byte(v)}} }
	name := batch.Column{Name: "name", Slot: 1}
	_, clinic, f := wardPair(t)
	for _, c := range []struct {
		name  string
		items func(w *batch.Writer) error
		want  error  // sentinel
		text  string // or what the error says; neither: nothing of it is applied
	}{
		{"a table that is not here", func(w *batch.Writer) error {
			return wardRows(w, batch.Table{Name: "ward`; DROP TABLE ward; --", Root: "ward`; DROP TABLE ward; --", Key: uuid, Columns: []batch.Column{name}}, []string{"w-1"}, text("x"))
		}, nil, ""},
		{"a table of omsync's own", func(w *batch.Writer) error {
			return wardRows(w, batch.Table{Name: "omsync_peer", Root: "omsync_peer", Key: []batch.Column{{Name: "id"}}, Columns: []batch.Column{{Name: "role", Slot: 1}}}, []string{"1"}, text("child"))
		}, nil, ""},
		{"a column that is not here", func(w *batch.Writer) error {
			return wardRows(w, ward(batch.Column{Name: "name` = 'x' -- ", Slot: 1}), []string{"w-1"}, text("x"))
		}, nil, ""},
		{"a local integer", func(w *batch.Writer) error {
			return wardRows(w, ward(batch.Column{Name: "ward_id", Slot: 1}), []string{"w-1"}, text("666"))
		}, nil, ""},
		{"another key", func(w *batch.Writer) error {
			return wardRows(w, batch.Table{Name: "ward", Root: "ward", Key: []batch.Column{{Name: "name"}}, Columns: []batch.Column{name}}, []string{"maternity"}, text("x"))
		}, apply.ErrSchemas, ""},
		{"a reference where a value is due", func(w *batch.Writer) error {
			return wardRows(w, ward(batch.Column{Name: "name", Slot: 1, Ref: true}), []string{"w-1"}, batch.Values{Refs: []uint32{batch.FirstRef}})
		}, nil, "the schemas differ: its name refers to ward"},
		{"a value where a reference is due", func(w *batch.Writer) error {
			return wardRows(w, batch.Table{Name: "bed", Root: "bed", Key: uuid, Columns: []batch.Column{{Name: "ward_id", Slot: 1}}}, []string{"b-1"}, text("1"))
		}, nil, "its ward_id comes as a number"},
		{"a plain number in a reference", func(w *batch.Writer) error {
			return wardRows(w, batch.Table{Name: "bed", Root: "bed", Key: uuid, Columns: []batch.Column{{Name: "ward_id", Slot: 1, Ref: true}}}, []string{"b-7"}, batch.Values{Bytes: [][]byte{[]byte("101")}})
		}, batch.ErrCorrupt, "ward_id"},
		{"a reference to a row of another table", func(w *batch.Writer) error {
			bed := batch.Table{Name: "bed", Root: "bed", Key: uuid, Columns: []batch.Column{{Name: "ward_id", Slot: 1, Ref: true}}}
			return wardRows(w, bed, []string{"b-7"}, batch.Values{Refs: []uint32{batch.FirstRef}})
		}, nil, "its ward_id refers to bed at the sender"},
		{"a plain number in a key made of references", func(w *batch.Writer) error {
			return wardRows(w, batch.Table{Name: "tag", Root: "tag", Key: []batch.Column{{Name: "ward_id", Ref: true}, {Name: "name"}}, Columns: []batch.Column{{Name: "note", Slot: 1}}},
				[]string{"100"}, text("x"), text("n"))
		}, batch.ErrCorrupt, "ward_id"},
		{"a reference in a key that is nowhere", func(w *batch.Writer) error {
			return wardRows(w, batch.Table{Name: "tag", Root: "tag", Key: []batch.Column{{Name: "ward_id", Ref: true}, {Name: "name"}}, Columns: []batch.Column{{Name: "note", Slot: 1}}},
				nil, text("x"), batch.Values{Refs: []uint32{batch.RefNowhere}}, text("n"))
		}, nil, "tag"},
		{"a key of a table whose rows have their parents' keys", func(w *batch.Writer) error {
			n, err := w.Table(ward(name))
			if err != nil {
				return err
			}
			if _, err := w.Keys(n, []batch.Values{text("w-nowhere")}); err != nil {
				return err
			}
			return wardRows(w, batch.Table{Name: "theatre", Root: "ward", Key: []batch.Column{{Name: "ward_id", Ref: true}}, Columns: []batch.Column{{Name: "lamps", Slot: 1}}},
				nil, text("2"), batch.Values{Refs: []uint32{batch.FirstRef}})
		}, batch.ErrCorrupt, "theatre"},
		{"a reference to a row that is nowhere", func(w *batch.Writer) error {
			bed := batch.Table{Name: "bed", Root: "bed", Key: uuid, Columns: []batch.Column{{Name: "ward_id", Slot: 1, Ref: true}}}
			n, err := w.Table(ward(name))
			if err != nil {
				return err
			}
			if _, err := w.Keys(n, []batch.Values{text("w-nowhere")}); err != nil {
				return err
			}
			return wardRows(w, bed, []string{"b-7"}, batch.Values{Refs: []uint32{batch.FirstRef}})
		}, nil, "w-nowhere"},
		{"one row twice", func(w *batch.Writer) error {
			return wardRows(w, ward(name), []string{"w-7", "W-7"}, batch.Values{Bytes: [][]byte{[]byte("x"), []byte("y")}})
		}, batch.ErrCorrupt, "twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			clinic, f := clinic, f
			if c.want == nil && c.text == "" { // it counts as applied, so the next one needs another
				_, clinic, f = wardPair(t)
			}
			but := "omsync_peer omsync_import omsync_epoch omsync_version"
			all := func() string { return checksum(clinic) }
			if c.want == nil { // a row is refused, and the header counts
				all = func() string { return refusedLeaves(clinic) }
			}
			before, data := all(), checksum(clinic, strings.Fields(but)...)
			r, err := clinic.ImportErr(forge(t, f, c.items), func(o *apply.Options) { o.Verify = func(*batch.Header, []byte, []byte) error { return nil } })
			switch {
			case c.want == nil && c.text == "":
				if err != nil || r.Inserted+r.Updated+r.Deleted != 0 || checksum(clinic, strings.Fields(but)...) != data {
					t.Errorf("%+v, %v", r, err)
				}
				return
			case c.want != nil && !errors.Is(err, c.want), err == nil, !strings.Contains(strings.ToLower(err.Error()), c.text):
				t.Errorf("%+v, %v", r, err)
			}
			if all() != before {
				t.Error("the database has changed")
			}
		})
	}
}
