// Package dbtest gives tests a real database server, and each test databases of its own on it.
//
// The server is the one that OMSYNC_TEST_DSN names (a go-sql-driver DSN without a database name, whose account may
// create and drop databases), or else a private MariaDB that the first call of Server starts in a temporary folder.
// The private server is shared by the tests of one process, listens on a unix socket only, and never outlives the
// process: not even if that is killed. Databases have random names and are dropped with the test that asked for them,
// so that several processes can use one server.
package dbtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// EnvDSN is the environment variable that names the server to test on, EnvSecond that of a second one.
const (
	EnvDSN    = "OMSYNC_TEST_DSN"
	EnvSecond = "OMSYNC_TEST_DSN_2"
)

// ServerInfo describes the server that tests run on.
type ServerInfo struct {
	DSN     string // go-sql-driver form, without a database name
	MariaDB bool   // MariaDB, as opposed to MySQL
	Version string // as the server prints it, such as 10.11.19-MariaDB-log

	Major, Minor, Patch int
}

// shared is the one server of this process. A test binary has many tests and no place of its own to hand a server from
// one to the next.
var shared struct {
	sync.Mutex
	info *ServerInfo
	err  error
	stop func() error
}

// Server returns the server to test on, starting it when this is the first call in the process. Without a server the
// test fails at once, and so do all later ones.
func Server(t testing.TB) *ServerInfo {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.info == nil && shared.err == nil {
		shared.info, shared.stop, shared.err = open()
	}
	if shared.err != nil {
		t.Fatalf("no server to test on: %v", shared.err)
	}
	return shared.info
}

// Second returns another server to test on, for tests in which two servers of different kinds meet: the one that OMSYNC_TEST_DSN_2 names,
// or else that of [Server].
func Second(t testing.TB) *ServerInfo {
	t.Helper()
	dsn := os.Getenv(EnvSecond)
	if dsn == "" {
		return Server(t)
	}
	info, err := inspect(dsn)
	if err != nil {
		t.Fatalf("no second server to test on: %s: %v", EnvSecond, err)
	}
	return info
}

// Own starts a private MariaDB for one test, whose global variables may be changed, and stops it when the test ends.
func Own(t testing.TB) *ServerInfo {
	t.Helper()
	return own(t)
}

// Galera is [Own] with a server that is the one member of a Galera cluster. Where Galera is not installed the test is skipped.
func Galera(t testing.TB) *ServerInfo {
	t.Helper()
	const provider = "/usr/lib/galera/libgalera_smm.so"
	if _, err := os.Stat(provider); err != nil {
		t.Skip("Galera is not installed (Debian: galera-4)")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free now
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	free.Close()
	return own(t, "--wsrep-on=ON", "--wsrep-provider="+provider, "--wsrep-cluster-address=gcomm://", "--wsrep-node-address=127.0.0.1", "--innodb-autoinc-lock-mode=2",
		fmt.Sprintf("--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:%d;gcache.size=1M;pc.recovery=FALSE;pc.wait_prim_timeout=PT1S;pc.announce_timeout=PT1S", port))
}

// own starts a private MariaDB with more arguments.
func own(t testing.TB, more ...string) *ServerInfo {
	t.Helper()
	dir, err := os.MkdirTemp("", "omsync-")
	if err != nil {
		t.Fatal(err)
	}
	dsn, stop, err := start(dir, true, more...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop() })
	info, err := inspect(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// Main runs the tests of a package, then stops the private server if one was started. For TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }
//
// Without it the server is stopped all the same when the process ends, only less gently.
func Main(m *testing.M) int {
	code := m.Run()
	shared.Lock()
	defer shared.Unlock()
	if shared.stop != nil {
		if err := shared.stop(); err != nil {
			fmt.Fprintln(os.Stderr, "dbtest:", err)
			code = max(code, 1)
		}
	}
	return code
}

func open() (*ServerInfo, func() error, error) {
	if dsn := os.Getenv(EnvDSN); dsn != "" {
		info, err := inspect(dsn)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", EnvDSN, err)
		}
		return info, nil, nil
	}
	dir, err := os.MkdirTemp("", "omsync-")
	if err != nil {
		return nil, nil, err
	}
	dsn, stop, err := start(dir, true)
	if err != nil {
		return nil, nil, err
	}
	info, err := inspect(dsn)
	if err != nil {
		stop()
		return nil, nil, err
	}
	return info, stop, nil
}

// inspect asks the server behind dsn what it is.
func inspect(dsn string) (*ServerInfo, error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("read DSN: %w", err)
	}
	if cfg.DBName != "" {
		return nil, fmt.Errorf("the DSN names the database %q; leave the name out, each test makes its own", cfg.DBName)
	}
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	info := &ServerInfo{DSN: dsn}
	if err := db.QueryRow("SELECT VERSION()").Scan(&info.Version); err != nil {
		return nil, fmt.Errorf("ask for the server's version: %w", err)
	}
	return info, info.parseVersion()
}

func (s *ServerInfo) parseVersion() error {
	v := s.Version
	s.MariaDB = strings.Contains(strings.ToLower(v), "mariadb")
	if s.MariaDB {
		v = strings.TrimPrefix(v, "5.5.5-") // what MariaDB 10 puts before its version for old replication clients
	}
	if _, err := fmt.Sscanf(v, "%d.%d.%d", &s.Major, &s.Minor, &s.Patch); err != nil {
		return fmt.Errorf("read server version %q: %w", s.Version, err)
	}
	return nil
}

// Flavour is "mariadb" or "mysql".
func (s *ServerInfo) Flavour() string {
	if s.MariaDB {
		return "mariadb"
	}
	return "mysql"
}

// AtLeast reports whether the server's version is major.minor or newer. Versions of MariaDB and MySQL do not compare:
// look at MariaDB too.
func (s *ServerInfo) AtLeast(major, minor int) bool {
	return s.Major > major || s.Major == major && s.Minor >= minor
}

func (s *ServerInfo) String() string {
	return fmt.Sprintf("%s %d.%d.%d", s.Flavour(), s.Major, s.Minor, s.Patch)
}

// Database makes a database with a random name, runs the statements of ddl in it with foreign key checks off, and drops
// it when the test ends. Its character set is utf8mb4. The DSN is in go-sql-driver form, with the name in it.
func (s *ServerInfo) Database(t testing.TB, ddl ...string) (name, dsn string) {
	t.Helper()
	var random [6]byte
	if _, err := rand.Read(random[:]); err != nil {
		t.Fatal(err)
	}
	name = "omsync_test_" + hex.EncodeToString(random[:])
	admin, err := sql.Open("mysql", s.DSN)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Exec("CREATE DATABASE `" + name + "` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"); err != nil {
		admin.Close()
		t.Fatalf("make a database for the test: %v", err)
	}
	t.Cleanup(func() {
		_, err := admin.Exec("DROP DATABASE IF EXISTS `" + name + "`")
		var e *mysql.MySQLError
		switch {
		case errors.As(err, &e) && e.Number == 1010: // MariaDB sometimes leaves a trigger's file behind in the folder
			t.Logf("the test's database is dropped, its folder is left: %v", err)
		case err != nil:
			t.Errorf("drop the test's database: %v", err)
		}
		admin.Close()
	})
	dsn = s.dsn(t, name)
	if len(ddl) > 0 {
		run(t, dsn, ddl)
	}
	return name, dsn
}

// run executes statements on one connection whose foreign key checks are off.
func run(t testing.TB, dsn string, statements []string) {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	Exec(t, conn, "SET foreign_key_checks = 0")
	Exec(t, conn, statements...)
}

// dsn is the server's DSN with the name of a database and the options that omsync itself uses: packets as large as the
// server takes, dates as text.
func (s *ServerInfo) dsn(t testing.TB, name string) string {
	t.Helper()
	cfg, err := mysql.ParseDSN(s.DSN)
	if err != nil {
		t.Fatal(err)
	}
	cfg.DBName = name
	cfg.MaxAllowedPacket = 0 // ask the server
	cfg.ParseTime = false
	return cfg.FormatDSN()
}

// Open opens a database made by Database, and closes it when the test ends.
func (s *ServerInfo) Open(t testing.TB, name string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", s.dsn(t, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.PingContext(t.Context()); err != nil {
		t.Fatalf("open %s: %v", name, err)
	}
	return db
}

// Execer is what statements can be executed on: a *sql.DB, *sql.Conn or *sql.Tx.
type Execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Exec executes statements one by one, each as it is: a string with two statements is an error of the server's. The
// first that goes wrong ends the test.
func Exec(t testing.TB, db Execer, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			if len(s) > 400 {
				s = s[:400] + "…"
			}
			t.Fatalf("%v\nin: %s", err, s)
		}
	}
}
