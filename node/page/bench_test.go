package page

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/exchange/contacts"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/nodetest"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/node/page/accounts"
)

// BenchmarkViews measures each view of a hub with 500 sites and 100,000 rows that wait: as it is after an act, when nothing is known yet, and
// as it is a moment later. Every one is to take less than 300 ms.
func BenchmarkViews(b *testing.B) {
	w := newWorld(b)
	const sites = 500
	w.many(sites)
	w.lived(sites)
	anna := w.as("anna", accounts.Operator)
	for _, path := range []string{"/", "/?page=5", "/sites/site-007", "/sites/site-007/tables", "/waiting", "/waiting?peer=site-001", "/waiting?after=50000", "/conflicts", "/files", "/invitations", "/stick", "/requests", "/log"} {
		for name, forget := range map[string]bool{"at first": true, "again": false} {
			b.Run(path+" "+name, func(b *testing.B) {
				size := 0
				for b.Loop() {
					if forget {
						b.StopTimer()
						w.page.source.changed()
						b.StartTimer()
					}
					code, body := anna.get(path)
					if code != http.StatusOK {
						b.Fatal(code)
					}
					size = len(body)
				}
				b.ReportMetric(float64(size), "bytes")
				b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/view")
			})
		}
	}
}

// lived gives each site a habit, and 10,000 versions that it lacks.
func (w *world) lived(sites int) {
	w.t.Helper()
	p, err := journal.PeerByName(w.t.Context(), w.node.DB, "site-000", false)
	nodetest.Check(w.t, err)
	now := time.Now()
	for back := 89; back >= 0; back-- {
		at := now.AddDate(0, 0, -back)
		nodetest.Check(w.t, contacts.Record(w.node.Home, "site-000", p.Link.Number, contacts.File{Made: at, News: true, Bytes: 5000, Rows: 50, Health: &batch.Health{Free: 1 << 40, Version: "v0.3.0"}}, at))
	}
	b, err := os.ReadFile(filepath.Join(w.node.Home, "contacts", "site-000.json"))
	nodetest.Check(w.t, err)
	for i := 1; i < sites; i++ {
		nodetest.Check(w.t, os.WriteFile(filepath.Join(w.node.Home, "contacts", fmt.Sprintf("site-%03d.json", i)), b, 0o600))
	}
	dbtest.Exec(w.t, w.node.DB, fmt.Sprintf("INSERT INTO omsync_version (table_id, local_id, local_key, column_mask, time, author, epoch, origin) SELECT %d, a.n * 1000 + b.n, '', 1, 1, 1, 1, 0 FROM numbers a JOIN numbers b WHERE b.n <= 50",
		w.node.Journal.Tables["site"].ID))
}
