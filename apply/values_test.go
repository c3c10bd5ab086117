package apply_test

import (
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
