package node_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/nodetest"
	"github.com/omsync/omsync/node"
)

// A command asks for the tables where the server was told something since they were asked for last, or where what was kept of them is damaged or
// another database's, and else not.
func TestCatalogueKept(t *testing.T) {
	ctx := t.Context()
	home := filepath.Join(t.TempDir(), "hub")
	made := nodetest.New(t, home, "hub")
	db := made.DB
	path := filepath.Join(home, "catalogue")
	// load opens the node as a command does, and returns the columns of a table as it takes them for.
	load := func() (columns []string) {
		t.Helper()
		n, err := node.OpenAll(ctx, home, node.Change, nodetest.Quiet)
		nodetest.Check(t, err)
		defer n.Close()
		nodetest.Check(t, n.Reconcile(ctx))
		for _, c := range n.Journal.Catalogue.Table("site").Columns {
			columns = append(columns, c.Name)
		}
		return columns
	}
	read := func() string {
		t.Helper()
		content, err := os.ReadFile(path)
		nodetest.Check(t, err)
		return string(content)
	}
	before := load()
	quiet := false // on a server that others use they may change something in between
	for range 100 {
		was := read()
		if load(); read() == was {
			quiet = true
			break
		}
	}
	if !quiet {
		t.Skip("others change tables on this server all the time")
	}

	dbtest.Exec(t, db, "ALTER TABLE site ADD COLUMN added_later INT")
	if got := load(); !slices.Equal(got, append(slices.Clone(before), "added_later")) {
		t.Errorf("after a column was added the table has %q", got)
	}
	dbtest.Exec(t, db, "ALTER TABLE site DROP COLUMN added_later")
	if got := load(); !slices.Equal(got, before) {
		t.Errorf("after it was dropped the table has %q", got)
	}

	whole := read()
	for _, content := range []string{"", "abc", whole[:len(whole)/2], strings.Replace(whole, "site", "sits", 1), strings.Replace(whole, "information_schema", "information_sch_ma", 1)} {
		nodetest.Check(t, os.WriteFile(path, []byte(content), 0o600))
		if got := load(); !slices.Equal(got, before) {
			t.Errorf("with a damaged file of %d bytes the table has %q", len(content), got)
		}
		if read() == content {
			t.Errorf("a damaged file of %d bytes was left", len(content))
		}
	}
}
