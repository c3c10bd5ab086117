package apply_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/sites"
)

// Rows that refer to others of their table and of their block are written with the integers of these: nothing is filled in afterwards, but where
// they refer to each other in a circle.
func TestRowsReferToOthersOfTheirBlock(t *testing.T) {
	ddl := []string{
		"CREATE TABLE node (node_id INT PRIMARY KEY AUTO_INCREMENT, parent_id INT, other_id INT, uuid CHAR(38) NOT NULL UNIQUE, " +
			"FOREIGN KEY (parent_id) REFERENCES node (node_id), FOREIGN KEY (other_id) REFERENCES node (node_id))",
		"CREATE TABLE updated (n INT)",
		"CREATE TRIGGER node_updated BEFORE UPDATE ON node FOR EACH ROW INSERT INTO updated VALUES (NEW.node_id)",
	}
	hub, clinic := sites.New(t, "hub", "none", ddl...), sites.New(t, "kisumu", "none", ddl...)
	hub.Init()
	clinic.Init()
	const n = 3000
	var rows []string
	for i := 1; i <= n; i++ {
		parent, other := "NULL", "NULL"
		first, at := (i-1)/10*10+1, (i-1)%10
		switch { // groups of ten, and in each a group of four and one of five
		case at == 0:
		case at == 1 || at == 5:
			parent = fmt.Sprint(first)
		case at < 5:
			parent, other = fmt.Sprint(first+1), fmt.Sprint(first)
		default:
			parent, other = fmt.Sprint(first+5), fmt.Sprint(first)
		}
		rows = append(rows, fmt.Sprintf("(%d, %s, %s, 'n-%d')", i, parent, other, i))
	}
	hub.Exec("INSERT INTO node VALUES "+strings.Join(rows, ","), "DELETE FROM updated")
	clinic.SetOffset(5000)
	hub.Connect(clinic)
	hub.Send(clinic)
	sites.Same(t, hub, clinic, "updated")
	if got := clinic.One("SELECT COUNT(*) FROM updated"); got != "0" {
		t.Errorf("%s rows were written and filled in afterwards", got)
	}

	hub.Exec("INSERT INTO node VALUES (10001, NULL, NULL, 'a'), (10002, 10001, NULL, 'b'), (10003, 10002, NULL, 'c')",
		"UPDATE node SET parent_id = 10003 WHERE node_id = 10001")
	hub.Send(clinic)
	sites.Same(t, hub, clinic, "updated")
	if got := clinic.One("SELECT COUNT(*) FROM updated"); got == "0" {
		t.Error("a circle was written without anything filled in")
	}
}

// Rows that refer to rows of the block before, which the server is at work on, are written with the integers of these too. One that the server
// refuses waits meanwhile, with the row of the next block that refers to it.
func TestRowsReferToTheBlockBefore(t *testing.T) {
	ddl := []string{
		"CREATE TABLE node (node_id INT PRIMARY KEY AUTO_INCREMENT, parent_id INT, uuid CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (parent_id) REFERENCES node (node_id))",
		"CREATE TABLE updated (n INT)",
		"CREATE TRIGGER node_updated BEFORE UPDATE ON node FOR EACH ROW INSERT INTO updated VALUES (NEW.node_id)",
	}
	const n, back, refused = 5000, 1900, 1502
	hub := sites.New(t, "hub", "none", ddl...)
	takes, refuses := sites.New(t, "kisumu", "none", ddl...), sites.New(t, "migori", "none", append(ddl,
		fmt.Sprintf("CREATE TRIGGER node_refused BEFORE INSERT ON node FOR EACH ROW IF NEW.uuid = 'n-%d' THEN SIGNAL SQLSTATE '45000'; END IF", refused))...)
	refuses.Waits = true
	hub.Init()
	var rows []string
	for i := 1; i <= n; i++ {
		parent := "NULL"
		switch {
		case i > back && i%3 == 0:
			parent = fmt.Sprint(i - back)
		case i%50 == 1 && i > 1:
			parent = fmt.Sprint(i - 1)
		}
		rows = append(rows, fmt.Sprintf("(%d, %s, 'n-%d')", i, parent, i))
	}
	hub.Exec("INSERT INTO node VALUES " + strings.Join(rows, ","))
	for _, clinic := range []*sites.Site{takes, refuses} {
		clinic.Init()
		clinic.SetOffset(7000)
		hub.Connect(clinic)
		hub.Send(clinic)
		if got := clinic.One("SELECT COUNT(*) FROM updated"); got != "0" {
			t.Errorf("%s rows were written and filled in afterwards", got)
		}
	}
	sites.Same(t, hub, takes, "updated")
	if got := refuses.One("SELECT COUNT(*) FROM node"); got != fmt.Sprint(n-2) {
		t.Errorf("%s rows, want all but that which is refused and that which refers to it", got)
	}
	wrong := fmt.Sprintf("SELECT COUNT(*) FROM node c JOIN node p ON p.node_id = c.parent_id WHERE SUBSTRING(c.uuid, 3) - SUBSTRING(p.uuid, 3) NOT IN (1, %d)", back)
	if got := refuses.One(wrong); got != "0" {
		t.Errorf("%s rows refer to others", got)
	}
	refuses.Exec("DROP TRIGGER node_refused")
	if err := refuses.Retry(); err != nil {
		t.Fatal(err)
	}
	sites.Same(t, hub, refuses, "updated")
}
