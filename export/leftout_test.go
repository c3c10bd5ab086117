package export_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/sites"
)

// What no batch takes is left out with a report, and all else goes: a database that was poisoned before exports all the same.
func TestWhatNoBatchTakesIsLeftOut(t *testing.T) {
	ddl := []string{"CREATE TABLE label (name VARCHAR(600) CHARACTER SET latin1 NOT NULL PRIMARY KEY, n INT) ENGINE=InnoDB",
		"CREATE TABLE pair (a VARCHAR(50) NOT NULL, b VARCHAR(50) NOT NULL, n INT, PRIMARY KEY (a, b)) ENGINE=InnoDB",
		"CREATE TABLE note (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, body LONGTEXT) ENGINE=InnoDB"}
	hub, clinic := sites.New(t, "hub", "none", ddl...), sites.New(t, "clinic", "none", ddl...)
	hub.Exec("INSERT INTO label VALUES ('good', 1)", "INSERT INTO note (uuid, body) VALUES ('good', 'x')", "INSERT INTO pair VALUES ('a', 'b', 1)")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	sites.Exchange(hub, clinic)

	hub.Exec("UPDATE label SET n = 2", "INSERT INTO note (uuid, body) VALUES ('new', 'y')")
	hub.Seal()
	conflict := func(id int, table, key, author, column string) string {
		return fmt.Sprintf("INSERT INTO omsync_conflict (digest, table_name, row_key, column_name, value, loser_time, loser_author, winner_time, winner_author, recorded_at, epoch, origin) "+
			"VALUES (LPAD('%d', 16, '0'), '%s', %s, '%s', 'lost', 1, %s, 2, 'hub', 3, 1000, 9)", id, table, key, column, author)
	}
	tombstones := "INSERT INTO omsync_tombstone (table_id, row_key, whole_key, time, author, epoch, origin) SELECT id, %s, %s, 1, 1, 1000, 9 FROM omsync_table WHERE name = '%s'"
	hub.Exec("UPDATE omsync_epoch SET id = 1000 ORDER BY id DESC LIMIT 1",
		conflict(1, "label", "'good'", "'hub'", "n"),
		conflict(2, "pair", "'cut'", "'hub'", "n"),                                // a key of two parts
		conflict(3, "label", "'good'", "'longer-than-any-name-may-be-is-c'", "n"), // an author's name that is none
		conflict(4, "label", "'good'", "X'C3'", "n"),                              // half a letter
		fmt.Sprintf(tombstones, "'cut'", "NULL", "pair"),
		fmt.Sprintf(tombstones, "'dead'", "NULL", "label"))
	for i := range 1600 { // more than a dictionary takes before one block
		hub.Exec(fmt.Sprintf(tombstones, fmt.Sprintf("'long-%d'", i), fmt.Sprintf("RPAD('long-%d-', 65535, '-')", i), "label"))
	}
	before := len(hub.Warnings)
	files := hub.Export(clinic)
	for _, f := range files {
		if r := clinic.Import(f); r.Outcome != "applied" {
			t.Errorf("%+v", r)
		}
	}
	sites.Same(t, hub, clinic)
	if n := clinic.One("SELECT COUNT(*) FROM omsync_conflict"); n != "1" {
		t.Errorf("%s conflicts came, want the one that is whole", n)
	}
	if n := clinic.One("SELECT COUNT(*) FROM omsync_tombstone"); n != "1601" {
		t.Errorf("%s deletions came, want 1601", n)
	}
	all := strings.Join(hub.Warnings[before:], "\n")
	for _, want := range []string{"not sent to clinic: conflict records of label that are damaged (2)", "conflict records of pair with a key that is damaged or longer than 65535 bytes (1)",
		"deletions of pair with a key that is damaged or longer than 65535 bytes (1)"} {
		if !strings.Contains(all, want) {
			t.Errorf("no warning says %q:\n%s", want, all)
		}
	}
	sites.Exchange(hub, clinic)
	sites.Quiet(t, hub, clinic)
}

// A row that its values alone tell apart, and whose values are longer than a key may be, stays; those beside it go.
func TestRowThatIsTooLongForItsKey(t *testing.T) {
	ddl := "CREATE TABLE line (a MEDIUMTEXT CHARACTER SET latin1, b INT) ENGINE=InnoDB"
	hub, clinic := sites.New(t, "hub", "none", ddl), sites.New(t, "clinic", "none", ddl)
	hub.Exec("INSERT INTO line VALUES ('first', 1), (REPEAT('x', 65535), 2), ('last', 3)")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	sites.ExchangeTwice(hub, clinic)
	hub.Exec("INSERT INTO line VALUES (REPEAT('é', 40000), 4), ('later', 5)")
	sites.ExchangeTwice(hub, clinic)
	if got := fmt.Sprint(clinic.Query("SELECT a, b FROM line ORDER BY b")); got != "[[first 1] [last 3] [later 5]]" {
		t.Errorf("the clinic has %.300s", got)
	}
	want := "rows of line with a key that is damaged or longer than 65535 bytes (1)"
	if all := strings.Join(hub.Warnings, "\n"); strings.Count(all, want) < 2 {
		t.Errorf("the warnings do not say %q twice:\n%s", want, all)
	}
}

// Many columns that are not long one by one are too much for a block together: it is cut. (A page of MySQL 5.6 has room for the beginnings
// of ten such columns.)
func TestWideRowsAreCut(t *testing.T) {
	wide := "CREATE TABLE wide (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE"
	for i := range 10 {
		wide += fmt.Sprintf(", c%d VARCHAR(6000) CHARACTER SET latin1", i)
	}
	wide += ") ENGINE=InnoDB CHARACTER SET latin1"
	hub, clinic := sites.New(t, "hub", "none", wide), sites.New(t, "clinic", "none", wide)
	set := ""
	for i := range 10 {
		set += fmt.Sprintf(", REPEAT('%d', 6000)", i)
	}
	for range 5 {
		hub.Exec("INSERT INTO wide SELECT NULL, UUID()" + set)
	}
	for range 8 { // 1,280 rows of 60 KB: 78 MB
		hub.Exec("INSERT INTO wide SELECT NULL, UUID(), " + columns(10) + " FROM wide")
	}
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	sites.Exchange(hub, clinic)
	if a, b := hub.One("SELECT COUNT(*) FROM wide"), clinic.One("SELECT COUNT(*) FROM wide"); a != b || a != "1280" {
		t.Errorf("%s rows and %s", a, b)
	}
}

func columns(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("c%d", i))
	}
	return strings.Join(list, ", ")
}
