package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkSmall runs the command on small changes at a clinic: each is exported and imported. It reports the medians of the
// seconds that whole processes took, how many statements they sent, and the bytes that grow with what is said.
// OMSYNC_BENCH_PATIENTS is the size of the databases (2,000). OMSYNC_BENCH_STATEMENTS names a folder for the statements.
func BenchmarkSmall(b *testing.B) {
	if b.N > 1 {
		b.Skip("one run takes long enough to measure once: -benchtime 1x")
	}
	patients := 2000
	if s := os.Getenv("OMSYNC_BENCH_PATIENTS"); s != "" {
		var err error
		if patients, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	program := filepath.Join(b.TempDir(), "omsync")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	s := newSmallSites(b, program, patients)
	for _, d := range deltas() {
		b.Run(d.name, func(b *testing.B) {
			s.TB = b
			var exports, imports []time.Duration
			size := 0
			const times = 7
			for i := range times + 1 { // the last is counted
				s.count("kisumu", i == times)
				s.count("hub", i == times)
				d.change(s)
				dir := s.stick()
				sent := s.measure("kisumu", "export", "--to", dir)
				if d.rows > 0 {
					size = s.bytes(dir)
				}
				taken := s.measure("hub", "import", "--from", dir)
				if i < times {
					exports, imports = append(exports, sent.took), append(imports, taken.took)
				} else {
					b.ReportMetric(float64(len(sent.statements)), "export-statements")
					b.ReportMetric(float64(len(taken.statements)), "import-statements")
					s.keep("export-"+d.name, sent.statements)
					s.keep("import-"+d.name, taken.statements)
				}
				s.count("kisumu", false)
				s.count("hub", false)
				s.carry("hub", "kisumu") // what it acknowledges
			}
			b.ReportMetric(median(exports), "export-s")
			b.ReportMetric(median(imports), "import-s")
			if d.rows > 0 {
				b.ReportMetric(float64(size), "bytes")
				b.ReportMetric(float64(size)/float64(d.rows), "bytes/row")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

func median(d []time.Duration) float64 { return slices.Sorted(slices.Values(d))[len(d)/2].Seconds() }

// keep writes statements into the folder that OMSYNC_BENCH_STATEMENTS names.
func (s *smallSites) keep(name string, statements []string) {
	if dir := os.Getenv("OMSYNC_BENCH_STATEMENTS"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Join(statements, "\n--\n")), 0o600); err != nil {
			s.Fatal(err)
		}
	}
}
