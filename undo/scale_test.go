package undo_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/sites"
)

// More rows than one statement names. (Measured with 20,000 of each on a busy machine: 0.4 ms for each row.)
func TestUndoManyRows(t *testing.T) {
	const many = 2400
	ddl := []string{`CREATE TABLE ward (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name TEXT) ENGINE=InnoDB`,
		`CREATE TABLE bed (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, ward_id INT NOT NULL, FOREIGN KEY (ward_id) REFERENCES ward (id)) ENGINE=InnoDB`}
	n := &network{t, sites.New(t, "hub", "none", ddl...), sites.New(t, "thief", "none", ddl...), nil}
	n.hub.Init()
	n.thief.Init()
	n.hub.Connect(n.thief)
	fill := func(s *sites.Site, table, prefix, rest, columns string) {
		var v []string
		for i := range many / 2 {
			v = append(v, fmt.Sprintf("('%s%d', %s)", prefix, i, rest))
		}
		s.Exec("INSERT INTO " + table + " (uuid, " + columns + ") VALUES " + strings.Join(v, ","))
	}
	fill(n.hub, "ward", "hw", "'x'", "name")
	fill(n.hub, "bed", "hb", "1", "ward_id")
	sites.ExchangeTwice(n.hub, n.thief)
	before, since := n.hub.Dump(), time.Now()
	n.thief.Exec("DELETE FROM bed", "DELETE FROM ward")
	fill(n.thief, "ward", "tw", "'x'", "name")
	n.thief.Exec("INSERT INTO bed (uuid, ward_id) SELECT CONCAT('b', uuid), id FROM ward")
	for _, f := range n.thief.Export(n.hub) {
		n.hub.Import(f, accept)
	}
	expect(t, n.undo(since, false), map[string][6]int64{"ward": {many / 2, 0, 0, 0, many / 2, 0}, "bed": {many / 2, 0, 0, 0, many / 2, 0}})
	sites.Differ(t, "before", before, "hub", n.hub.Dump())
}
