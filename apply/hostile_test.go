package apply_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/schema"
)

// signed accepts any signature, as if the peer had signed what is forged here.
func signed(o *apply.Options) {
	o.Verify = func(*batch.Header, []byte, []byte) error { return nil }
}

// A foreign key compares as its column does: a row that refers in another case keeps its parent all the same.
func TestDeletionSparesWhatIsReferredToInAnotherForm(t *testing.T) {
	ddl := []string{
		"CREATE TABLE role (role VARCHAR(20) PRIMARY KEY)",
		"CREATE TABLE uses (id INT AUTO_INCREMENT PRIMARY KEY, role VARCHAR(20) NULL, uuid CHAR(36) NOT NULL UNIQUE, FOREIGN KEY (role) REFERENCES role (role))",
	}
	for _, reference := range []string{"nurse", "Nurse "} {
		t.Run(reference, func(t *testing.T) {
			hub, clinic := sites.New(t, "hub", "none", ddl...), sites.New(t, "clinic", "none", ddl...)
			hub.Exec("INSERT INTO role VALUES ('Nurse')")
			hub.Init()
			clinic.Init()
			hub.Connect(clinic)
			sites.Exchange(hub, clinic)
			clinic.Exec("INSERT INTO uses (role, uuid) VALUES ('" + reference + "', 'u-1')")
			hub.Exec("DELETE FROM role")
			hub.Send(clinic)
			if n := clinic.One("SELECT COUNT(*) FROM role JOIN uses ON uses.role = role.role"); n != "1" {
				t.Fatalf("%s rows refer to their parent, want 1: it was deleted under one", n)
			}
		})
	}
}

// What no sender writes is refused whole: rows that nothing identifies, one row twice, and a live row that never came to be.
func TestRowsThatHoldNoWater(t *testing.T) {
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
func TestRowsWithOneKey(t *testing.T) {
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

// Names of authors outlast an import that fails, and there are numbers for so many only.
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
	for i := range 300 {
		many = append(many, fmt.Sprintf("a%d", i))
	}
	before := checksum(hub)
	if _, err := hub.ImportErr(forge(t, f, by(many...)), signed); err == nil || !strings.Contains(err.Error(), "authors") {
		t.Errorf("%d authors: %v", len(many), err)
	}
	for _, name := range []string{"-a", "Hub", "a b", "\x1b[31m", "é"} {
		if _, err := hub.ImportErr(forge(t, f, by("fine", name)), signed); !errors.Is(err, batch.ErrCorrupt) {
			t.Errorf("%q: %v, want ErrCorrupt", name, err)
		}
	}
	if checksum(hub) != before {
		t.Error("names of authors were left behind")
	}
	if r, err := hub.ImportErr(forge(t, f, by(many[:256]...)), signed); err != nil || r.Outcome != apply.Applied {
		t.Errorf("256 authors: %+v, %v", r, err)
	}
}

// A run that read the journal before an import gave a table its default version leaves that in place when the table changes.
func TestFollowOfARunThatBeganBefore(t *testing.T) {
	ddl := "CREATE TABLE o (id INT AUTO_INCREMENT PRIMARY KEY, v INT NULL, uuid CHAR(36) NOT NULL UNIQUE)"
	hub, clinic := sites.New(t, "hub", "none", ddl), sites.New(t, "clinic", "none", ddl)
	hub.Exec("INSERT INTO o (v, uuid) VALUES (1, 'o-1'), (1, 'o-2')")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	other := beside(t, clinic)
	hub.Send(clinic)
	was := clinic.Query("SELECT default_mask, default_time, default_author, default_epoch, default_origin FROM omsync_table")
	if was[0][0] == "" || was[0][0] == "NULL" {
		t.Fatalf("the table has no default version: %v", was)
	}
	clinic.Exec("ALTER TABLE o ADD w INT NULL")
	catalogue, err := schema.Read(t.Context(), other.J.DB, other.Database, other.Profile)
	if err != nil {
		t.Fatal(err)
	}
	other.J.Catalogue = catalogue
	if _, err := capture.Reconcile(t.Context(), other.J, sites.Wait); err != nil {
		t.Fatal(err)
	}
	if is := clinic.Query("SELECT default_mask, default_time, default_author, default_epoch, default_origin FROM omsync_table"); !reflect.DeepEqual(is, was) {
		t.Errorf("the default version is %v, was %v", is, was)
	}
	clinic.Follow()
	hub.Exec("UPDATE o SET v = 5 WHERE uuid = 'o-2'")
	sites.ExchangeTwice(hub, clinic)
	sites.Same(t, hub, clinic, "o.w")
}

// A table that stays where it is may still be referred to: its rows are found by their keys.
func TestReferenceToATableThatStays(t *testing.T) {
	profile := "never = [\"ward\"]\n"
	hub, clinic := sites.New(t, "hub", profile, wards...), sites.New(t, "clinic", profile, wards...)
	hub.Exec("INSERT INTO ward (name, uuid) VALUES ('maternity', 'w-1'), ('surgery', 'w-2')",
		"INSERT INTO bed (ward_id, uuid) VALUES (1, 'b-1')", "INSERT INTO theatre VALUES (2, 7)", "INSERT INTO tag VALUES (2, 'quiet', 'x')")
	clinic.Exec("INSERT INTO ward (name, uuid) VALUES ('other', 'w-0'), ('surgery', 'w-2'), ('maternity', 'w-1')")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	if r := hub.Send(clinic); len(r) != 1 || r[0].Inserted != 3 {
		t.Errorf("%+v", r)
	}
	for _, table := range []string{"bed", "theatre", "tag"} {
		q := "SELECT ward.uuid FROM " + table + " JOIN ward USING (ward_id)"
		if a, b := hub.One(q), clinic.One(q); a != b {
			t.Errorf("%s: the ward is %s, want %s", table, b, a)
		}
	}
	hub.Exec("INSERT INTO ward (name, uuid) VALUES ('new', 'w-3')", "INSERT INTO bed (ward_id, uuid) VALUES (3, 'b-3')")
	if _, err := clinic.ImportErr(hub.Export(clinic)[0]); err == nil || !strings.Contains(err.Error(), "refers to a row of ward") {
		t.Errorf("a bed in a ward that is not here: %v", err)
	}
	clinic.Exec("INSERT INTO ward (name, uuid) VALUES ('new', 'w-3')")
	sites.ExchangeTwice(hub, clinic)
	sites.Quiet(t, hub, clinic)
}

// A table may have the key of another whose rows go by name, and be referred to itself.
func TestSharedKeyThatIsAName(t *testing.T) {
	ddl := []string{
		"CREATE TABLE role (role VARCHAR(20) PRIMARY KEY, d VARCHAR(20) NULL)",
		"CREATE TABLE role_more (role VARCHAR(20) PRIMARY KEY, x VARCHAR(20) NULL, FOREIGN KEY (role) REFERENCES role (role))",
		"CREATE TABLE uses (id INT AUTO_INCREMENT PRIMARY KEY, role VARCHAR(20) NULL, uuid CHAR(36) NOT NULL UNIQUE, FOREIGN KEY (role) REFERENCES role_more (role))",
	}
	hub, clinic := sites.New(t, "hub", "none", ddl...), sites.New(t, "clinic", "none", ddl...)
	hub.Exec("INSERT INTO role VALUES ('nurse', 'x'), ('clerk', 'y')", "INSERT INTO role_more VALUES ('nurse', 'more')")
	clinic.Exec("INSERT INTO role VALUES ('Nurse', 'here')")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	sites.ExchangeTwice(hub, clinic)
	if n := clinic.One("SELECT x FROM role_more JOIN role USING (role)"); n != "more" {
		t.Errorf("role_more has %s", n)
	}
	hub.Exec("INSERT INTO uses (role, uuid) VALUES ('nurse', 'u-1')", "UPDATE role_more SET x = 'changed'")
	clinic.Exec("INSERT INTO role_more VALUES ('clerk', 'too')", "INSERT INTO uses (role, uuid) VALUES ('clerk', 'u-2')")
	sites.ExchangeTwice(hub, clinic)
	for _, s := range []*sites.Site{hub, clinic} {
		if got := s.One("SELECT GROUP_CONCAT(uuid, ' ', LOWER(uses.role), ' ', x ORDER BY uuid) FROM uses JOIN role_more USING (role)"); got != "u-1 nurse changed,u-2 clerk too" {
			t.Errorf("%s has %s", s.Name, got)
		}
	}
	hub.Exec("DELETE FROM uses WHERE uuid = 'u-1'", "DELETE FROM role_more WHERE role = 'nurse'")
	clinic.Exec("INSERT INTO uses (role, uuid) VALUES ('nurse', 'u-3')")
	sites.ExchangeTwice(hub, clinic)
	sites.Quiet(t, hub, clinic)
	for _, s := range []*sites.Site{hub, clinic} {
		if n := s.One("SELECT COUNT(*) FROM uses JOIN role_more USING (role)"); n != "3" { // what is referred to stays, and what refers to it with it
			t.Errorf("%s has %s uses, want 3", s.Name, n)
		}
	}
}

// A reference that must wait for its row finds it by a key that is made of other rows' keys too.
func TestLateReferenceByComposedKey(t *testing.T) {
	profile := "[key]\nbay = [\"ward_id\", \"label\"]\nbed = [\"bay_id\", \"label\"]\n"
	ddl := []string{
		"CREATE TABLE ward (ward_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE)",
		"CREATE TABLE bay (bay_id INT AUTO_INCREMENT PRIMARY KEY, ward_id INT NOT NULL, label VARCHAR(20) NOT NULL, UNIQUE (ward_id, label), FOREIGN KEY (ward_id) REFERENCES ward (ward_id))",
		"CREATE TABLE bed (bed_id INT AUTO_INCREMENT PRIMARY KEY, bay_id INT NOT NULL, label VARCHAR(20) NOT NULL, twin_id INT NULL, UNIQUE (bay_id, label), FOREIGN KEY (bay_id) REFERENCES bay (bay_id), FOREIGN KEY (twin_id) REFERENCES bed (bed_id))",
	}
	hub, clinic := sites.New(t, "hub", profile, ddl...), sites.New(t, "clinic", profile, ddl...)
	clinic.SetOffset(100)
	hub.Exec("INSERT INTO ward (uuid) VALUES ('w-1')", "INSERT INTO bay (ward_id, label) VALUES (1, 'x'), (1, 'y')",
		"INSERT INTO bed (bay_id, label) VALUES (1, 'a'), (2, 'a')", "UPDATE bed SET twin_id = 3 - bed_id")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	sites.Exchange(hub, clinic)
	q := "SELECT GROUP_CONCAT(bay.label, twins.label ORDER BY bay.label) FROM bed JOIN bed twin ON twin.bed_id = bed.twin_id JOIN bay ON bay.bay_id = bed.bay_id JOIN bay twins ON twins.bay_id = twin.bay_id"
	if got := clinic.One(q); got != "xy,yx" {
		t.Errorf("twins are %s, want xy,yx", got)
	}
	sites.Same(t, hub, clinic)
}

// What loses is written down as it comes, however much it is, and once: long values, and the rows that a deletion takes.
func TestManyLongLosses(t *testing.T) {
	ddl := "CREATE TABLE doc (id INT AUTO_INCREMENT PRIMARY KEY, v MEDIUMTEXT NULL, uuid CHAR(36) NOT NULL UNIQUE)"
	hub, clinic := sites.New(t, "hub", "none", ddl), sites.New(t, "clinic", "none", ddl)
	hub.Exec("INSERT INTO doc (v, uuid) SELECT 'x', CONCAT('d-', seq) FROM (SELECT 1 seq UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8) d")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	sites.ExchangeTwice(hub, clinic)
	clinic.Exec("UPDATE doc SET v = REPEAT(RIGHT(uuid, 1), 900000)")
	clinic.Seal()
	hub.SetClock(time.Hour)
	hub.Exec("UPDATE doc SET v = 'hub' WHERE id > 2", "DELETE FROM doc WHERE id <= 2")
	r := hub.Send(clinic)
	if len(r) != 1 || r[0].Conflicts != 8 || r[0].Deleted != 2 {
		t.Errorf("%+v, want 8 conflicts and 2 deletions", r)
	}
	if n := clinic.One("SELECT COUNT(DISTINCT value) FROM omsync_conflict WHERE column_name = 'v' AND value = REPEAT(RIGHT(row_key, 1), 900000)"); n != "8" {
		t.Errorf("%s values are recorded, want 8", n)
	}
	sites.ExchangeTwice(hub, clinic)
	sites.Same(t, hub, clinic)
}
