//go:build unix

package dbtest

import (
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("DBTEST_ABANDON"); dir != "" {
		abandon(dir)
	}
	os.Exit(Main(m))
}

func TestDatabaseIsMadeAndDropped(t *testing.T) {
	s := Server(t)
	var name string
	t.Run("use", func(t *testing.T) {
		var dsn string
		name, dsn = s.Database(t,
			"CREATE TABLE child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent (id)) ENGINE=InnoDB",
			"CREATE TABLE parent (id INT PRIMARY KEY, s VARCHAR(20)) ENGINE=InnoDB")
		other, _ := s.Database(t)
		if other == name {
			t.Fatalf("two databases with the name %s", name)
		}
		if cfg, err := mysql.ParseDSN(dsn); err != nil || cfg.DBName != name {
			t.Fatalf("DSN %q: %v", dsn, err)
		}
		db := s.Open(t, name)
		Exec(t, db, "INSERT INTO parent VALUES (1, 'é😀')", "INSERT INTO child VALUES (1, 1)")
		var hex string
		if err := db.QueryRow("SELECT HEX(s) FROM parent").Scan(&hex); err != nil || hex != "C3A9F09F9880" {
			t.Fatalf("stored %s, %v: not utf8mb4 on the way or in the table", hex, err)
		}
		if _, err := db.Exec("INSERT INTO child VALUES (2, 2)"); err == nil {
			t.Fatal("foreign key checks are off on a connection of the test's own")
		}
	})
	db, err := sql.Open("mysql", s.dsn(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var my *mysql.MySQLError
	if err := db.Ping(); !errors.As(err, &my) || my.Number != 1049 {
		t.Fatalf("after the test: %v, want error 1049 (unknown database)", err)
	}
}

func TestLargeStatementsPass(t *testing.T) {
	s := Server(t)
	name, _ := s.Database(t, "CREATE TABLE b (v LONGTEXT)")
	db := s.Open(t, name)
	var limit int
	if err := db.QueryRow("SELECT @@max_allowed_packet").Scan(&limit); err != nil {
		t.Fatal(err)
	}
	size := min(limit-1000, 4<<20) // MySQL 5.6 takes no more than a tenth of its redo log
	Exec(t, db, "INSERT INTO b VALUES ('"+strings.Repeat("x", size)+"')")
	var n int
	if err := db.QueryRow("SELECT LENGTH(v) FROM b").Scan(&n); err != nil || n != size {
		t.Fatalf("%d bytes stored, %v; want %d", n, err, size)
	}
}

func TestVersion(t *testing.T) {
	for _, c := range []struct {
		version             string
		mariadb             bool
		major, minor, patch int
	}{
		{"10.11.19-MariaDB-0+deb12u1-log", true, 10, 11, 19},
		{"5.5.5-10.4.34-MariaDB", true, 10, 4, 34},
		{"9.7.4-1", false, 9, 7, 4},
		{"5.6.24-log", false, 5, 6, 24},
	} {
		s := ServerInfo{Version: c.version}
		if err := s.parseVersion(); err != nil {
			t.Fatal(err)
		}
		if s.MariaDB != c.mariadb || s.Major != c.major || s.Minor != c.minor || s.Patch != c.patch {
			t.Errorf("%s read as %+v", c.version, s)
		}
		if !s.AtLeast(c.major, c.minor) || s.AtLeast(c.major, c.minor+1) || !s.AtLeast(c.major-1, c.minor+1) {
			t.Errorf("%s: AtLeast is wrong", c.version)
		}
	}
	if err := (&ServerInfo{Version: "unknown"}).parseVersion(); err == nil {
		t.Error("a version without numbers was taken")
	}
}

// A server keeps its data over a stop and a start, and leaves no process behind.
func TestStartAgain(t *testing.T) {
	needMariaDB(t)
	dir := shortDir(t)
	for i := range 2 {
		dsn, stop, err := Start(dir)
		if err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("mysql", dsn)
		if err != nil {
			t.Fatal(err)
		}
		Exec(t, db, "CREATE DATABASE d"+strconv.Itoa(i))
		var n, networked int
		err = db.QueryRow("SELECT COUNT(*), @@port FROM information_schema.schemata WHERE schema_name LIKE 'd_'").Scan(&n, &networked)
		if err != nil || n != i+1 || networked != 0 {
			t.Errorf("start %d: %d databases, port %d, %v", i, n, networked, err)
		}
		db.Close()
		pid := readPid(t, dir)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if err := stop(); err != nil {
			t.Errorf("stopped twice: %v", err)
		}
		if alive(pid) {
			t.Errorf("the server, pid %d, runs after stop", pid)
		}
	}
}

func TestStartRefusesLongPaths(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 25))
	if _, _, err := Start(dir); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Fatalf("error: %v", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the folder was made all the same")
	}
}

func TestStartSaysWhatToInstall(t *testing.T) {
	if _, err := lookPath("no-such-mariadbd"); err == nil || !strings.Contains(err.Error(), "mariadb-server-core") {
		t.Fatalf("error: %v", err)
	}
}

// abandon is the other side of TestKilledProcessLeavesNothing: it starts a server and waits to be killed.
func abandon(dir string) {
	if _, _, err := start(dir, true); err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	os.WriteFile(filepath.Join(dir, "up"), nil, 0o600)
	time.Sleep(time.Minute)
	os.Exit(1)
}

func TestKilledProcessLeavesNothing(t *testing.T) {
	needMariaDB(t)
	dir := shortDir(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "DBTEST_ABANDON="+dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 60*time.Second, "the other process has a server", func() bool {
		_, err := os.Stat(filepath.Join(dir, "up"))
		return err == nil
	})
	pid := readPid(t, dir)
	if !alive(pid) {
		t.Fatalf("the server, pid %d, does not run; %s", pid, stderr.String())
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	eventually(t, 20*time.Second, "the server has gone", func() bool { return !alive(pid) })
	eventually(t, 20*time.Second, "its folder has gone", func() bool {
		_, err := os.Stat(dir)
		return os.IsNotExist(err)
	})
}

func needMariaDB(t *testing.T) {
	t.Helper()
	for _, name := range []string{"mariadbd", "mariadb-install-db"} {
		if _, err := lookPath(name); err != nil {
			t.Skip(err)
		}
	}
}

// shortDir is a folder whose path suits a socket; t.TempDir has the test's name in it.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "omsync-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func readPid(t *testing.T, dir string) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func eventually(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}
