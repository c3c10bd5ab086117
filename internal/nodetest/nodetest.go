// Package nodetest makes nodes for tests, each with a home folder and a small database of its own, as init does.
package nodetest

import (
	"os"
	"testing"
	"time"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/config"
)

// Table is the one table of the databases.
const Table = `CREATE TABLE site (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name VARCHAR(50)) ENGINE=InnoDB`

// New returns a node, loaded, that is closed when the test ends. It does not hold the home folder's lock.
func New(t testing.TB, home, name string) *node.Node {
	t.Helper()
	if err := os.MkdirAll(home, 0o700); err != nil {
		t.Fatal(err)
	}
	_, dsn := dbtest.Server(t).Database(t, Table)
	n := &node.Node{Config: &config.Config{Home: home, Node: name, DSN: dsn, Profile: "none"}}
	t.Cleanup(n.Close)
	Check(t, n.Write())
	Check(t, n.Connect(t.Context()))
	p, cat, err := n.ReadCatalogue(t.Context())
	Check(t, err)
	n.Keys, err = keys.Create(home, name, keys.X25519)
	Check(t, err)
	n.Journal, err = capture.Init(t.Context(), n.DB, cat, p, name, time.Now, ignore)
	Check(t, err)
	return n
}

// Check ends the test if there is an error.
func Check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Quiet hears nothing.
var Quiet = node.Listener{Say: ignore, Warn: ignore}

func ignore(string, ...any) {}
