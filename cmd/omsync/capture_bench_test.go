package main

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/openmrs"
)

// BenchmarkCapture runs transactions as an application's, of one encounter with ten obs each, in a database that is captured and in an equal one
// that is not, by turns: it reports the median of each, what the server writes to its redo log for each row, and the longest transaction while
// nothing else is done and while seals and exports are. OMSYNC_BENCH_PATIENTS is the size of the databases (2,000). Bytes are counted for the whole
// server: nobody else may use it meanwhile.
func BenchmarkCapture(b *testing.B) {
	if b.N > 1 {
		b.Skip("one run takes long enough to measure once: -benchtime 1x")
	}
	server := dbtest.Server(b)
	patients := benchPatients(b)
	s := newSmallSites(b, server, buildProgram(b), patients)
	name, _ := server.Database(b, openmrs.Schema("2.6")...)
	s.db["plain"] = server.Open(b, name)
	if _, err := openmrs.Load(b.Context(), s.db["plain"], openmrs.Options{Seed: 1, Site: "hub", Patients: patients, Obs: 30 * patients, Metadata: true}); err != nil {
		b.Fatal(err)
	}
	s.questions = s.rows("hub", "SELECT concept_id, 0, 100, 0 FROM obs WHERE value_numeric IS NOT NULL GROUP BY concept_id") // both databases have the same integers
	at := s.rows("hub", "SELECT encounter_type, patient_id, creator, location_id FROM encounter WHERE location_id IS NOT NULL ORDER BY RAND(5) LIMIT 1000")

	const rounds, each, rows = 10, 200, 11
	took, written := map[string][]time.Duration{}, map[string]int64{}
	for range rounds {
		for _, site := range []string{"plain", "hub"} {
			before := s.redo(site)
			took[site] = append(took[site], s.encounters(site, at, each)...)
			written[site] += s.redo(site) - before
		}
	}
	off, on := median(took["plain"]).Seconds(), median(took["hub"]).Seconds()
	b.ReportMetric(1000*off, "off-ms")
	b.ReportMetric(1000*on, "on-ms")
	b.ReportMetric(on/off, "on/off")
	b.ReportMetric(float64(written["plain"])/(rounds*each*rows), "off-redo-bytes/row")
	b.ReportMetric(float64(written["hub"])/(rounds*each*rows), "on-redo-bytes/row")
	b.ReportMetric(1000*slices.Max(took["hub"]).Seconds(), "longest-ms")

	stop, done := make(chan struct{}), make(chan error, 1)
	seals := 0
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			cmd := exec.Command(s.program, "--home", filepath.Join(s.dir, "hub"), "export", "--to", s.dir)
			cmd.Env = append(os.Environ(), "OMSYNC_HOME=")
			if out, err := cmd.CombinedOutput(); err != nil {
				done <- fmt.Errorf("%w\n%s", err, out)
				return
			}
			seals++
		}
	}()
	beside := s.encounters("hub", at, 5*each)
	close(stop)
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(seals), "seals")
	b.ReportMetric(1000*slices.Max(beside).Seconds(), "longest-beside-seals-ms")
	b.ReportMetric(1000*median(beside).Seconds(), "beside-seals-ms")
	b.ReportMetric(0, "ns/op")
}

// encounters adds some with ten obs each, and returns what each transaction took.
func (s *smallSites) encounters(site string, at [][]int64, n int) (took []time.Duration) {
	s.Helper()
	for range n {
		like := at[s.random.IntN(len(at))]
		now := time.Now().UTC().Format(time.DateTime)
		encounter := fmt.Sprintf("INSERT INTO encounter (encounter_type, patient_id, creator, location_id, encounter_datetime, date_created, uuid) VALUES (%d, %d, %d, %d, '%s', '%[5]s', '%[6]s')",
			like[0], like[1], like[2], like[3], now, s.uuid())
		start := time.Now()
		tx, err := s.db[site].Begin()
		if err != nil {
			s.Fatal(err)
		}
		var result sql.Result
		if result, err = tx.Exec(encounter); err != nil {
			s.Fatal(err)
		}
		id, err := result.LastInsertId()
		if err != nil {
			s.Fatal(err)
		}
		for _, o := range s.obs(id, like[1], like[2], like[3], 10) {
			if _, err := tx.Exec(o); err != nil {
				s.Fatal(err)
			}
		}
		if err := tx.Commit(); err != nil {
			s.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	return took
}

// redo is how many bytes a site's server has written to its redo log.
func (s *smallSites) redo(site string) (n int64) {
	s.Helper()
	var name string
	if err := s.db[site].QueryRow("SHOW GLOBAL STATUS LIKE 'Innodb_os_log_written'").Scan(&name, &n); err != nil {
		s.Fatal(err)
	}
	return n
}
