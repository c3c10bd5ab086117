package apply_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sites"
)

// TestPatchKeepsAutomaticTimestamps patches a reference in a table with a column that the server updates by itself.
func TestPatchKeepsAutomaticTimestamps(t *testing.T) {
	ddl := "CREATE TABLE loc (id INT AUTO_INCREMENT PRIMARY KEY, code VARCHAR(10) NOT NULL, next_id INT NULL, ts TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, uuid CHAR(36) NOT NULL UNIQUE, FOREIGN KEY (next_id) REFERENCES loc (id))"
	hub, k := sites.New(t, "hub", "none", ddl), sites.New(t, "k", "none", ddl)
	hub.Exec("INSERT INTO loc (code, uuid, ts) VALUES ('a', 'l-a', '2020-01-01 00:00:00'), ('b', 'l-b', '2020-01-01 00:00:00')", "UPDATE loc SET next_id = 2, ts = '2020-01-02 00:00:00' WHERE id = 1")
	hub.Init()
	k.Init()
	hub.Connect(k)
	sites.ExchangeTwice(hub, k)
	sites.Same(t, hub, k)
}

// TestRowsWithoutAKeyStayAlone exports a table in which nothing identifies the rows.
func TestRowsWithoutAKeyStayAlone(t *testing.T) {
	ddl := "CREATE TABLE cond (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(50) NULL, uuid CHAR(36) NULL UNIQUE)"
	hub, k := sites.New(t, "hub", "none", ddl), sites.New(t, "k", "none", ddl)
	k.Exec("INSERT INTO cond (v, uuid) VALUES ('only here', NULL)")
	hub.Init()
	k.Init()
	hub.Connect(k)
	sites.Exchange(hub, k)
	if n := hub.One("SELECT COUNT(*) FROM cond"); n != "0" {
		t.Errorf("%s rows", n)
	}
}

// TestLongValues sends values, and conflicts about them, of more than half the longest packet.
func TestLongValues(t *testing.T) {
	if !dbtest.Server(t).AtLeast(5, 7) {
		t.Skip("MySQL 5.6 takes no values of more than a tenth of its redo log: 9.6 MB unless set otherwise")
	}
	ddl := "CREATE TABLE doc (id INT AUTO_INCREMENT PRIMARY KEY, b LONGBLOB NULL, c LONGTEXT NULL, n INT NULL, uuid CHAR(36) NOT NULL UNIQUE)"
	hub, k := sites.New(t, "hub", "none", ddl), sites.New(t, "k", "none", ddl)
	hub.Init()
	k.Init()
	hub.Connect(k)
	sites.Exchange(hub, k)
	hub.Exec("INSERT INTO doc (c, uuid) VALUES (REPEAT('x', @@max_allowed_packet * 0.6), 'd-1')")
	if r, err := k.ImportErr(hub.Export(k)[0], signed); err != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	k.Send(hub)
	k.Exec("UPDATE doc SET c = REPEAT('k', @@max_allowed_packet * 0.6)")
	hub.Exec("UPDATE doc SET c = REPEAT('h', @@max_allowed_packet * 0.6)")
	if r, err := k.ImportErr(hub.Export(k)[0], signed); err != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	hub.Exec("INSERT INTO doc (b, uuid) VALUES (REPEAT('x', @@max_allowed_packet * 0.6), 'd-2')")
	f := hub.Export(k)[0]
	if r, err := k.ImportErr(f, signed); err != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	sites.Exchange(hub, k)
	sites.Same(t, hub, k)
}

// A row may be longer here than where it was made, by columns that are here alone: it waits, and nothing else does.
func TestRowTooLongForAPage(t *testing.T) {
	columns := ""
	for i := range 8 {
		columns += fmt.Sprintf(", c%d VARCHAR(1000)", i)
	}
	const head, tail = "CREATE TABLE form (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(36) NOT NULL UNIQUE", ") ENGINE=InnoDB ROW_FORMAT=COMPACT CHARACTER SET latin1"
	hub, clinic := sites.New(t, "hub", "none", head+columns+tail), sites.New(t, "clinic", "none", head+columns+tail)
	more := []string{"SET SESSION innodb_strict_mode = 0"}
	for i := range 8 {
		more = append(more, fmt.Sprintf("ALTER TABLE form ADD h%d CHAR(255) NOT NULL DEFAULT 'x'", i))
	}
	clinic.Exec(more...)
	waits(hub, clinic)
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	hub.Exec("INSERT INTO form (uuid) VALUES ('f-1')", "INSERT INTO form (uuid) VALUES ('f-2')")
	set := "c0 = REPEAT('x', 1000)"
	for i := 1; i < 8; i++ {
		set += fmt.Sprintf(", c%d = c0", i)
	}
	hub.Exec("UPDATE form SET " + set + " WHERE uuid = 'f-1'")
	sites.Exchange(hub, clinic)
	sees(t, clinic, "the other is here", "SELECT GROUP_CONCAT(uuid) FROM form", "f-2")
	if text := clinic.One("SELECT GROUP_CONCAT(text) FROM omsync_waiting"); !strings.Contains(text, "form, row f-1: ") || !strings.Contains(text, "ROW_FORMAT=DYNAMIC") {
		t.Errorf("what waits: %s", text)
	}
	hub.Exec("UPDATE form SET c0 = '' WHERE uuid = 'f-1'")
	sites.Exchange(hub, clinic)
	sites.Same(t, hub, clinic)
}

// A row that is longer than the server takes cannot even wait: its file is refused, and says so.
func TestRowTooLongToWait(t *testing.T) {
	server := dbtest.Own(t)
	name, _ := server.Database(t)
	dbtest.Exec(t, server.Open(t, name), "SET GLOBAL max_allowed_packet = 1048576")
	ddl := "CREATE TABLE doc (id INT AUTO_INCREMENT PRIMARY KEY, c LONGTEXT NULL, uuid CHAR(36) NOT NULL UNIQUE)"
	hub, clinic := sites.New(t, "hub", "none", ddl), sites.NewOn(t, server, "clinic", "none", ddl)
	waits(hub, clinic)
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	hub.Exec("INSERT INTO doc (c, uuid) VALUES (REPEAT('x', 2000000), 'd-1'), ('y', 'd-2')")
	_, err := clinic.ImportErr(hub.Export(clinic)[0])
	if err == nil || !strings.Contains(err.Error(), "doc, row d-1: ") || !strings.Contains(err.Error(), "too long to wait here") {
		t.Errorf("it says: %v", err)
	}
	sees(t, clinic, "nothing is here", "SELECT (SELECT COUNT(*) FROM doc) + (SELECT COUNT(*) FROM omsync_waiting)", "0")
	clinic.Send(hub)
	hub.Exec("UPDATE doc SET c = 'x' WHERE uuid = 'd-1'")
	sites.Exchange(hub, clinic)
	sites.Same(t, hub, clinic)
}
