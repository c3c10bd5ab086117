package trigger

import (
	"context"
	"database/sql"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sqldb"
)

const simpleTable = `CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, a VARCHAR(20), n INT) ENGINE=InnoDB DEFAULT CHARSET=utf8`

func TestInstallAndRemove(t *testing.T) {
	w := watch(t, "", simpleTable, strings.Replace(simpleTable, "t (", "`other` (", 1))
	form := regexp.MustCompile(`^omsync_[12]_(ai|au|ad)_[0-9a-f]{8}$`)
	before := w.names()
	if len(before) != 6 {
		t.Errorf("%d triggers: %v", len(before), before)
	}
	for _, n := range before {
		if !form.MatchString(n) {
			t.Errorf("trigger name %s", n)
		}
	}
	equal(t, "made again", w.install(), nil)
	equal(t, "triggers", w.names(), before)
	missing, outdated := w.missing()
	equal(t, "missing", missing, nil)
	equal(t, "outdated", outdated, nil)

	// One goes, one column comes.
	drop := before[slices.IndexFunc(before, func(s string) bool { return strings.Contains(s, "_ad_") })]
	w.do("DROP TRIGGER "+drop, "ALTER TABLE t ADD COLUMN extra INT, DROP COLUMN n")
	w.read(w.cat.Database, "")
	missing, outdated = w.missing()
	dropped := w.byID[map[bool]uint16{true: 1, false: 2}[strings.HasPrefix(drop, "omsync_1")]].Name
	equal(t, "missing", missing, []string{dropped})
	equal(t, "outdated", outdated, []string{"t"})
	made := w.install()
	want := []string{dropped, "t"}
	slices.Sort(want)
	equal(t, "made", made, slices.Compact(want))
	missing, outdated = w.missing()
	equal(t, "missing", missing, nil)
	equal(t, "outdated", outdated, nil)
	w.do("INSERT INTO t (uuid) VALUES ('u')")
	w.log()
	w.expect("UPDATE t SET extra = 1", "t U 1 extra")

	w.do("CREATE TRIGGER mine BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 'set'")
	c := w.conn()
	if err := Remove(context.Background(), c, w.cat.Database); err != nil {
		t.Fatal(err)
	}
	if err := Remove(context.Background(), c, w.cat.Database); err != nil {
		t.Fatalf("nothing to remove: %v", err)
	}
	equal(t, "left", w.names(), []string{"mine"})
	missing, _ = w.missing()
	equal(t, "missing", missing, []string{"other", "t"})
}

// The session that made triggers is as it was, the triggers are as they should be, whatever it was.
func TestInstallLeavesTheSession(t *testing.T) {
	w := watch(t, "", simpleTable)
	if err := Remove(context.Background(), w.conn(), w.cat.Database); err != nil {
		t.Fatal(err)
	}
	c := w.conn()
	dbtest.Exec(t, c, "SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,STRICT_ALL_TABLES', character_set_client = latin1, collation_connection = latin1_german2_ci, lock_wait_timeout = 77", "USE mysql")
	look := func() (s string) {
		if err := c.QueryRowContext(t.Context(), "SELECT CONCAT_WS('|', @@sql_mode, @@character_set_client, @@collation_connection, @@lock_wait_timeout, DATABASE())").Scan(&s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	before := look()
	if _, err := Install(context.Background(), c, w.cat, w.metas); err != nil {
		t.Fatal(err)
	}
	if after := look(); after != before {
		t.Errorf("session %s, was %s", after, before)
	}
	var kinds int
	if err := w.db.QueryRow("SELECT COUNT(*) FROM information_schema.triggers WHERE event_object_schema = DATABASE() AND sql_mode = '' AND character_set_client = 'utf8mb4'").Scan(&kinds); err != nil || kinds != 3 {
		t.Errorf("%d triggers with the right mode and character set, %v", kinds, err)
	}
	w.expect("INSERT INTO t (uuid) VALUES ('u')", "t I 1")
}

func TestInstallNeedsTheChangeTable(t *testing.T) {
	w := watch(t, "", simpleTable)
	if err := Remove(context.Background(), w.conn(), w.cat.Database); err != nil {
		t.Fatal(err)
	}
	w.do("DROP TABLE omsync_capture")
	if _, err := Install(context.Background(), w.conn(), w.cat, w.metas); err == nil || !strings.Contains(err.Error(), "omsync init") {
		t.Errorf("error %v", err)
	}
	w.do("INSERT INTO t (uuid) VALUES ('u')") // the application goes on
	if _, err := Install(context.Background(), w.conn(), w.cat, nil); err == nil || !strings.Contains(err.Error(), "table t has no number") {
		t.Errorf("error %v", err)
	}
}

func TestTriggersOfTheApplication(t *testing.T) {
	w := watch(t, "", simpleTable)
	if err := Remove(context.Background(), w.conn(), w.cat.Database); err != nil {
		t.Fatal(err)
	}
	w.do("CREATE TRIGGER mine AFTER UPDATE ON t FOR EACH ROW SET @mine = 1", "CREATE TRIGGER before_it BEFORE UPDATE ON t FOR EACH ROW SET NEW.n = 42")
	_, err := Install(context.Background(), w.conn(), w.cat, w.metas)
	if !w.several() {
		if err == nil || !strings.Contains(err.Error(), "mine") || !strings.Contains(err.Error(), "AFTER UPDATE") {
			t.Errorf("error %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	w.do("INSERT INTO t (uuid) VALUES ('u')")
	w.log()
	w.expect("UPDATE t SET a = 'x'", "t U 1 a,n") // with what the application's own trigger changed
}

// What is dropped or renamed under a trigger costs precision, never a statement of the application.
func TestSchemaChangesUnderTriggers(t *testing.T) {
	rename := func(w *watched, from, to, kind string) {
		w.do("ALTER TABLE t CHANGE COLUMN " + from + " " + to + " " + kind)
	}
	w := watch(t, "", simpleTable)
	w.do("INSERT INTO t (uuid) VALUES ('u1'), ('u2'), ('u3')")
	w.log()
	w.do("ALTER TABLE t DROP COLUMN n")
	w.log()
	w.expect("UPDATE t SET a = 'x' WHERE id = 1", "t U 1 all")
	w.expect("INSERT INTO t (uuid) VALUES ('u4')", "t I 4")
	rename(w, "a", "b", "VARCHAR(20)")
	w.log()
	w.expect("UPDATE t SET b = 'y' WHERE id = 1", "t U 1 all")
	w.do("ALTER TABLE t ADD COLUMN c INT")
	w.log()
	w.expect("UPDATE t SET c = 1 WHERE id = 2", "t U 2 all")
	w.read(w.cat.Database, "")
	equal(t, "made", w.install(), []string{"t"})
	w.expect("UPDATE t SET c = 2 WHERE id = 2", "t U 2 c")
	rename(w, "uuid", "uuid2", "CHAR(38) NOT NULL")
	w.log()
	w.expect("DELETE FROM t WHERE id = 3", "t D 3")
	w.expect("UPDATE t SET c = 3 WHERE id = 2", "t U 2 all")
	rename(w, "id", "id2", "INT NOT NULL AUTO_INCREMENT")
	w.do("INSERT INTO t (uuid2) VALUES ('later')", "UPDATE t SET c = 4")
	w.expect("DELETE FROM t WHERE id2 = 1") // nothing says which rows they were, until the triggers are made anew
}

func TestChildDroppedUnderTriggers(t *testing.T) {
	w := watch(t, "", `CREATE TABLE p (id INT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE) ENGINE=InnoDB`,
		`CREATE TABLE c (id INT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, p INT, FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE ON UPDATE CASCADE) ENGINE=InnoDB`)
	w.do("INSERT INTO p VALUES (1, 'p1'), (2, 'p2'), (3, 'p3')")
	w.log()
	w.do("ALTER TABLE c DROP COLUMN uuid")
	w.log()
	w.expect("DELETE FROM p WHERE id = 1", "p D 1 p1")
	w.expect("UPDATE p SET id = 20 WHERE id = 2", "p D 2 p2", "p I 20")
	w.do("DROP TABLE c")
	w.expect("DELETE FROM p WHERE id = 3", "p D 3 p3")
	w.expect("UPDATE p SET id = 21 WHERE id = 20", "p D 20 p2", "p I 21")
}

// While the application writes without a pause, triggers are exchanged again and again: no write goes by unseen.
func TestExchangeMissesNothing(t *testing.T) {
	w := watch(t, "", simpleTable)
	ctx, stop := context.WithCancel(t.Context())
	var inserted atomic.Int64
	done := make(chan error, 2)
	for range 2 {
		c := w.conn()
		go func() {
			for ctx.Err() == nil {
				if _, err := c.ExecContext(context.Background(), "INSERT INTO t (uuid) VALUES (UUID())"); err != nil {
					done <- err
					return
				}
				inserted.Add(1)
			}
			done <- nil
		}()
	}
	for i := range 12 { // bits move, so all texts change
		w.metas[0].ID = uint16(100 + i)
		w.byID[w.metas[0].ID] = w.metas[0]
		equal(t, "made", w.install(), []string{"t"})
	}
	stop()
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	var unseen int
	if err := w.db.QueryRow("SELECT COUNT(*) FROM t LEFT JOIN (SELECT DISTINCT local_id FROM omsync_capture WHERE operation = 1) c ON c.local_id = t.id WHERE c.local_id IS NULL").Scan(&unseen); err != nil {
		t.Fatal(err)
	}
	if unseen > 0 || inserted.Load() == 0 {
		t.Errorf("%d of %d inserts not captured", unseen, inserted.Load())
	}
	if len(w.names()) != 3 {
		t.Errorf("triggers left: %v", w.names())
	}
}

// A table in use is tried again, and readers get through in between.
func TestInstallWaitsForABusyTable(t *testing.T) {
	w := watch(t, "", simpleTable)
	if err := Remove(context.Background(), w.conn(), w.cat.Database); err != nil {
		t.Fatal(err)
	}
	w.do("START TRANSACTION", "INSERT INTO t (uuid) VALUES ('u')")
	time.AfterFunc(3*time.Second, func() { w.app.ExecContext(context.Background(), "COMMIT") })
	start := time.Now()
	made, err := Install(context.Background(), w.conn(), w.cat, w.metas)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "made", made, []string{"t"})
	if took := time.Since(start); took < 2*time.Second {
		t.Errorf("made in %v while the table was in use", took)
	}
	// Given up on demand.
	w.do("START TRANSACTION", "SELECT * FROM t")
	w.metas[0].ID = 9
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := Install(ctx, w.conn(), w.cat, w.metas); err == nil {
		t.Error("made triggers of a table in use")
	}
	w.do("COMMIT")
}

func TestRefusalsNameTheRemedy(t *testing.T) {
	w := watch(t, "", simpleTable)
	if err := Remove(context.Background(), w.conn(), w.cat.Database); err != nil {
		t.Fatal(err)
	}
	user := "'omsync_t" + w.cat.Database[len(w.cat.Database)-6:] + "'@'localhost'"
	w.do("CREATE USER " + user)
	t.Cleanup(func() {
		if _, err := w.db.ExecContext(context.Background(), "DROP USER "+user); err != nil {
			t.Error(err)
		}
	})
	as := func() *sql.Conn {
		cfg, err := mysql.ParseDSN(w.server.DSN)
		if err != nil {
			t.Fatal(err)
		}
		cfg.User, cfg.Passwd, cfg.DBName = strings.Trim(strings.Split(user, "@")[0], "'"), "", w.cat.Database
		db, err := sql.Open("mysql", cfg.FormatDSN())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		c, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	grant := func(what string) { w.do("GRANT " + what + " ON `" + w.cat.Database + "`.* TO " + user) }
	grant("SELECT, INSERT, UPDATE, DELETE")
	refused := func(parts ...string) {
		t.Helper()
		_, err := Install(context.Background(), as(), w.cat, w.metas)
		if err == nil {
			t.Fatal("no error")
		}
		for _, p := range append(parts, user) {
			if !strings.Contains(err.Error(), p) {
				t.Errorf("the error does not name %s: %v", p, err)
			}
		}
	}
	var log, trust bool
	if err := w.db.QueryRow("SELECT @@log_bin, @@log_bin_trust_function_creators").Scan(&log, &trust); err != nil {
		t.Fatal(err)
	}
	if log && !trust {
		if w.several() {
			refused()
		}
		grant("TRIGGER, LOCK TABLES")
		refused("log_bin_trust_function_creators")
	} else {
		refused("GRANT", "TRIGGER")
		grant("TRIGGER, LOCK TABLES")
		if _, err := Install(context.Background(), as(), w.cat, w.metas); err != nil {
			t.Error(err)
		}
	}
	s := &installer{database: "d`b", account: "'a'@'b'"}
	for n, want := range map[uint16]string{sqldb.ErrTableAccessDenied: "GRANT SELECT, INSERT, TRIGGER, LOCK TABLES ON `d``b`.* TO 'a'@'b'", sqldb.ErrDBAccessDenied: "GRANT LOCK TABLES, TRIGGER ON `d``b`.* TO 'a'@'b'",
		sqldb.ErrNeedsPrivilege: "GRANT SUPER ON *.* TO 'a'@'b'", sqldb.ErrBinlogNeedsSuper: "SET GLOBAL"} {
		err := s.explain(&mysql.MySQLError{Number: n, Message: "no"})
		if !strings.Contains(err.Error(), want) || sqldb.ErrorNumber(err) != n {
			t.Errorf("error %d: %v", n, err)
		}
	}
}

func TestVersionsThatTakeSeveralTriggers(t *testing.T) {
	for version, want := range map[string]bool{"5.6.24-log": false, "5.7.1": false, "5.7.2": true, "5.7.44": true, "8.0.36": true, "9.7.4": true, "5.5.62": false,
		"5.5.5-10.1.48-MariaDB": false, "10.2.2-MariaDB": false, "10.2.3-MariaDB": true, "5.5.5-10.11.19-MariaDB-log": true, "11.4.2-MariaDB": true, "5.5.68-MariaDB": false, "?": false} {
		if got := sqldb.ParseVersion(version).TakesSeveralTriggers(); got != want {
			t.Errorf("%s: %v", version, got)
		}
	}
}
