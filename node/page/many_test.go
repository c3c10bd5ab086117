package page

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/nodetest"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/node/page/accounts"
)

// envSites is how many sites TestManySites has; each comes with 200 rows that wait.
const envSites = "OMSYNC_PAGE_SITES"

// Of many sites a view shows a page, those that need somebody first, and stays small.
func TestManySites(t *testing.T) {
	sites, err := strconv.Atoi(cmp.Or(os.Getenv(envSites), "130"))
	nodetest.Check(t, err)
	w := newWorld(t)
	w.many(sites)
	w.compared("site-000", 1000)
	anna := w.as("anna", accounts.Operator)
	for _, path := range []string{"/", "/?page=2", "/?page=99", "/sites/site-000", "/waiting", "/waiting?peer=site-001", "/waiting?after=150", "/conflicts", "/log"} {
		began := time.Now()
		code, body := anna.get(path)
		t.Logf("%s: %d bytes in %v", path, len(body), time.Since(began).Round(time.Millisecond))
		if code != http.StatusOK || len(body) > 100_000 {
			t.Errorf("%s: %d, %d bytes", path, code, len(body))
		}
	}
	_, first, _ := anna.do(http.MethodGet, "/", nil, "Accept-Encoding", "identity")
	if n := strings.Count(first, `<li class="card`); n != perPage || !strings.Contains(first, `rel="next"`) || strings.Contains(first, `rel="prev"`) {
		t.Errorf("the first page has %d sites", n)
	}
	if len(first) > 60<<10 {
		t.Errorf("the first view has %d bytes", len(first))
	}
	if _, second := anna.get("/?page=2"); !strings.Contains(second, `rel="prev"`) {
		t.Error("the second page leads nowhere")
	}
	for _, path := range []string{"/?page=2", "/sites/site-000", "/sites/site-000/tables", "/sites/site-000/compared", "/tables", "/needs", "/match", "/waiting", "/waiting?peer=site-001", "/conflicts", "/files", "/invitations", "/join", "/stick", "/requests", "/doctor", "/log", "/style.css"} {
		if _, packed, _ := anna.do(http.MethodGet, path, nil, "Accept-Encoding", "gzip"); len(packed) > 10<<10 {
			t.Errorf("%s: packed it has %d bytes", path, len(packed))
		}
	}
	_, raw, h := anna.do(http.MethodGet, "/", nil, "Accept-Encoding", "gzip")
	if h.Get("Content-Encoding") != "gzip" || len(raw) > 10<<10 {
		t.Errorf("packed it has %d bytes (%s)", len(raw), h.Get("Content-Encoding"))
	}
	t.Logf("the first view: %d bytes, packed %d", len(first), len(raw))
}

// many gives the hub so many sites more, each with 200 rows that wait.
func (w *world) many(sites int) {
	w.t.Helper()
	k, err := keys.Create(w.t.TempDir(), "site-000", keys.X25519)
	nodetest.Check(w.t, err)
	nodetest.Check(w.t, w.node.AddPeer(w.t.Context(), k.Card(), access.Child))
	rows := strings.Repeat(",(1)", 199)
	dbtest.Exec(w.t, w.node.DB, "CREATE TABLE numbers (n INT AUTO_INCREMENT PRIMARY KEY, x INT)", "INSERT INTO numbers (x) VALUES (1)"+rows)
	for i := 1; i < sites; i++ {
		dbtest.Exec(w.t, w.node.DB, fmt.Sprintf("INSERT INTO omsync_peer (name, role, state, card, link) SELECT 'site-%03d', role, state, card, link FROM omsync_peer WHERE name = 'site-000'", i))
	}
	for i := range sites {
		dbtest.Exec(w.t, w.node.DB, fmt.Sprintf("INSERT INTO omsync_waiting (peer_id, table_id, row_key, versions, content, since_epoch, reason, column_name, text, since, tried_at, tries) "+
			"SELECT p.id, w.table_id, CONCAT('key', n), versions, content, since_epoch, reason, column_name, 'it waits', since, tried_at, tries FROM omsync_waiting w JOIN omsync_peer p ON p.name = 'site-%03d' JOIN numbers WHERE w.id = %d", i, w.row))
	}
}
