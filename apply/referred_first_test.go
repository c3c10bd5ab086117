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
