package verify_test

import (
	"database/sql"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/schema"
)

// BenchmarkDigest makes a digest of a synthetic clinic, and compares a copy of it with that, beside reading the same tables. Each figure is a median:
// digest/read and compare/read are times of reading all values once. OMSYNC_BENCH_PATIENTS is the clinic's size (2,000; each has some 22 rows).
func BenchmarkDigest(b *testing.B) {
	patients := 2000
	if s := os.Getenv("OMSYNC_BENCH_PATIENTS"); s != "" {
		var err error
		if patients, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	hub, clinic := pair(b, patients)
	var m measured
	for b.Loop() {
		m.measure(b, hub, clinic)
	}
	b.ReportMetric(float64(m.rows)/median(m.read), "read-rows/s")
	b.ReportMetric(m.ratio(m.made), "digest/read")
	b.ReportMetric(m.ratio(m.compared), "compare/read")
	b.ReportMetric(float64(len(m.file.Data)), "digest-bytes")
	b.ReportMetric(0, "ns/op")
}

// measured are times, in seconds, each measured beside the others.
type measured struct {
	read, made, compared []float64
	rows                 int
	file                 *sites.File // the last one
	found                *export.Compared
}

// measure adds one of each: all values of one site are read, a digest is made there, and the other site is compared with it.
func (m *measured) measure(t testing.TB, from, at *sites.Site) {
	t.Helper()
	start := time.Now()
	m.rows = readAll(t, from)
	read := time.Now()
	m.file = from.Digest(at, export.DigestOptions{Finds: 1000})
	made := time.Now()
	m.found = at.Compare(m.file)
	compared := time.Now()
	m.read = append(m.read, read.Sub(start).Seconds())
	m.made = append(m.made, made.Sub(read).Seconds())
	m.compared = append(m.compared, compared.Sub(made).Seconds())
}

// ratio is the median of what times are of the readings beside them.
func (m *measured) ratio(of []float64) float64 {
	var out []float64
	for i, s := range of {
		out = append(out, s/m.read[i])
	}
	return median(out)
}

func median(of []float64) float64 {
	return slices.Sorted(slices.Values(of))[len(of)/2]
}

// readAll reads every value of every table that is exchanged, and returns how many rows that are.
func readAll(t testing.TB, s *sites.Site) (n int) {
	t.Helper()
	for _, table := range s.J.Replicated() {
		rows, err := s.DB.Query("SELECT * FROM " + schema.Quote(table.Name))
		if err != nil {
			t.Fatal(err)
		}
		names, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		into := make([]any, len(names))
		for i := range into {
			into[i] = new(sql.RawBytes)
		}
		for rows.Next() {
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			n++
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return n
}
