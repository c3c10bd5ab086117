package apply_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sites"
)

// waitingRows lists what waits at a site: reason, column and the row's key.
func waitingRows(s *sites.Site) string {
	var out []string
	for _, r := range s.Query("SELECT reason, column_name, row_key FROM omsync_waiting ORDER BY id") {
		out = append(out, strings.Join(r, " "))
	}
	return strings.Join(out, ", ")
}

// waits lets rows wait at sites.
func waits(all ...*sites.Site) {
	for _, s := range all {
		s.Waits = true
	}
}

// What refers to a row that was deleted here waits, with what refers to that, three levels deep; the rest of the file is applied. The
// other site's answer brings the row back, and then all of them come in.
func TestRowsWaitForARow(t *testing.T) {
	schema := []string{
		"CREATE TABLE site (site_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20), uuid CHAR(38) NOT NULL UNIQUE)",
		"CREATE TABLE ward (ward_id INT AUTO_INCREMENT PRIMARY KEY, site_id INT NOT NULL, uuid CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (site_id) REFERENCES site (site_id))",
		"CREATE TABLE bed (bed_id INT AUTO_INCREMENT PRIMARY KEY, ward_id INT NULL, beside INT NULL, uuid CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (ward_id) REFERENCES ward (ward_id), FOREIGN KEY (beside) REFERENCES bed (bed_id))",
	}
	hub, clinic := sites.New(t, "hub", "none", schema...), sites.New(t, "clinic", "none", schema...)
	waits(hub, clinic)
	hub.Exec("INSERT INTO site (name, uuid) VALUES ('a', 's-1'), ('b', 's-2')")
	hub.Init()
	clinic.SetOffset(1000)
	clinic.Init()
	hub.Connect(clinic)
	sites.Exchange(hub, clinic)
	hub.Exec("DELETE FROM site WHERE uuid = 's-1'")
	clinic.Exec(
		"INSERT INTO ward (site_id, uuid) SELECT site_id, 'w-1' FROM site WHERE uuid = 's-1'",
		"INSERT INTO ward (site_id, uuid) SELECT site_id, 'w-2' FROM site WHERE uuid = 's-2'",
		"INSERT INTO bed (ward_id, uuid) SELECT ward_id, REPLACE(uuid, 'w', 'b') FROM ward",
		"INSERT INTO bed (beside, uuid) SELECT bed_id, 'b-3' FROM bed WHERE uuid = 'b-1'",
		"INSERT INTO bed (beside, uuid) SELECT bed_id, 'b-4' FROM bed WHERE uuid = 'b-3'",
		"UPDATE site SET name = 'b2' WHERE uuid = 's-2'",
	)
	r := clinic.Send(hub)[0]
	if r.Inserted != 2 || r.Updated != 1 || r.Waiting != 4 {
		t.Errorf("%+v", r)
	}
	if got, want := waitingRows(hub), "reference site_id w-1, reference ward_id b-1, reference beside b-3, reference beside b-4"; got != want {
		t.Errorf("waiting: %s, want %s", got, want)
	}
	allSettled(t, hub, clinic)
	if n := hub.One("SELECT COUNT(*) FROM bed"); n != "4" {
		t.Errorf("%s beds", n)
	}
}

// A value that the table does not take waits until the column is wider; a unique value until the other row gives it up. An edit that the
// sender makes meanwhile takes the place of what waits.
func TestRowsWaitForTheTable(t *testing.T) {
	hub, clinic, f := wardPair(t)
	waits(hub, clinic)
	clinic.Import(f)
	hub.Exec("ALTER TABLE ward MODIFY name VARCHAR(40) NOT NULL")
	hub.Follow()
	sites.Exchange(hub, clinic)
	clinic.Exec("INSERT INTO ward (name, code, uuid) VALUES ('here', 'X', 'w-here')")
	hub.Exec("INSERT INTO ward (name, code, uuid) VALUES ('there', 'X', 'w-there'), ('other', 'Y', 'w-other')",
		"UPDATE ward SET name = 'a name of more than twelve' WHERE uuid = 'w-1'",
		"INSERT INTO bed (ward_id, uuid) SELECT ward_id, 'b-there' FROM ward WHERE uuid = 'w-there'")
	r := hub.Send(clinic)[0]
	if r.Waiting != 3 {
		t.Errorf("%+v, waiting %s", r, waitingRows(clinic))
	}
	if n := clinic.One("SELECT COUNT(*) FROM ward WHERE uuid = 'w-other'"); n != "1" {
		t.Error("the rest is not applied")
	}
	hub.Exec("UPDATE ward SET name = 'a name of even more than twelve' WHERE uuid = 'w-1'")
	hub.Send(clinic)
	clinic.Exec("UPDATE ward SET code = 'X2' WHERE uuid = 'w-here'")
	if err := clinic.Retry(); err != nil {
		t.Fatal(err)
	}
	if got, want := waitingRows(clinic), "value name w-1"; got != want {
		t.Errorf("waiting: %s, want %s", got, want)
	}
	clinic.Exec("ALTER TABLE ward MODIFY name VARCHAR(40) NOT NULL")
	clinic.Follow()
	allSettled(t, hub, clinic)
}

// allSettled exchanges until there is nothing more to say, and expects equal sites where nothing waits.
func allSettled(t *testing.T, all ...*sites.Site) {
	t.Helper()
	sites.ExchangeTwice(all...)
	for _, s := range all {
		sites.Same(t, all[0], s)
		if got := waitingRows(s); got != "" {
			t.Errorf("still waiting at %s: %s", s.Name, got)
		}
	}
	sites.Quiet(t, all...)
}

// A column that refers to another table at one site, as after an upgrade of the application there, has only its rows wait: until the other
// site is upgraded too.
func TestRowsWaitForTheSchema(t *testing.T) {
	schema := []string{
		"CREATE TABLE person (person_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20), uuid CHAR(38) NOT NULL UNIQUE)",
		"CREATE TABLE users (user_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE)",
		"CREATE TABLE provider (provider_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE)",
		"CREATE TABLE orders (order_id INT AUTO_INCREMENT PRIMARY KEY, orderer INT NULL, uuid CHAR(38) NOT NULL UNIQUE, CONSTRAINT old FOREIGN KEY (orderer) REFERENCES users (user_id))",
	}
	hub, clinic := sites.New(t, "hub", "none", schema...), sites.New(t, "clinic", "none", schema...)
	waits(hub, clinic)
	hub.Exec("INSERT INTO users (uuid) VALUES ('u-1')", "INSERT INTO orders (orderer, uuid) SELECT user_id, 'o-1' FROM users")
	hub.Init()
	clinic.SetOffset(1000)
	clinic.Init()
	hub.Connect(clinic)
	sites.Exchange(hub, clinic)
	upgrade := func(s *sites.Site) {
		s.Exec("ALTER TABLE orders DROP FOREIGN KEY old", "UPDATE orders SET orderer = (SELECT provider_id FROM provider WHERE uuid = 'pr-1')",
			"ALTER TABLE orders ADD CONSTRAINT new FOREIGN KEY (orderer) REFERENCES provider (provider_id)")
		s.Follow()
	}
	hub.Exec("INSERT INTO provider (uuid) VALUES ('pr-0'), ('pr-1')", "INSERT INTO person (name, uuid) VALUES ('h', 'p-h')")
	upgrade(hub)
	clinic.Exec("INSERT INTO person (name, uuid) VALUES ('c', 'p-c')", "INSERT INTO orders (orderer, uuid) SELECT user_id, 'o-2' FROM users")
	for range 3 {
		hub.Send(clinic)
		clinic.Send(hub)
	}
	for _, s := range []*sites.Site{hub, clinic} {
		if n := s.One("SELECT COUNT(*) FROM person"); n != "2" {
			t.Errorf("%s people at %s", n, s.Name)
		}
	}
	if got, want := waitingRows(clinic), "schema orderer o-1"; got != want {
		t.Errorf("waiting at the clinic: %s, want %s", got, want)
	}
	if got, want := waitingRows(hub), "schema orderer o-2"; got != want {
		t.Errorf("waiting at the hub: %s, want %s", got, want)
	}
	upgrade(clinic)
	allSettled(t, hub, clinic)
	if got := clinic.One("SELECT p.uuid FROM orders o JOIN provider p ON p.provider_id = o.orderer WHERE o.uuid = 'o-1'"); got != "pr-1" {
		t.Errorf("the orderer is %s", got)
	}
}

// A foreign key that one site lacks stops nothing: what is a reference at the sender is one here too. What comes as a number, from the site
// that does not know it for a reference, waits: it would be another row here.
func TestForeignKeyOnOneSide(t *testing.T) {
	schema := []string{
		"CREATE TABLE clinic (clinic_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE)",
		"CREATE TABLE appointment (appointment_id INT AUTO_INCREMENT PRIMARY KEY, clinic_id INT NULL, note VARCHAR(20), uuid CHAR(38) NOT NULL UNIQUE, CONSTRAINT fk FOREIGN KEY (clinic_id) REFERENCES clinic (clinic_id))",
	}
	hub, site := sites.New(t, "hub", "none", schema...), sites.New(t, "site", "none", schema...)
	waits(hub, site)
	site.Exec("ALTER TABLE appointment DROP FOREIGN KEY fk")
	site.SetOffset(500)
	hub.Exec("INSERT INTO clinic (uuid) VALUES ('k-1'), ('k-2')", "INSERT INTO appointment (clinic_id, uuid) SELECT clinic_id, REPLACE(uuid, 'k', 'a') FROM clinic", "INSERT INTO appointment (clinic_id, uuid) VALUES (NULL, 'a-3')")
	hub.Init()
	site.Init()
	hub.Connect(site)
	sites.Exchange(hub, site)
	const joined = "SELECT GROUP_CONCAT(CONCAT(a.uuid, k.uuid) ORDER BY 1) FROM appointment a JOIN clinic k USING (clinic_id)"
	if got := site.One(joined); got != "a-1k-1,a-2k-2" {
		t.Errorf("at the site: %s", got)
	}
	site.Exec("INSERT INTO appointment (clinic_id, uuid) SELECT clinic_id, 'a-4' FROM clinic WHERE uuid = 'k-1'", "UPDATE appointment SET note = 'x' WHERE uuid = 'a-3'")
	site.Send(hub)
	if got, want := waitingRows(hub), "schema clinic_id a-4"; got != want {
		t.Errorf("waiting at the hub: %s, want %s", got, want)
	}
	site.Exec("ALTER TABLE appointment ADD CONSTRAINT fk FOREIGN KEY (clinic_id) REFERENCES clinic (clinic_id)")
	site.Follow()
	site.Exec("UPDATE appointment SET note = 'y' WHERE uuid = 'a-4'")
	allSettled(t, hub, site)
	if got := hub.One(joined); got != "a-1k-1,a-2k-2,a-4k-1" {
		t.Errorf("at the hub: %s", got)
	}
}

// An edit of a row while a version of it waits is no conflict where the sender took it meanwhile, and one where it did not; and what
// waits is not lost by it.
func TestEditWhileARowWaits(t *testing.T) {
	hub, clinic, f := wardPair(t)
	waits(hub, clinic)
	clinic.Import(f)
	hub.Exec("ALTER TABLE ward MODIFY name VARCHAR(40) NOT NULL")
	hub.Follow()
	sites.Exchange(hub, clinic)
	hub.Exec("UPDATE ward SET name = 'a name of more than twelve', size = 7 WHERE uuid = 'w-1'")
	hub.Send(clinic)
	if got := waitingRows(clinic); got != "value name w-1" {
		t.Fatalf("waiting: %s", got)
	}
	clinic.Exec("UPDATE ward SET size = 8 WHERE uuid = 'w-1'")
	clinic.Send(hub)
	clinic.Exec("ALTER TABLE ward MODIFY name VARCHAR(40) NOT NULL")
	clinic.Follow()
	allSettled(t, hub, clinic)
	if got := hub.One("SELECT CONCAT(name, size) FROM ward WHERE uuid = 'w-1'"); got != "a name of more than twelve8" {
		t.Errorf("the row is %s", got)
	}
	recorded(t, hub, "ward.size=7")
	recorded(t, clinic, "ward.size=7")
}

// A file of before, which turns up between the parts of a load, takes the place of no row of the load's that waits.
func TestOldFileBetweenThePartsOfALoad(t *testing.T) {
	hub, clinic, old := wardPair(t)
	waits(hub, clinic)
	hub.Exec("ALTER TABLE ward MODIFY name VARCHAR(40) NOT NULL")
	hub.Follow()
	hub.Exec("UPDATE ward SET name = 'a name of more than twelve' WHERE uuid = 'w-2'", "INSERT INTO ward (name, uuid) VALUES ('another of more than twelve', 'w-3')",
		"INSERT INTO bed (ward_id, uuid) SELECT ward_id, 'b-1' FROM ward WHERE uuid = 'w-3'") // which the old file deletes
	var beds []string
	for i := range 2100 { // two blocks
		beds = append(beds, fmt.Sprintf("(1, 'c-%d')", i))
	}
	hub.Exec("INSERT INTO bed (ward_id, uuid) VALUES " + strings.Join(beds, ","))
	parts := hub.Export(clinic, sites.Full, sites.Parts(1))
	if len(parts) < 3 {
		t.Fatalf("%d parts", len(parts))
	}
	for i, f := range parts {
		clinic.Import(f)
		if i == 1 { // the wards are in the first part, and bed b-1 is in the second
			clinic.Import(old)
		}
	}
	if got := waitingRows(clinic); got != "value name w-2, value name w-3, reference ward_id b-1" {
		t.Errorf("waiting: %q", got)
	}
	clinic.Exec("ALTER TABLE ward MODIFY name VARCHAR(40) NOT NULL")
	clinic.Follow()
	allSettled(t, hub, clinic)
}

// A row whose sender was restored from before it, and which waits here, goes back to it.
func TestWaitingRowOfARestoredSender(t *testing.T) {
	hub, clinic, f := wardPair(t)
	waits(hub, clinic)
	clinic.Import(f)
	hub.Exec("ALTER TABLE ward MODIFY name VARCHAR(40) NOT NULL")
	hub.Follow()
	sites.Exchange(hub, clinic)
	restore := backup(t, hub)
	hub.Exec("INSERT INTO ward (name, uuid) VALUES ('a name of more than twelve', 'w-9')")
	hub.Send(clinic)
	restore()
	clinic.Exec("ALTER TABLE ward MODIFY name VARCHAR(40) NOT NULL")
	clinic.Follow()
	healed(t, hub, clinic)
	allSettled(t, hub, clinic)
	if n := hub.One("SELECT COUNT(*) FROM ward WHERE uuid = 'w-9'"); n != "1" {
		t.Errorf("%s rows at the hub that was restored", n)
	}
}

// Keys of 40,000 bytes, of a row and of what it refers to, are cut in what is said of the row, and the row waits like others.
func TestRowsWithLongKeysWait(t *testing.T) {
	hub, clinic, f := wardPair(t)
	waits(hub, clinic)
	long := strings.Repeat("k", 40_000)
	uuid := []batch.Column{{Name: "uuid"}}
	forged := forge(t, f, func(w *batch.Writer) error {
		n, err := w.Table(batch.Table{Name: "ward", Root: "ward", Key: uuid})
		if err != nil {
			return err
		}
		if _, err := w.Keys(n, []batch.Values{{Bytes: [][]byte{[]byte(long)}}}); err != nil {
			return err
		}
		bed := batch.Table{Name: "bed", Root: "bed", Key: uuid, Columns: []batch.Column{{Name: "ward_id", Slot: 1, Ref: true}}}
		return wardRows(w, bed, []string{long}, batch.Values{Refs: []uint32{batch.FirstRef}})
	})
	r, err := clinic.ImportErr(forged, signed)
	if err != nil || r.Waiting != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	text := clinic.One("SELECT text FROM omsync_waiting")
	if !strings.Contains(text, "kkk…") || !strings.Contains(text, "neither here nor in the batch") || len(text) > 1000 {
		t.Errorf("%d bytes: %.1200s", len(text), text)
	}
}

// The type of a column may be a long list: what is said of a row that waits is cut.
func TestReasonsAreShort(t *testing.T) {
	hub, clinic, f := wardPair(t)
	waits(hub, clinic)
	clinic.Import(f)
	var words []string
	for i := range 500 {
		words = append(words, fmt.Sprintf("'a word of the list %d'", i))
	}
	clinic.Exec("ALTER TABLE ward MODIFY name ENUM ('maternity', 'theatre', 'surgery', " + strings.Join(words, ",") + ") NULL")
	clinic.Follow()
	hub.Exec("UPDATE ward SET name = 'not in it' WHERE uuid = 'w-1'")
	hub.Send(clinic)
	if got := clinic.Query("SELECT text FROM omsync_waiting"); len(got) != 1 || len(got[0][0]) > 1000 || !strings.HasSuffix(got[0][0], "…") {
		t.Errorf("%.2000q", got)
	}
}
