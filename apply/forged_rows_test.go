package apply_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sites"
)

// What no sender writes is refused whole: rows that nothing identifies, one row twice, and a live row that never came to be.
func TestRowsThatNobodyWritesAreRefused(t *testing.T) {
	ddl := []string{
		"CREATE TABLE cond (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(50) NULL, uuid CHAR(36) NULL UNIQUE)",
		"CREATE TABLE note (id INT AUTO_INCREMENT PRIMARY KEY, cond_id INT NULL, uuid CHAR(36) NOT NULL UNIQUE, FOREIGN KEY (cond_id) REFERENCES cond (id))",
		"CREATE TABLE weak (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(50) NULL, uuid CHAR(36) NOT NULL)",
	}
	hub, clinic := sites.New(t, "hub", "none", ddl...), sites.New(t, "clinic", "none", ddl...)
	hub.Exec("INSERT INTO cond (v, uuid) VALUES ('x', 'c-1'), ('y', 'c-2')")
	clinic.Exec("INSERT INTO cond (v, uuid) VALUES ('only here', NULL)")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	sites.Exchange(hub, clinic)
	clinic.Exec("UPDATE cond SET v = 'unsealed' WHERE uuid = 'c-1'")
	hub.Exec("UPDATE cond SET v = 'z' WHERE uuid = 'c-2'")
	f := hub.Export(clinic)[0]
	uuid := []batch.Column{{Name: "uuid"}}
	text := func(v ...string) (out batch.Values) {
		for _, s := range v {
			out.Bytes = append(out.Bytes, []byte(s))
		}
		return out
	}
	null := batch.Values{Bytes: [][]byte{nil}}
	of := func(table string) batch.Table {
		return batch.Table{Name: table, Root: table, Key: uuid, Columns: []batch.Column{{Name: "v", Slot: 1}}}
	}
	deletions := func(blocks ...[]string) func(w *batch.Writer) error {
		return func(w *batch.Writer) error {
			n, err := w.Table(of("cond"))
			if err != nil {
				return err
			}
			for _, keys := range blocks {
				first, err := w.Keys(n, []batch.Values{text(keys...)})
				if err != nil {
					return err
				}
				d := &batch.Deletions{Table: n}
				for i := range keys {
					d.Keys, d.Times = append(d.Keys, first+uint32(i)), append(d.Times, 9e15)
					d.Authors, d.Epochs = append(d.Authors, "hub"), append(d.Epochs, 1000)
				}
				if err := w.Deletions(d); err != nil {
					return err
				}
			}
			return nil
		}
	}
	before := checksum(clinic)
	for name, items := range map[string]func(w *batch.Writer) error{
		"a row whose key is NULL": func(w *batch.Writer) error {
			return wardRows(w, of("cond"), nil, text("overwritten"), null)
		},
		"a reference to a row whose key is NULL": func(w *batch.Writer) error {
			n, err := w.Table(of("cond"))
			if err != nil {
				return err
			}
			if _, err := w.Keys(n, []batch.Values{null}); err != nil {
				return err
			}
			note := batch.Table{Name: "note", Root: "note", Key: uuid, Columns: []batch.Column{{Name: "cond_id", Slot: 1, Ref: true}}}
			return wardRows(w, note, []string{"n-1"}, batch.Values{Refs: []uint32{batch.FirstRef}})
		},
		"one row twice": func(w *batch.Writer) error {
			return wardRows(w, of("cond"), []string{"c-2", "C-2"}, text("x", "y"))
		},
		"one row twice, in a table that is empty": func(w *batch.Writer) error {
			return wardRows(w, of("weak"), []string{"w-1", "W-1"}, text("x", "y"))
		},
		"one deletion twice":                deletions([]string{"c-1", "c-1"}),
		"one deletion twice, in two blocks": deletions([]string{"c-1"}, []string{"C-1"}),
		"a live row without its existence": func(w *batch.Writer) error {
			n, err := w.Table(of("cond"))
			if err != nil {
				return err
			}
			first, err := w.Keys(n, []batch.Values{text("c-3")})
			if err != nil {
				return err
			}
			return w.Rows(&batch.Rows{Table: n, Keys: []uint32{first}, Columns: []batch.Values{text("x")}, Masks: []uint64{2}, Times: []int64{1}, Authors: []string{"hub"}, Epochs: []uint64{1000}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			if r, err := clinic.ImportErr(forge(t, f, items), signed); !errors.Is(err, batch.ErrCorrupt) {
				t.Errorf("%+v, %v, want ErrCorrupt", r, err)
			}
			if checksum(clinic) != before {
				t.Fatal("the database has changed")
			}
		})
	}
}

// Of rows that have one uuid, where the database lets them, the first is sent.
func TestRowsWithOneUUID(t *testing.T) {
	ddl := "CREATE TABLE weak (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(50) NULL, uuid CHAR(36) NOT NULL)"
	hub, clinic := sites.New(t, "hub", "none", ddl), sites.New(t, "clinic", "none", ddl)
	hub.Exec("INSERT INTO weak (v, uuid) VALUES ('first', 'w-1'), ('second', 'W-1'), ('other', 'w-2')")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	hub.Send(clinic)
	if got := clinic.One("SELECT GROUP_CONCAT(v ORDER BY id) FROM weak"); got != "first,other" {
		t.Errorf("the clinic has %s, want first,other", got)
	}
}

// There are numbers for so many authors only: a child brings so many, and an import that fails leaves none behind.
func TestAuthorsAreFewAndWellFormed(t *testing.T) {
	hub, clinic, _ := wardPair(t)
	clinic.Exec("UPDATE ward SET size = 5 WHERE uuid = 'w-1'")
	f := clinic.Export(hub)[0]
	by := func(authors ...string) func(w *batch.Writer) error {
		return func(w *batch.Writer) error {
			m, err := w.Table(batch.Table{Name: "ward", Root: "ward", Key: []batch.Column{{Name: "uuid"}}})
			if err != nil {
				return err
			}
			d := &batch.Deletions{Table: m, Authors: authors}
			var v batch.Values
			for i := range authors {
				v.Bytes = append(v.Bytes, fmt.Appendf(nil, "gone-%d", i))
				d.Times, d.Epochs = append(d.Times, 5), append(d.Epochs, 1000)
			}
			first, err := w.Keys(m, []batch.Values{v})
			if err != nil {
				return err
			}
			for i := range authors {
				d.Keys = append(d.Keys, first+uint32(i))
			}
			return w.Deletions(d)
		}
	}
	var many []string
	for i := range 1001 {
		many = append(many, fmt.Sprintf("a%d", i))
	}
	numbers := "SELECT GROUP_CONCAT(id, ' ', name ORDER BY id) FROM omsync_node"
	before := hub.One(numbers)
	if _, err := hub.ImportErr(forge(t, f, by(many...)), signed); err == nil || !strings.Contains(err.Error(), "authors") {
		t.Errorf("%d authors: %v", len(many), err)
	}
	for _, name := range []string{"-a", "Hub", "a b", "\x1b[31m", "é"} {
		if _, err := hub.ImportErr(forge(t, f, by("fine", name)), signed); !errors.Is(err, batch.ErrCorrupt) {
			t.Errorf("%q: %v, want ErrCorrupt", name, err)
		}
	}
	if hub.One(numbers) != before {
		t.Error("names of authors were left behind")
	}
	if r, err := hub.ImportErr(forge(t, f, by(many[:1000]...)), signed); err != nil || r.Outcome != apply.Applied {
		t.Errorf("1000 authors: %+v, %v", r, err)
	}
}

// TestNameIsNeverSQL refers to a row by a name that would be SQL.
func TestNameIsNeverSQL(t *testing.T) {
	ddl := []string{"CREATE TABLE a (code VARBINARY(200) PRIMARY KEY, name VARCHAR(20) NULL)",
		"CREATE TABLE b (id INT AUTO_INCREMENT PRIMARY KEY, a_code VARBINARY(200) NULL, note VARCHAR(50) NULL, uuid CHAR(36) NOT NULL UNIQUE, FOREIGN KEY (a_code) REFERENCES a (code))",
		"CREATE TABLE secret (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(20), uuid CHAR(36) NOT NULL UNIQUE)"}
	hub, k := sites.New(t, "hub", "none", ddl...), sites.New(t, "k", "none", ddl...)
	k.Exec("INSERT INTO secret (v, uuid) VALUES ('s3cr3t', 's-1')")
	hub.Exec("INSERT INTO a VALUES ('k1', 'x')")
	hub.Init()
	k.Init()
	hub.Connect(k)
	sites.Exchange(hub, k)
	hub.Exec("INSERT INTO a VALUES ('k2', 'x')")
	f := hub.Export(k)[0]
	payload := "(SELECT CONCAT(v, ' leaked') FROM secret LIMIT 1)"
	if _, err := k.ImportErr(forge(t, f, func(w *batch.Writer) error {
		at, err := w.Table(batch.Table{Name: "a", Root: "a", Key: []batch.Column{{Name: "code"}}, Columns: []batch.Column{{Name: "name", Slot: 1}}})
		if err != nil {
			return err
		}
		first, err := w.Keys(at, []batch.Values{{Bytes: [][]byte{[]byte(payload)}}})
		if err != nil {
			return err
		}
		bt, err := w.Table(batch.Table{Name: "b", Root: "b", Key: []batch.Column{{Name: "uuid"}}, Columns: []batch.Column{{Name: "a_code", Ref: true, Slot: 1}}})
		if err != nil {
			return err
		}
		bk, err := w.Keys(bt, []batch.Values{{Bytes: [][]byte{[]byte("b-1")}}})
		if err != nil {
			return err
		}
		if err := w.Rows(&batch.Rows{Table: bt, Keys: []uint32{bk}, Columns: []batch.Values{{Refs: []uint32{first}}}, Masks: []uint64{3}, Times: []int64{1}, Authors: []string{"hub"}, Epochs: []uint64{1000}}); err != nil {
			return err
		}
		return w.Rows(&batch.Rows{Table: at, Keys: []uint32{first}, Columns: []batch.Values{{Bytes: [][]byte{[]byte("x")}}}, Masks: []uint64{3}, Times: []int64{1}, Authors: []string{"hub"}, Epochs: []uint64{1000}})
	}), signed); err != nil {
		t.Fatal(err)
	}
	if got := k.One("SELECT a_code FROM b"); got != payload {
		t.Errorf("%q", got)
	}
}

// TestDeletionsAfterRowsAreRefused sends a deletion after rows, and a row that refers to what it deleted.
func TestDeletionsAfterRowsAreRefused(t *testing.T) {
	_, clinic, f := wardPair(t)
	_, err := clinic.ImportErr(forge(t, f, func(w *batch.Writer) error {
		ward, err := w.Table(batch.Table{Name: "ward", Root: "ward", Key: []batch.Column{{Name: "uuid"}}, Columns: []batch.Column{{Name: "name", Slot: 1}}})
		if err != nil {
			return err
		}
		bed, err := w.Table(batch.Table{Name: "bed", Root: "bed", Key: []batch.Column{{Name: "uuid"}}, Columns: []batch.Column{{Name: "ward_id", Slot: 1, Ref: true}}})
		if err != nil {
			return err
		}
		wk, _ := w.Keys(ward, []batch.Values{{Bytes: [][]byte{[]byte("w-2")}}})
		bk, _ := w.Keys(bed, []batch.Values{{Bytes: [][]byte{[]byte("b-7")}}})
		if err := w.Rows(&batch.Rows{Table: ward, Keys: []uint32{wk}, Columns: []batch.Values{{Bytes: [][]byte{[]byte("x")}}}, Masks: []uint64{3}, Times: []int64{1}, Authors: []string{"hub"}, Epochs: []uint64{1000}}); err != nil {
			return err
		}
		if err := w.Deletions(&batch.Deletions{Table: ward, Keys: []uint32{wk}, Times: []int64{batch.MaxTime}, Authors: []string{"hub"}, Epochs: []uint64{1000}}); err != nil {
			return err
		}
		return w.Rows(&batch.Rows{Table: bed, Keys: []uint32{bk}, Columns: []batch.Values{{Refs: []uint32{wk}}}, Masks: []uint64{3}, Times: []int64{1}, Authors: []string{"hub"}, Epochs: []uint64{1000}})
	}), signed)
	if !errors.Is(err, batch.ErrCorrupt) {
		t.Errorf("%v", err)
	}
}
