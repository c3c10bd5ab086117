package exchange

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/transport"
)

// careTables are a clinic's work in small: people with encounters and observations, which name what the hub has.
var careTables = []string{
	"CREATE TABLE concept (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(80) NOT NULL, uuid CHAR(38) NOT NULL UNIQUE) ENGINE=InnoDB DEFAULT CHARSET=utf8",
	"CREATE TABLE person (id INT AUTO_INCREMENT PRIMARY KEY, gender VARCHAR(1), birthdate DATE, date_created DATETIME NOT NULL, uuid CHAR(38) NOT NULL UNIQUE) ENGINE=InnoDB DEFAULT CHARSET=utf8",
	"CREATE TABLE person_name (id INT AUTO_INCREMENT PRIMARY KEY, person_id INT NOT NULL, given VARCHAR(50), family VARCHAR(50), uuid CHAR(38) NOT NULL UNIQUE, KEY (given), KEY (family), FOREIGN KEY (person_id) REFERENCES person (id)) ENGINE=InnoDB DEFAULT CHARSET=utf8",
	"CREATE TABLE patient (id INT PRIMARY KEY, date_created DATETIME NOT NULL, FOREIGN KEY (id) REFERENCES person (id)) ENGINE=InnoDB DEFAULT CHARSET=utf8",
	"CREATE TABLE encounter (id INT AUTO_INCREMENT PRIMARY KEY, patient_id INT NOT NULL, at DATETIME NOT NULL, voided TINYINT NOT NULL DEFAULT 0, uuid CHAR(38) NOT NULL UNIQUE, KEY (at), FOREIGN KEY (patient_id) REFERENCES patient (id)) ENGINE=InnoDB DEFAULT CHARSET=utf8",
	"CREATE TABLE obs (id INT AUTO_INCREMENT PRIMARY KEY, person_id INT NOT NULL, concept_id INT NOT NULL, encounter_id INT, at DATETIME NOT NULL, value DOUBLE, comments VARCHAR(255), voided TINYINT NOT NULL DEFAULT 0, uuid CHAR(38) NOT NULL UNIQUE, KEY (at)," +
		" FOREIGN KEY (person_id) REFERENCES person (id), FOREIGN KEY (concept_id) REFERENCES concept (id), FOREIGN KEY (encounter_id) REFERENCES encounter (id)) ENGINE=InnoDB DEFAULT CHARSET=utf8",
}

// work has a clinic see new people, 20 rows for each.
func (n *node) work(people, run int) {
	n.t.Helper()
	mark := fmt.Sprintf("%s-%d-", n.Name, run)
	var rows []string
	for i := range people {
		rows = append(rows, fmt.Sprintf("('F', '1980-01-01' + INTERVAL %d DAY, NOW(), '%s%[1]d')", i, mark))
	}
	const uuid = "CONCAT(MD5(RAND()), '-', ROUND(RAND() * 99999))"
	these := fmt.Sprintf("FROM person p WHERE p.uuid LIKE '%s%%'", mark)
	n.Exec("INSERT INTO person (gender, birthdate, date_created, uuid) VALUES "+strings.Join(rows, ","),
		"INSERT INTO person_name (person_id, given, family, uuid) SELECT id, MD5(RAND()), CONCAT('family ', id % 97), "+uuid+" "+these, "INSERT INTO patient SELECT id, NOW() "+these,
		"INSERT INTO encounter (patient_id, at, uuid) SELECT id, NOW() - INTERVAL FLOOR(RAND() * 1e6) SECOND, "+uuid+" "+these,
		"INSERT INTO obs (person_id, concept_id, encounter_id, at, value, uuid) SELECT p.id, c.id, e.id, NOW(), ROUND(RAND() * 100), "+uuid+" FROM concept c JOIN encounter e JOIN person p ON p.id = e.patient_id WHERE p.uuid LIKE '"+mark+"%'")
}

// BenchmarkHubClinics has a hub import what 8 clinics have, 10,000 new rows each, from its inbox: one file after the other, and two at the same
// time, in turns. The files are encrypted and signed. It reports the medians of the seconds, and their ratio.
func BenchmarkHubClinics(b *testing.B) {
	if b.N > 1 {
		b.Skip("one run takes long enough to measure once: -benchtime 1x")
	}
	const clinics, people, concepts, runs, atOnce = 8, 500, 16, 3, 2
	const rows = clinics * people * (4 + concepts)
	var names []string
	for i := range clinics {
		names = append(names, fmt.Sprintf("clinic-%d", i))
	}
	hub, all := treeOf(b, "none", careTables, names...)
	ctx := b.Context()
	for i := range concepts {
		hub.Exec(fmt.Sprintf("INSERT INTO concept (name, uuid) VALUES ('concept %d', 'concept-%[1]d')", i))
	}
	for i, name := range names {
		all[name].SetOffset(int64(i+1) * 1_000_000)
		all[name].deliver(hub)
	}
	took := map[int][]float64{}
	for run := range 2 * runs {
		for _, name := range names {
			all[name].work(people, run)
			all[name].send(b, hub)
		}
		hub.x.AtOnce = 1 + run%2*(atOnce-1)
		e := hub.events()
		began := time.Now()
		if _, err := hub.x.ImportInbox(ctx, nil, e.Begin, e.Imported); err != nil {
			b.Fatal(err)
		}
		took[hub.x.AtOnce] = append(took[hub.x.AtOnce], time.Since(began).Seconds())
		if want := slices.DeleteFunc(slices.Clone(hub.told), func(s string) bool { return s[:7] == "applied" }); len(want) > 0 || len(hub.told) != clinics {
			b.Fatalf("told %q", hub.told)
		}
	}
	b.Logf("%v", took)
	for _, d := range slices.Collect(maps.Values(took)) {
		slices.Sort(d)
	}
	if got := hub.One("SELECT (SELECT COUNT(*) FROM person) + (SELECT COUNT(*) FROM person_name) + (SELECT COUNT(*) FROM patient) + (SELECT COUNT(*) FROM encounter) + (SELECT COUNT(*) FROM obs)"); got != fmt.Sprint(2*runs*rows) {
		b.Fatalf("%s rows came", got)
	}
	b.ReportMetric(took[1][runs/2], "in-turn-s")
	b.ReportMetric(took[atOnce][runs/2], "at-once-s")
	b.ReportMetric(took[1][runs/2]/took[atOnce][runs/2], "in-turn/at-once")
	b.ReportMetric(0, "ns/op")
}

// send exports what is new since the last file, and puts it into the other's inbox.
func (n *node) send(b *testing.B, to *node) {
	stick, err := transport.OpenFolder(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer stick.Close()
	made, err := n.x.Export(b.Context(), n.peer(to.Name), stick, ExportOptions{SinceSent: true})
	if err != nil {
		b.Fatal(err)
	}
	for _, m := range made {
		file, size, err := stick.Open(b.Context(), m.File)
		if err != nil {
			b.Fatal(err)
		}
		if err := to.x.AcceptFile(b.Context(), to.peer(n.Name), m.File, file, size); err != nil {
			b.Fatal(err)
		}
		file.Close()
	}
}
