package apply_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/journal"
)

// benchRows is how many rows each of the benchmarks below takes at once.
const benchRows = 5000

// pair is two nodes in step, of which the hub has the rows of visits.
func pair(b *testing.B) (hub, clinic *sites.Site) {
	ddl := []string{
		"CREATE TABLE visit (visit_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, note VARCHAR(50)) ENGINE=InnoDB",
		"CREATE TABLE obs (obs_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, visit_id INT NOT NULL, value DOUBLE, note VARCHAR(255), " +
			"FOREIGN KEY (visit_id) REFERENCES visit (visit_id)) ENGINE=InnoDB",
	}
	hub, clinic = sites.New(b, "hub", "none", ddl...), sites.New(b, "kisumu", "none", ddl...)
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	var visits []string
	for i := range 500 {
		visits = append(visits, fmt.Sprintf("(%d, UUID(), 'visit')", i+1))
	}
	hub.Exec("INSERT INTO visit VALUES " + strings.Join(visits, ","))
	sites.ExchangeTwice(hub, clinic)
	return hub, clinic
}

// addObs adds rows as an application does.
func addObs(s *sites.Site) {
	var rows []string
	for i := range benchRows {
		rows = append(rows, fmt.Sprintf("(UUID(), %d, %d, 'as usual')", i%500+1, i))
	}
	s.Exec("INSERT INTO obs (uuid, visit_id, value, note) VALUES " + strings.Join(rows, ","))
}

func rowsPerSecond(b *testing.B) {
	b.ReportMetric(float64(b.N)*benchRows/b.Elapsed().Seconds(), "rows/s")
}

// What it takes to apply a file of new rows, of edited rows, and of rows that are here already.
func BenchmarkApply(b *testing.B) {
	for _, name := range []string{"new", "edited", "here already"} {
		b.Run(name, func(b *testing.B) {
			hub, clinic := pair(b)
			if name != "new" {
				addObs(hub)
				sites.ExchangeTwice(hub, clinic)
			}
			b.ResetTimer()
			for run := range b.N {
				b.StopTimer()
				var files []*sites.File
				switch name {
				case "new":
					addObs(hub)
					files = hub.Export(clinic)
				case "edited":
					hub.Exec(fmt.Sprintf("UPDATE obs SET value = value + 1, note = 'run %d'", run))
					files = hub.Export(clinic)
				default: // a load with nothing new would be known by its header
					hub.Exec(fmt.Sprintf("UPDATE visit SET note = 'run %d' WHERE visit_id = 1", run))
					files = hub.Export(clinic, sites.Full)
				}
				var applied int64
				b.StartTimer()
				for _, f := range files {
					r := clinic.Import(f)
					applied += r.Inserted + r.Updated + r.Unchanged
				}
				b.StopTimer()
				if applied < benchRows {
					b.Fatalf("%d rows applied", applied)
				}
				clinic.Send(hub)
				b.StartTimer()
			}
			rowsPerSecond(b)
		})
	}
}

// What it takes to seal what an application has written.
func BenchmarkSeal(b *testing.B) {
	hub, _ := pair(b)
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		addObs(hub)
		b.StartTimer()
		hub.Seal()
	}
	rowsPerSecond(b)
}

// What it takes to find the keys of rows by their integers.
func BenchmarkKeys(b *testing.B) {
	hub, _ := pair(b)
	addObs(hub)
	table := hub.J.Catalogue.Table("obs")
	rows := make([]journal.Row, benchRows)
	for i := range rows {
		rows[i].Int = int64(i + 1)
	}
	b.ResetTimer()
	for range b.N {
		keys, err := rowkey.Of(b.Context(), hub.DB, table, rows)
		if err != nil || len(keys) != benchRows {
			b.Fatalf("%d keys, %v", len(keys), err)
		}
	}
	rowsPerSecond(b)
}
