package apply_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/journal"
)

// floods inserts many rows at a site, in few statements; row is what VALUES has of one.
func floods(s *sites.Site, into string, n int, row func(i int) string) {
	for from := 0; from < n; from += 5000 {
		var rows []string
		for i := from; i < min(from+5000, n); i++ {
			rows = append(rows, row(i))
		}
		s.Exec("INSERT INTO " + into + " VALUES " + strings.Join(rows, ","))
	}
}

// A peer sends rows that wait for ten thousand different reasons: the report stays short, the rest of the file is applied, and all of them come
// in once they can.
func TestTenThousandReasons(t *testing.T) {
	if testing.Short() {
		t.Skip("many rows")
	}
	const n = 10_000
	hub, clinic, f := wardPair(t)
	waits(hub, clinic)
	clinic.Import(f)
	hub.Exec("ALTER TABLE ward MODIFY name VARCHAR(40) NOT NULL")
	hub.Follow()
	sites.Exchange(hub, clinic)
	floods(hub, "ward (name, uuid)", n, func(i int) string { return fmt.Sprintf("('a name of more than twelve %d', 'x-%d')", i, i) })
	hub.Exec("INSERT INTO bed (ward_id, uuid) SELECT ward_id, CONCAT('of ', uuid) FROM ward WHERE uuid LIKE 'x-%'", "INSERT INTO ward (name, uuid) VALUES ('short', 'w-3')")
	report := clinic.Import(hub.Export(clinic)[0])
	if len(report.Notes) > 20 {
		t.Errorf("%d notes", len(report.Notes))
	}
	counts, err := journal.CountWaitingRows(t.Context(), clinic.J.DB)
	if err != nil || len(counts) != 2 || counts[0].Rows != n || counts[1].Rows != n {
		t.Fatalf("%+v: %v", counts, err)
	}
	if texts := clinic.One("SELECT COUNT(DISTINCT text) FROM omsync_waiting"); texts != fmt.Sprint(2*n) {
		t.Errorf("%s reasons", texts)
	}
	if got := clinic.One("SELECT COUNT(*) FROM ward WHERE uuid = 'w-3'"); got != "1" {
		t.Error("the rest of the file was not applied")
	}
	widen(t, clinic)
	if got := clinic.One("SELECT CONCAT((SELECT COUNT(*) FROM omsync_waiting), ' ', (SELECT COUNT(*) FROM bed b JOIN ward w ON b.uuid = CONCAT('of ', w.uuid) AND b.ward_id = w.ward_id))"); got != fmt.Sprint("0 ", n) {
		t.Errorf("waiting, and beds in their ward: %s", got)
	}
}

// A peer sends tens of thousands of rows of a table that is not here: none of them waits, nothing of it stays, and what else it sends is applied.
// Once the table is here, it is asked for whole.
func TestFloodForATableThatIsNotHere(t *testing.T) {
	if testing.Short() {
		t.Skip("many rows")
	}
	const n = 40_000
	hub, clinic, f := wardPair(t)
	waits(hub, clinic)
	clinic.Import(f)
	make := "CREATE TABLE extra (extra_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE)"
	hub.Exec(make)
	hub.Follow()
	sites.Exchange(hub, clinic)
	floods(hub, "extra (uuid)", n, func(i int) string { return fmt.Sprintf("('e-%d')", i) })
	hub.Exec("INSERT INTO ward (name, uuid) VALUES ('short', 'w-3')")
	hub.Send(clinic)
	if got := clinic.One("SELECT CONCAT((SELECT COUNT(*) FROM omsync_waiting), ' ', (SELECT COUNT(*) FROM ward WHERE uuid = 'w-3'))"); got != "0 1" {
		t.Errorf("waiting, and the rest: %s", got)
	}
	clinic.Exec(make)
	clinic.Follow()
	sites.ExchangeTwice(hub, clinic)
	if got := clinic.One("SELECT COUNT(*) FROM extra"); got != fmt.Sprint(n) {
		t.Errorf("%s rows of the table came", got)
	}
	sites.Same(t, hub, clinic)
}
