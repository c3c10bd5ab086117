package verify_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/internal/sites"
)

// TestLarge measures a digest and a comparison beside reading the tables, with 100 manipulations behind omsync's back, and mends them.
// OMSYNC_VERIFY_PATIENTS says how many patients there are, of some 22 rows each; without it the test is left out.
func TestLarge(t *testing.T) {
	patients, err := strconv.Atoi(os.Getenv("OMSYNC_VERIFY_PATIENTS"))
	if err != nil {
		t.Skip("OMSYNC_VERIFY_PATIENTS is not set")
	}
	hub, clinic := pair(t, patients)
	r := rand.New(rand.NewPCG(1, 1))
	manipulate(r, hub, 50)
	manipulate(r, clinic, 50)
	start := time.Now()
	rows := readAll(t, hub)
	read := time.Since(start)
	start = time.Now()
	f := hub.Digest(clinic, export.DigestOptions{Finds: 1000})
	made := time.Since(start)
	start = time.Now()
	c := clinic.Compare(f)
	compared := time.Since(start)
	t.Logf("%d rows: read in %v; digest of %d bytes made in %v (%.1f ×), compared in %v (%.1f ×); %d rows differ, exactly: %v", rows, read, len(f.Data), made, made.Seconds()/read.Seconds(), compared, compared.Seconds()/read.Seconds(), len(c.Differences), c.Exact)
	if !c.Exact || len(f.Data) > 64<<10 {
		t.Error("not every row is found in 64 KiB")
	}
	mend(t, clinic, hub, true)
	mend(t, hub, clinic, true)
	files := hub.Export(clinic)
	start = time.Now()
	bytes := 0
	for _, f := range files {
		bytes += len(f.Data)
		clinic.Import(f)
	}
	t.Logf("repaired by %d bytes, imported in %v", bytes, time.Since(start))
	sites.ExchangeTwice(hub, clinic)
	clean(t, hub, clinic)
}
