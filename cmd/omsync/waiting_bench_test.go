//go:build unix

package main

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/internal/dbtest"
)

const (
	waitingRows  = 100_000   // of an import of which some wait
	waitingSome  = 1000      // that wait of them
	waitingMany  = 1_000_000 // that wait from before: as many as may of each of ten peers
	waitingPairs = 5         // of imports that are compared
)

var waitingTables = []string{
	"CREATE TABLE place (place_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40) NULL, uuid CHAR(38) NOT NULL UNIQUE)",
	`CREATE TABLE item (item_id INT AUTO_INCREMENT PRIMARY KEY, place_id INT NULL, name VARCHAR(60) NULL, code VARCHAR(20) NULL, size INT NULL, made DATETIME NULL,
		uuid CHAR(38) NOT NULL UNIQUE, KEY code (code), CONSTRAINT item_place FOREIGN KEY (place_id) REFERENCES place (place_id))`,
}

// thousands is a table of numbers from 0 to n thousand less one, as a derived one.
func thousands(n int) string {
	const ten = "(SELECT 0 i UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
	return fmt.Sprintf("(SELECT a.i + 10 * b.i + 100 * c.i + 1000 * d.i + 10000 * e.i + 100000 * f.i n FROM %[1]s a, %[1]s b, %[1]s c, %[1]s d, %[1]s e, %[1]s f WHERE d.i + 10 * e.i + 100 * f.i < %[2]d) numbers", ten, n)
}

// waitingSite is a child of the hub, which sends.
type waitingSite struct {
	name string
	db   *sql.DB
}

// waitingNetwork makes a hub and children, of which all have taken what the hub has. hub and each are what is done there before init.
func waitingNetwork(b *testing.B, hub []string, children map[string][]string) (*bench, *sql.DB, map[string]*waitingSite) {
	dir := b.TempDir()
	x := &bench{b: b, program: buildProgram(b), dir: dir}
	server := dbtest.Server(b)
	site := func(name string, statements []string) *sql.DB {
		database, dsn := server.Database(b, waitingTables...)
		db := server.Open(b, database)
		dbtest.Exec(b, db, statements...)
		x.node(name, dsn)
		x.run(name, "card", ">"+name+".card")
		return db
	}
	from := site("hub", hub)
	out := map[string]*waitingSite{}
	for name, statements := range children {
		out[name] = &waitingSite{name, site(name, statements)}
		x.run(name, "peer", "add", filepath.Join(dir, "hub.card"), "--as", "parent", "--yes")
		x.run("hub", "peer", "add", filepath.Join(dir, name+".card"), "--as", "child", "--yes")
	}
	return x, from, out
}

// exchange brings what the hub has to its children, and their answers back.
func (x *bench) exchange(children map[string]*waitingSite) {
	x.run("hub", "export", "--to", x.stick())
	for name := range children {
		x.mayWait(name, "import", "--from", x.stick())
	}
	x.acknowledge(children)
}

// acknowledge brings what the children have to the hub.
func (x *bench) acknowledge(children map[string]*waitingSite) {
	for name := range children {
		x.run(name, "export", "--to", x.stick())
	}
	x.mayWait("hub", "import", "--from", x.stick())
}

// mayWait runs a command after which rows may wait, and returns how long it took.
func (x *bench) mayWait(home string, args ...string) time.Duration {
	x.b.Helper()
	cmd := x.command(home, args...)
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil && cmd.ProcessState.ExitCode() != 3 {
		x.b.Fatalf("omsync %v: %v\n%s", args, err, out)
	}
	return time.Since(start)
}

// ratio reports the median of times, and of what each is of the one beside it, and what all together are: one import in five may do what the
// others left.
func (x *bench) ratio(what string, times, against []time.Duration) {
	ratios := make([]float64, len(times))
	var sum, sumAgainst time.Duration
	for i := range times {
		sum, sumAgainst = sum+times[i], sumAgainst+against[i]
		ratios[i] = times[i].Seconds() / against[i].Seconds()
	}
	slices.Sort(ratios)
	slices.Sort(times)
	slices.Sort(against)
	x.b.ReportMetric(times[len(times)/2].Seconds(), what+"-s")
	x.b.ReportMetric(against[len(against)/2].Seconds(), "without-s")
	x.b.ReportMetric(ratios[len(ratios)/2], what+"-ratio")
	x.b.ReportMetric(sum.Seconds()/sumAgainst.Seconds(), what+"-sums-ratio")
	x.b.ReportMetric(0, "ns/op")
}

// waits counts what waits at a site.
func (s *waitingSite) waits(b *testing.B) (n int) {
	if err := s.db.QueryRow("SELECT COUNT(*) FROM omsync_waiting").Scan(&n); err != nil {
		b.Fatal(err)
	}
	return n
}

// BenchmarkWaiting compares an import of 100,000 rows of which 1,000 wait with one of which none does, for three reasons: a reference to a row of a
// table that is not here, a value that is too long, and a value that only one row may have. Each figure is the median of five imports, in
// turn with one where none waits.
func BenchmarkWaiting(b *testing.B) {
	for name, receiver := range map[string][]string{
		"reference": {"ALTER TABLE item DROP FOREIGN KEY item_place", "DROP TABLE place"},
		"value":     {"ALTER TABLE item MODIFY name VARCHAR(12) NULL"},
		"unique": {"ALTER TABLE item DROP INDEX code, ADD UNIQUE INDEX code (code)",
			"INSERT INTO item (code, uuid) SELECT CONCAT(n % 5, '-', n DIV 5 * 100), CONCAT('here-', n) FROM " + thousands(5)},
	} {
		b.Run(name, func(b *testing.B) {
			if b.N > 1 {
				b.Skip("one run takes long enough to measure once: -benchtime 1x")
			}
			x, hub, children := waitingNetwork(b, []string{"INSERT INTO place (uuid) VALUES ('p-1')"}, map[string][]string{"some": receiver, "none": nil})
			x.exchange(children)
			var some, none []time.Duration
			for round := range waitingPairs {
				dbtest.Exec(b, hub, fmt.Sprintf(`INSERT INTO item (place_id, name, code, size, made, uuid)
					SELECT IF(n %% 100, NULL, (SELECT place_id FROM place)), IF(n %% 100, 'short', 'more than twelve'), CONCAT(%d, '-', n), n, '2026-01-31 10:00:00', CONCAT('%08[1]d-0000-4000-8000-', LPAD(n, 12, 0))
					FROM %[2]s`, round, thousands(waitingRows/1000)))
				x.run("hub", "export", "--to", x.stick())
				none = append(none, x.mayWait("none", "import", "--from", x.stick()))
				some = append(some, x.mayWait("some", "import", "--from", x.stick()))
				if n := children["some"].waits(b); n != (round+1)*waitingSome || children["none"].waits(b) != 0 {
					b.Fatalf("%d rows wait, and %d where none should", n, children["none"].waits(b))
				}
				b.Logf("%v, and %v where none waits", some[round], none[round])
				x.acknowledge(children)
			}
			x.ratio(name, some, none)
		})
	}
}

// BenchmarkManyWaiting compares an import of 1,000 rows where 1,000,000 wait, of ten peers, with the same where none waits.
func BenchmarkManyWaiting(b *testing.B) {
	if b.N > 1 {
		b.Skip("one run takes long enough to measure once: -benchtime 1x")
	}
	x, hub, children := waitingNetwork(b, nil, map[string][]string{"many": {"ALTER TABLE item MODIFY name VARCHAR(12) NULL"}, "none": nil})
	dbtest.Exec(b, hub, "INSERT INTO item (name, uuid) VALUES ('more than twelve', 'i-1')")
	x.exchange(children)
	if n := children["many"].waits(b); n != 1 {
		b.Fatalf("%d rows wait", n)
	}
	db := children["many"].db
	for peer := range waitingMany / apply.MaxWaitingRows {
		if peer > 0 {
			dbtest.Exec(b, db, fmt.Sprintf("INSERT INTO omsync_peer (id, name, role, state, card, link) SELECT %d, 'other%d', 'child', state, card, link FROM omsync_peer WHERE name = 'hub'", 100+peer, peer))
		}
		dbtest.Exec(b, db, fmt.Sprintf(`INSERT IGNORE INTO omsync_waiting (peer_id, table_id, row_key, lost, versions, content, size, deletion, since_epoch, reason, column_name, awaited_table, awaited_key, text, since, tried_at, tries)
			SELECT IF(%[1]d = 0, peer_id, %[1]d + 100), table_id, CONCAT('i-', n + 1), lost, versions, REPLACE(content, '"i-1"', CONCAT('"i-', n + 1, '"')), size, deletion, since_epoch, reason, column_name, awaited_table, awaited_key, REPLACE(text, 'row i-1:', CONCAT('row i-', n + 1, ':')), since, tried_at, tries
			FROM (SELECT * FROM omsync_waiting WHERE row_key = 'i-1' LIMIT 1) one, %[2]s`, peer, thousands(apply.MaxWaitingRows/1000)))
	}
	dbtest.Exec(b, db, "ANALYZE TABLE omsync_waiting")
	if n := children["many"].waits(b); n != waitingMany {
		b.Fatalf("%d rows wait", n)
	}
	var some, none []time.Duration
	for round := range waitingPairs {
		dbtest.Exec(b, hub, fmt.Sprintf("INSERT INTO item (name, size, uuid) SELECT 'a name', n, CONCAT('%08d-0000-4000-8000-', LPAD(n, 12, 0)) FROM %s", round, thousands(1)))
		x.run("hub", "export", "--to", x.stick())
		none = append(none, x.mayWait("none", "import", "--from", x.stick()))
		some = append(some, x.mayWait("many", "import", "--from", x.stick()))
		b.Logf("%v, and %v where none waits", some[round], none[round])
		x.acknowledge(children)
	}
	if n := children["many"].waits(b); n != waitingMany {
		b.Fatalf("%d rows wait", n)
	}
	x.ratio("many", some, none)
}
