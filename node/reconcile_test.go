package node_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/nodetest"
)

// A trigger that is gone, or that does something else, is noticed by the next reconciliation, though one before it has seen that all were as they
// should be, and though those between did not list them.
func TestTriggersSeen(t *testing.T) {
	ctx := t.Context()
	n := nodetest.New(t, filepath.Join(t.TempDir(), "hub"), "hub")
	reconcile := func(seen *capture.Seen) *capture.Reconciled {
		t.Helper()
		f, err := capture.ReconcileWith(ctx, n.Journal, capture.LookAhead(ctx, n.DB, n.Database, seen), time.Minute)
		nodetest.Check(t, err)
		return f
	}
	// see returns what a reconciliation saw that the next one believes. On a server that others use they may change something in between.
	see := func() *capture.Seen {
		t.Helper()
		for range 100 {
			seen := reconcile(nil).Seen
			if seen == nil {
				t.Fatal("not all is as it should be")
			}
			if reconcile(seen).Seen == seen {
				return seen
			}
			if again := reconcile(nil).Seen; again != nil && again.Server == seen.Server {
				t.Fatal("nothing has changed, and the triggers were listed again")
			}
		}
		t.Skip("others change tables on this server all the time")
		return nil
	}
	one := func(query string) (s string) {
		t.Helper()
		nodetest.Check(t, n.DB.QueryRow(query).Scan(&s))
		return s
	}
	name := one("SELECT trigger_name FROM information_schema.triggers WHERE event_object_schema = DATABASE() AND event_object_table = 'site' AND event_manipulation = 'INSERT'")
	for _, change := range [][]string{
		{"DROP TRIGGER " + name},
		{"DROP TRIGGER " + name, "CREATE TRIGGER " + name + " AFTER INSERT ON site FOR EACH ROW BEGIN END"},
	} {
		seen := see()
		dbtest.Exec(t, n.DB, change...)
		f := reconcile(seen)
		if !slices.Equal(f.Missed, []string{"site"}) || f.Seen != nil {
			t.Errorf("after %q: missed %q, seen %v", change, f.Missed, f.Seen)
		}
		name = one("SELECT trigger_name FROM information_schema.triggers WHERE event_object_schema = DATABASE() AND event_object_table = 'site' AND event_manipulation = 'INSERT'")
	}

	// What there should be is another thing than it was: what was seen is not it.
	seen := see()
	seen.Wanted = "of another catalogue"
	if f := reconcile(seen); f.Seen == seen {
		t.Error("triggers that should be others were taken for those that were seen")
	}

	// The node remembers it in its home folder, and believes no more than it may.
	nodetest.Check(t, n.Reconcile(ctx))
	nodetest.Check(t, n.Reconcile(ctx))
	path := filepath.Join(n.Home, "triggers.json")
	text, err := os.ReadFile(path)
	nodetest.Check(t, err)
	if !strings.Contains(string(text), "drop_trigger") {
		t.Errorf("it keeps %s", text)
	}
	var said []string
	n.Journal.Warn = func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
	dbtest.Exec(t, n.DB, "DROP TRIGGER "+one("SELECT trigger_name FROM information_schema.triggers WHERE event_object_schema = DATABASE() AND event_object_table = 'site' LIMIT 1"))
	nodetest.Check(t, n.Reconcile(ctx))
	if len(said) != 1 || !strings.Contains(said[0], "the triggers of site were missing") {
		t.Errorf("it says %q", said)
	}
	nodetest.Check(t, os.WriteFile(path, []byte("{"), 0o600))
	nodetest.Check(t, n.Reconcile(ctx))
}
