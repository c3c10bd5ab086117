//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/openmrs"
)

// fetched is for how many patients BenchmarkFetch asks, one after the other.
const fetched = 10

// BenchmarkFetch has a clinic whose scope is empty ask a hub of OMSYNC_BENCH_PATIENTS synthetic patients (2,000) for some of them by their identifiers,
// each by omsync fetch as a process of its own, while omsync serve --import runs at the hub. It reports seconds from the start of fetch to its end, at
// which the patient is in the clinic's database with everything: p50, and p99, which is the most. A patient who is not there ends it. Both ends are on this
// machine; a link adds what it takes to carry a few files of some KB there and back.
func BenchmarkFetch(b *testing.B) {
	if b.N > 1 {
		b.Skip("it takes long enough to measure once: -benchtime 1x")
	}
	patients, x := benchPatients(b), &bench{b: b, program: buildProgram(b), dir: b.TempDir()}
	server := dbtest.Server(b)
	hub, hubDSN := server.Database(b, openmrs.Schema("2.6")...)
	clinic, clinicDSN := server.Database(b, openmrs.Schema("2.6")...)
	db := server.Open(b, hub)
	if _, err := openmrs.Load(b.Context(), db, openmrs.Options{Seed: 1, Site: "hub", Patients: patients, Obs: 30 * patients, Metadata: true}); err != nil {
		b.Fatal(err)
	}
	x.run("hub", "init", "--node", "hub", "--dsn", hubDSN)
	x.run("kisumu", "init", "--node", "kisumu", "--dsn", clinicDSN, "--profile", "openmrs")
	h := &loadTarget{bench: x}
	h.serve([]string{"--import"})
	x.run("hub", "invite", "kisumu", ">invited")
	invited, err := os.ReadFile(filepath.Join(x.dir, "invited"))
	if err != nil {
		b.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(invited)), "\n")
	x.run("kisumu", "join", h.address, "--token", lines[len(lines)-1], "--yes")
	x.run("hub", "scope", "set", "kisumu", "own")
	x.run("kisumu", "sync")
	x.run("kisumu", "sync")

	there := server.Open(b, clinic)
	rows, err := db.Query(fmt.Sprintf("SELECT identifier, p.uuid, (SELECT COUNT(*) FROM obs WHERE obs.person_id = p.person_id) FROM patient_identifier i JOIN person p ON p.person_id = i.patient_id WHERE i.voided = 0 AND i.identifier LIKE 'hub-%%' GROUP BY i.patient_id ORDER BY i.patient_id LIMIT %d", fetched))
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	var took []time.Duration
	for rows.Next() {
		var identifier, uuid string
		var want, got int
		if err := rows.Scan(&identifier, &uuid, &want); err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		x.run("kisumu", "fetch", identifier)
		took = append(took, time.Since(start))
		err := there.QueryRow("SELECT COUNT(*) FROM obs JOIN person USING (person_id) JOIN patient ON patient_id = person_id WHERE person.uuid = ?", uuid).Scan(&got)
		if err != nil || got != want {
			b.Fatalf("%s: %d of %d observations are there: %v", identifier, got, want, err)
		}
	}
	if err := rows.Err(); err != nil || len(took) < 2 {
		b.Fatalf("%d patients: %v", len(took), err)
	}
	percentiles(b, "fetch", took)
	b.ReportMetric(0, "ns/op")
	h.stop()
}
