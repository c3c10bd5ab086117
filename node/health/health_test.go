package health_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/exchange/contacts"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/nodetest"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/backup"
	"github.com/omsync/omsync/node/health"
	"github.com/omsync/omsync/transport"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// A child tells its parent how it is, in the header of a file; the parent remembers it. A parent tells its child nothing.
func TestTold(t *testing.T) {
	ctx := t.Context()
	hub, clinic := nodetest.New(t, filepath.Join(t.TempDir(), "hub"), "hub"), nodetest.New(t, filepath.Join(t.TempDir(), "kisumu"), "kisumu")
	nodetest.Check(t, hub.AddPeer(ctx, clinic.Keys.Card(), access.Child))
	nodetest.Check(t, clinic.AddPeer(ctx, hub.Keys.Card(), access.Parent))
	made := time.Now().Add(-time.Hour)
	nodetest.Check(t, backup.SaveRecord(clinic.Config, made))
	dbtest.Exec(t, clinic.DB, "CREATE TABLE liquibasechangelog (ID VARCHAR(255) NOT NULL, FILENAME VARCHAR(255) NOT NULL)",
		"INSERT INTO liquibasechangelog VALUES ('1', 'org/openmrs/liquibase/snapshots/schema-only/liquibase-schema-only-2.4.x.xml'), ('2', 'org/openmrs/liquibase/updates/liquibase-update-to-latest-2.10.x.xml'), "+
			"('3', 'org/openmrs/liquibase/updates/liquibase-update-to-latest-2.9.x.xml'), ('4', 'liquibase-99.x.xml'), ('5', 'some-module/liquibase-x-7.7.x.xml')",
		"INSERT INTO site (uuid, name) VALUES ('k1', 'Pharmacy')")
	loaded, err := node.OpenAll(ctx, clinic.Home, node.Read, nodetest.Quiet) // with the table in its catalogue
	nodetest.Check(t, err)
	t.Cleanup(loaded.Close)
	parent, err := journal.PeerByName(ctx, clinic.DB, "hub", false)
	nodetest.Check(t, err)
	_, err = journal.PutWaiting(ctx, clinic.DB, []journal.WaitingRow{{Peer: parent.ID, Table: clinic.Journal.Tables["site"].ID, Key: "k", Waiting: merge.Waiting{Incoming: merge.Incoming{Alive: true}},
		Content: journal.Content{}, Reason: journal.Reason{Code: journal.WaitsForValue, Text: "too long"}, Since: 1, Tried: 1}})
	nodetest.Check(t, err)

	exchanging := func(n *node.Node) *exchange.Node { return health.Exchange(n, "v0.3.0") }
	stick, err := transport.MakeFolder(t.TempDir())
	nodetest.Check(t, err)
	t.Cleanup(func() { stick.Close() })
	move := func(from, to *node.Node) *batch.Header {
		p, err := journal.PeerByName(ctx, from.DB, to.Node, false)
		nodetest.Check(t, err)
		made, err := exchanging(from).Export(ctx, p, stick, exchange.ExportOptions{})
		nodetest.Check(t, err)
		if len(made) != 1 {
			t.Fatalf("%d files", len(made))
		}
		f, _, err := stick.Open(ctx, made[0].File)
		nodetest.Check(t, err)
		defer f.Close()
		h, err := batch.ReadHeader(f)
		nodetest.Check(t, err)
		files, err := exchange.FilesIn(ctx, stick, func(name string) string { return name })
		nodetest.Check(t, err)
		nodetest.Check(t, exchanging(to).Import(ctx, files, exchange.ImportOptions{Folder: true}, func() error { return nil }, func(r *exchange.Result) error { return r.Err }))
		return h
	}
	if h := move(hub, loaded).Health(); h != nil {
		t.Errorf("the child is told %+v", h)
	}
	move(loaded, hub)
	child, err := journal.PeerByName(ctx, hub.DB, "kisumu", false)
	nodetest.Check(t, err)
	known, err := contacts.Read(hub.Home, "kisumu", child.Link.Number)
	nodetest.Check(t, err)
	got := known.Health
	if got == nil || got.Waiting != 1 || got.Conflicts != 0 || got.Free == 0 || got.Backup != made.Unix() || got.Version != "v0.3.0" || got.Application != "2.10.x" {
		t.Errorf("the parent knows %+v", got)
	}
	if len(known.Days) != 1 || known.Days[0].Files != 1 || known.Days[0].Rows != 1 || known.Days[0].Bytes < 100 {
		t.Errorf("what came: %+v", known.Days)
	}
}
