package preflight_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/node/preflight"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// The database is as it was, and what is lacking comes with the statement that mends it.
func TestPrivileges(t *testing.T) {
	server := dbtest.Server(t)
	name, dsn := server.Database(t)
	db, database, err := sqldb.Open(dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := preflight.Check(t.Context(), db, database); err != nil {
		t.Fatal(err)
	}
	var tables int
	if err := db.QueryRow("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = '" + name + "'").Scan(&tables); err != nil || tables != 0 {
		t.Errorf("%d tables are left, %v", tables, err)
	}
	user := "pre" + name[len(name)-8:]
	admin := server.Open(t, name)
	dbtest.Exec(t, admin, "CREATE USER '"+user+"'@'localhost' IDENTIFIED BY 'x'", "GRANT SELECT, INSERT, CREATE, DROP, TRIGGER ON `"+name+"`.* TO '"+user+"'@'localhost'",
		"GRANT SUPER ON *.* TO '"+user+"'@'localhost'")
	t.Cleanup(func() { admin.Exec("DROP USER '" + user + "'@'localhost'") })
	poor, _, err := sqldb.Open(strings.Replace(dsn, "root@", user+":x@", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer poor.Close()
	err = preflight.Check(t.Context(), poor, database)
	var f *failure.Failure
	if !errors.As(err, &f) || !strings.Contains(err.Error(), "'"+user+"'@'localhost' may not ") || !strings.Contains(f.Hint, "UPDATE, DELETE, LOCK TABLES ON") {
		t.Errorf("%v, hint %+v", err, f)
	}
}

// A binary log of statements is found before anything is made, with the statement that mends it.
func TestBinaryLogOfStatements(t *testing.T) {
	server := dbtest.Own(t)
	name, dsn := server.Database(t)
	admin := server.Open(t, name)
	dbtest.Exec(t, admin, "SET GLOBAL binlog_format = STATEMENT", "CREATE USER 'plain'@'localhost' IDENTIFIED BY 'x'",
		"GRANT ALL ON `"+name+"`.* TO 'plain'@'localhost'", "SET GLOBAL log_bin_trust_function_creators = 1")
	db, database, err := sqldb.Open(strings.Replace(dsn, "root@", "plain:x@", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = preflight.Check(t.Context(), db, database)
	var f *failure.Failure
	if !errors.As(err, &f) || !strings.Contains(f.Hint, "SET GLOBAL binlog_format = MIXED") {
		t.Fatalf("%v, hint %+v", err, f)
	}
	dbtest.Exec(t, admin, "SET GLOBAL binlog_format = MIXED")
	db.SetMaxIdleConns(0)
	if err := preflight.Check(t.Context(), db, database); err != nil {
		t.Error(err)
	}
}
