//go:build unix

package main

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/openmrs"
)

// BenchmarkExchange runs the command: a full load of a synthetic clinic into an empty database, beside a dump of the same rows and its restore,
// the same load onto the restored database, which has them all, then 1,000 new obs the other way. OMSYNC_BENCH_PATIENTS is its size (2,000; 20,000 make some 830,000 rows). Each figure is of one process;
// compare figures of one run, the machine may be busy.
func BenchmarkExchange(b *testing.B) {
	if b.N > 1 {
		b.Skip("one exchange takes long enough to measure once: -benchtime 1x")
	}
	patients := benchPatients(b)
	dir := b.TempDir()
	x := &bench{b: b, program: buildProgram(b), dir: dir}
	server := dbtest.Server(b)
	hub, hubDSN := server.Database(b, openmrs.Schema("2.6")...)
	clinic, clinicDSN := server.Database(b, openmrs.Schema("2.6")...)
	ctx := b.Context()
	stats, err := openmrs.Load(ctx, server.Open(b, hub), openmrs.Options{Seed: 1, Site: "hub", Patients: patients, Obs: 30 * patients, Metadata: true})
	if err != nil {
		b.Fatal(err)
	}
	db := server.Open(b, clinic)
	if err := openmrs.SetAutoIncrement(ctx, db, 1_000_000); err != nil {
		b.Fatal(err)
	}
	x.node("hub", hubDSN)
	x.node("kisumu", clinicDSN)
	x.run("hub", "card", ">hub.card")
	x.join("kisumu")

	x.measure("load-export", stats.Rows, "hub", "export", "--to", x.stick())
	size := x.size()
	b.ReportMetric(float64(size)/float64(stats.Rows), "load-bytes/row")
	b.ReportMetric(float64(size)/float64(16*withUUID(b, server.Open(b, hub))), "load-bytes/uuid-bytes")
	imported := x.measure("load-import", stats.Rows, "kisumu", "import", "--from", x.stick())
	if restored, dsn := x.dumps(server, hub, stats.Rows); restored > 0 {
		b.ReportMetric(imported/restored, "load-import/restore")
		x.node("migori", dsn)
		x.join("migori")
		x.run("hub", "export", "--peer", "migori", "--to", x.folder("migori-stick"))
		onto := x.measure("onto-full-import", stats.Rows, "migori", "import", "--from", x.folder("migori-stick"))
		b.ReportMetric(onto/imported, "onto-full-import/load-import")
	}
	x.run("kisumu", "export", "--to", x.stick())
	x.run("hub", "import", "--from", x.stick())
	const few = 1000
	dbtest.Exec(b, db, fmt.Sprintf(`INSERT INTO obs (person_id, concept_id, encounter_id, obs_datetime, value_numeric, voided, creator, date_created, uuid, status)
		SELECT person_id, concept_id, encounter_id, UTC_TIMESTAMP(), ROUND(RAND() * 100), 0, creator, UTC_TIMESTAMP(),
			LOWER(CONCAT_WS('-', HEX(FLOOR(RAND() * 4026531840) + 268435456), HEX(FLOOR(RAND() * 61440) + 4096), CONCAT('4', RIGHT(HEX(FLOOR(RAND() * 61440) + 4096), 3)), CONCAT('a', RIGHT(HEX(FLOOR(RAND() * 61440) + 4096), 3)), CONCAT(HEX(FLOOR(RAND() * 61440) + 4096), HEX(FLOOR(RAND() * 4026531840) + 268435456)))), 'FINAL'
		FROM obs LIMIT %d`, few))
	x.measure("new-export", few, "kisumu", "export", "--to", x.stick())
	b.ReportMetric(float64(x.size()-size)/few, "new-bytes/row")
	x.measure("new-import", few, "hub", "import", "--from", x.stick())
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
	b       *testing.B
	program string
	dir     string
}

func (x *bench) stick() string { return x.folder("stick") }

func (x *bench) folder(name string) string {
	dir := filepath.Join(x.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		x.b.Fatal(err)
	}
	return dir
}

// size is how many bytes of rows are on the stick: files with acknowledgements alone are left out.
func (x *bench) size() (n int64) {
	files, err := filepath.Glob(filepath.Join(x.stick(), "*.omsync"))
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

// measure runs a command, reports rows/s and the peak of its memory, and returns the seconds it took.
func (x *bench) measure(what string, rows int, home string, args ...string) float64 {
	x.b.Helper()
	cmd := x.command(home, args...)
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		x.b.Fatalf("omsync %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	took := time.Since(start).Seconds()
	x.b.ReportMetric(took, what+"-s")
	x.b.ReportMetric(float64(rows)/took, what+"-rows/s")
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		x.b.ReportMetric(float64(usage.Maxrss)/1024, what+"-MiB")
	}
	return took
}
