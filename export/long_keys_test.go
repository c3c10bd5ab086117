package export_test

import (
	"testing"

	"github.com/omsync/omsync/internal/sites"
)

// Keys that are long and many fill the dictionary before it has its number of them: it is emptied, and the load goes on.
func TestLongKeysFillTheDictionary(t *testing.T) {
	ddl := "CREATE TABLE label (name VARCHAR(600) CHARACTER SET latin1 NOT NULL PRIMARY KEY, n INT) ENGINE=InnoDB"
	hub, clinic := sites.New(t, "hub", "none", ddl), sites.New(t, "clinic", "none", ddl)
	hub.Exec("INSERT INTO label VALUES (RPAD('0', 600, '-'), 0)")
	for range 16 { // 65,536 keys of 668 bytes
		hub.Exec("INSERT INTO label SELECT RPAD(n + (SELECT COUNT(*) FROM label), 600, '-'), n + (SELECT COUNT(*) FROM label) FROM label")
	}
	hub.Exec("INSERT INTO label SELECT RPAD(n + 200000, 600, '-'), n + 200000 FROM label WHERE n < 12000") // 52 MB: more than the dictionary has before a block
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	hub.Send(clinic)
	sites.Same(t, hub, clinic)
}
