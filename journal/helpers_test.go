package journal

import (
	"database/sql"
	"reflect"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// newNode returns the database of the node hub, which numbers the authors hub, kisumu and siaya 1 to 3.
func newNode(t *testing.T) (*sql.DB, *Authors) {
	t.Helper()
	_, dsn := dbtest.Server(t).Database(t)
	db := open(t, dsn)
	if err := Create(t.Context(), db, Node{Name: "hub", Profile: "none", History: 1<<64 - 1}); err != nil {
		t.Fatal(err)
	}
	dbtest.Exec(t, db, "INSERT INTO omsync_node (id, name) VALUES (2, 'kisumu'), (3, 'siaya')")
	a, err := LoadAuthors(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return db, a
}

// must ends the test on an error and returns what came with none.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %+v, want %+v", what, got, want)
	}
}

func stamped(time int64, author string, epoch uint64, from merge.Peer) merge.Version {
	return merge.Version{Stamp: merge.Stamp{Time: time, Author: author}, Epoch: epoch, From: from}
}

func open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, _, err := sqldb.Open(dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}
