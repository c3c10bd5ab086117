//go:build unix

package main

import (
	"database/sql"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/openmrs"
	"github.com/omsync/omsync/schema"
)

// BenchmarkExchange runs the command: full loads of a synthetic clinic into empty databases, beside dumps of the same rows and their restores, by turns,
// the same load onto a restored database, which has them all, then 1,000 new obs the other way. It reports medians. OMSYNC_BENCH_PATIENTS is the clinic's size
// (2,000; 20,000 make some 830,000 rows), OMSYNC_BENCH_ROUNDS how many full loads there are (3). Compare figures of one run, the machine may be busy.
func BenchmarkExchange(b *testing.B) {
	if b.N > 1 {
		b.Skip("one exchange takes long enough to measure once: -benchtime 1x")
	}
	patients := benchPatients(b)
	dir := b.TempDir()
	x := &bench{b: b, program: buildProgram(b), dir: dir, server: dbtest.Server(b), figures: map[string][]float64{}}
	hub, hubDSN := x.server.Database(b, openmrs.Schema("2.6")...)
	stats, err := openmrs.Load(b.Context(), x.server.Open(b, hub), openmrs.Options{Seed: 1, Site: "hub", Patients: patients, Obs: 30 * patients, Metadata: true})
	if err != nil {
		b.Fatal(err)
	}
	uuids := withUUID(b, x.server.Open(b, hub))
	x.node("hub", hubDSN)
	x.run("hub", "card", ">hub.card")

	var clinic, stick, database string // of the last round
	var db *sql.DB
	for i := range benchNumber(b, "OMSYNC_BENCH_ROUNDS", 3) {
		if db != nil {
			x.drop(database)
		}
		var dsn string
		database, dsn = x.server.Database(b, openmrs.Schema("2.6")...)
		db, clinic = x.server.Open(b, database), fmt.Sprint("clinic", i+1)
		if err := openmrs.SetAutoIncrement(b.Context(), db, 1_000_000); err != nil {
			b.Fatal(err)
		}
		x.node(clinic, dsn)
		x.join(clinic)
		stick = x.folder(clinic + "-stick")
		x.measure("load-export", stats.Rows, "hub", "export", "--peer", clinic, "--to", stick)
		size := float64(x.size(stick))
		x.figure("load-bytes/row", size/float64(stats.Rows))
		x.figure("load-bytes/uuid-bytes", size/float64(16*uuids))
		dump := x.dump(hub, stats.Rows)
		if i%2 == 1 {
			x.restore(dump, i)
		}
		x.measure("load-import", stats.Rows, clinic, "import", "--from", stick)
		if i%2 == 0 {
			x.restore(dump, i)
		}
	}
	if restored := x.median("restore-s"); restored > 0 {
		x.figure("load-import/restore", x.median("load-import-s")/restored)
		x.node("nairobi", x.restored)
		x.join("nairobi")
		x.run("hub", "export", "--peer", "nairobi", "--to", x.stick())
		x.measure("onto-full-import", stats.Rows, "nairobi", "import", "--from", x.stick())
		x.figure("onto-full-import/load-import", x.median("onto-full-import-s")/x.median("load-import-s"))
	}

	x.run(clinic, "export", "--to", stick)
	x.run("hub", "import", "--from", stick)
	const few = 1000
	dbtest.Exec(b, db, fmt.Sprintf(`INSERT INTO obs (person_id, concept_id, encounter_id, obs_datetime, value_numeric, voided, creator, date_created, uuid, status)
		SELECT person_id, concept_id, encounter_id, UTC_TIMESTAMP(), ROUND(RAND() * 100), 0, creator, UTC_TIMESTAMP(),
			LOWER(CONCAT_WS('-', HEX(FLOOR(RAND() * 4026531840) + 268435456), HEX(FLOOR(RAND() * 61440) + 4096), CONCAT('4', RIGHT(HEX(FLOOR(RAND() * 61440) + 4096), 3)), CONCAT('a', RIGHT(HEX(FLOOR(RAND() * 61440) + 4096), 3)), CONCAT(HEX(FLOOR(RAND() * 61440) + 4096), HEX(FLOOR(RAND() * 4026531840) + 268435456)))), 'FINAL'
		FROM obs LIMIT %d`, few))
	before := x.size(stick)
	x.measure("new-export", few, clinic, "export", "--to", stick)
	x.figure("new-bytes/row", float64(x.size(stick)-before)/few)
	x.measure("new-import", few, "hub", "import", "--from", stick)
	for _, what := range slices.Sorted(maps.Keys(x.figures)) {
		b.ReportMetric(x.median(what), what)
	}
	b.ReportMetric(0, "ns/op")
}

// withUUID returns how many rows of a database have a uuid.
func withUUID(b *testing.B, db *sql.DB) (sum int) {
	rows, err := db.Query(`SELECT table_name FROM information_schema.columns WHERE table_schema = DATABASE() AND column_name = 'uuid' AND table_name NOT LIKE 'omsync%'`)
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var table string
		var n int
		if err := rows.Scan(&table); err != nil {
			b.Fatal(err)
		}
		if err := db.QueryRow("SELECT COUNT(uuid) FROM `" + table + "`").Scan(&n); err != nil {
			b.Fatal(err)
		}
		sum += n
	}
	if err := rows.Err(); err != nil {
		b.Fatal(err)
	}
	return sum
}

type bench struct {
	b        *testing.B
	program  string
	dir      string
	server   *dbtest.ServerInfo
	figures  map[string][]float64
	restored string // the DSN of a database that a dump was read into
}

// figure notes one of those of which the median is reported.
func (x *bench) figure(what string, v float64) { x.figures[what] = append(x.figures[what], v) }

// median returns the median of what was noted; 0: nothing was.
func (x *bench) median(what string) float64 {
	if len(x.figures[what]) == 0 {
		return 0
	}
	return median(x.figures[what])
}

// drop drops a database that is not needed any more.
func (x *bench) drop(name string) {
	dbtest.Exec(x.b, x.server.Open(x.b, name), "DROP DATABASE "+schema.Quote(name))
}

func (x *bench) stick() string { return x.folder("stick") }

func (x *bench) folder(name string) string {
	dir := filepath.Join(x.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		x.b.Fatal(err)
	}
	return dir
}

// size is how many bytes of rows are on a stick: files with acknowledgements alone are left out.
func (x *bench) size(stick string) (n int64) {
	files, err := filepath.Glob(filepath.Join(stick, "*.omsync"))
	if err != nil {
		x.b.Fatal(err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err == nil && info.Size() > 4096 {
			n += info.Size()
		}
	}
	return n
}

// join makes a node a child of the hub, whose card is there.
func (x *bench) join(name string) {
	x.run(name, "card", ">"+name+".card")
	x.run(name, "peer", "add", filepath.Join(x.dir, "hub.card"), "--as", "parent", "--yes")
	x.run("hub", "peer", "add", filepath.Join(x.dir, name+".card"), "--as", "child", "--yes")
}

func (x *bench) node(name, dsn string) { x.run(name, "init", "--node", name, "--dsn", dsn) }

func (x *bench) command(home string, args ...string) *exec.Cmd {
	cmd := exec.Command(x.program, append([]string{"--home", filepath.Join(x.dir, home)}, args...)...)
	cmd.Env = append(os.Environ(), "OMSYNC_HOME=")
	return cmd
}

func (x *bench) run(home string, args ...string) {
	x.b.Helper()
	into := ""
	if last := args[len(args)-1]; strings.HasPrefix(last, ">") {
		into, args = last[1:], args[:len(args)-1]
	}
	cmd := x.command(home, args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		x.b.Fatalf("omsync %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	if into != "" {
		if err := os.WriteFile(filepath.Join(x.dir, into), out, 0o600); err != nil {
			x.b.Fatal(err)
		}
	}
}

// measure runs a command, and notes the seconds that it took, rows/s and the peak of its memory.
func (x *bench) measure(what string, rows int, home string, args ...string) {
	x.b.Helper()
	cmd := x.command(home, args...)
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		x.b.Fatalf("omsync %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	took := time.Since(start).Seconds()
	x.figure(what+"-s", took)
	x.figure(what+"-rows/s", float64(rows)/took)
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		x.figure(what+"-MiB", float64(usage.Maxrss)/1024)
	}
}
