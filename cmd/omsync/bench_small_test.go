package main

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/netfault"
	"github.com/omsync/omsync/internal/openmrs"
	"github.com/omsync/omsync/node/config"
)

// BenchmarkSmall runs the command on small changes at a clinic: each is exported and imported. It reports the medians of the
// seconds that whole processes took, how many statements they sent, how many rows the server read meanwhile, and the bytes that grow with
// what is said.
// OMSYNC_BENCH_PATIENTS is the size of the databases (2,000). OMSYNC_BENCH_STATEMENTS names a folder for the statements. OMSYNC_BENCH_DATABASES
// is how many other databases with the same tables, and with triggers, the server has (0).
func BenchmarkSmall(b *testing.B) {
	if b.N > 1 {
		b.Skip("one run takes long enough to measure once: -benchtime 1x")
	}
	server := dbtest.Server(b)
	s := newSmallSites(b, server, buildProgram(b), benchPatients(b))
	for i := range benchNumber(b, "OMSYNC_BENCH_DATABASES", 0) {
		_, dsn := server.Database(b, openmrs.Schema("2.6")...)
		s.omsync(fmt.Sprint("other", i), "init", "--node", fmt.Sprint("other", i), "--dsn", dsn)
	}
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
					b.ReportMetric(float64(sent.read), "export-rows-read")
					b.ReportMetric(float64(taken.read), "import-rows-read")
					s.keep("export-"+d.name, sent.statements)
					s.keep("import-"+d.name, taken.statements)
				}
				s.count("kisumu", false)
				s.count("hub", false)
				s.carry("hub", "kisumu") // what it acknowledges
			}
			b.ReportMetric(median(exports).Seconds(), "export-s")
			b.ReportMetric(median(imports).Seconds(), "import-s")
			if d.rows > 0 {
				b.ReportMetric(float64(size), "bytes")
				b.ReportMetric(float64(size)/float64(d.rows), "bytes/row")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// benchPatients is how many patients the databases of a benchmark have.
func benchPatients(b *testing.B) int { return benchNumber(b, "OMSYNC_BENCH_PATIENTS", 2000) }

// benchNumber is a number from the environment.
func benchNumber(b *testing.B, name string, otherwise int) int {
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// buildProgram builds the command as it is for users: the tests' own has the tests in it.
func buildProgram(b testing.TB) string {
	program := filepath.Join(b.TempDir(), "omsync")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return program
}

func median[T cmp.Ordered](of []T) T { return slices.Sorted(slices.Values(of))[len(of)/2] }

// keep writes statements into the folder that OMSYNC_BENCH_STATEMENTS names.
func (s *smallSites) keep(name string, statements []string) {
	if dir := os.Getenv("OMSYNC_BENCH_STATEMENTS"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Join(statements, "\n--\n")), 0o600); err != nil {
			s.Fatal(err)
		}
	}
}

// BenchmarkIdleSync runs sync at a clinic that has nothing to say, to a hub that has nothing for it, over HTTPS. It reports the median of the
// seconds that whole processes took, and the bytes of both directions together.
func BenchmarkIdleSync(b *testing.B) {
	if b.N > 1 {
		b.Skip("one run takes long enough to measure once: -benchtime 1x")
	}
	s := newSmallSites(b, dbtest.Server(b), buildProgram(b), 200)
	link := s.serve()
	for range 3 {
		s.omsync("kisumu", "sync")
	}
	var took []time.Duration
	const times = 15
	before := link.Stats()
	for range times {
		took = append(took, s.measure("kisumu", "sync").took)
	}
	after := link.Stats()
	b.ReportMetric(median(took).Seconds(), "sync-s")
	b.ReportMetric(float64(after.Up+after.Down-before.Up-before.Down)/times, "sync-bytes")
	b.ReportMetric(0, "ns/op")
}

// serve starts the hub's server, and gives the clinic a link to it by way of a network that counts.
func (s *smallSites) serve() *netfault.Proxy {
	log := filepath.Join(s.dir, "hub.log")
	f, err := os.Create(log)
	if err != nil {
		s.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command(s.program, "--home", filepath.Join(s.dir, "hub"), "serve", "--import", "--listen", "127.0.0.1:0")
	cmd.Stdout, cmd.Stderr, cmd.Env = f, f, append(os.Environ(), "OMSYNC_HOME=")
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	})
	said := regexp.MustCompile(`(?s)pin=(\S+).*msg=listening .*address=(\S+) tls=true`)
	var m [][]byte
	for range 600 {
		text, err := os.ReadFile(log)
		if err != nil {
			s.Fatal(err)
		}
		if m = said.FindSubmatch(text); m != nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if m == nil {
		s.Fatal("the hub does not listen after half a minute")
	}
	link := netfault.Start(s, string(m[2]), netfault.Faults{})
	c, err := os.OpenFile(filepath.Join(s.dir, "kisumu", config.Name), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		s.Fatal(err)
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "\n[[link]]\nurl = \"https://%s\"\npeer = \"hub\"\npin = %q\n", link.Addr(), m[1]); err != nil {
		s.Fatal(err)
	}
	return link
}
