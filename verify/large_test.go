package verify_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/internal/sites"
)

// TestLarge measures a digest and a comparison beside reading the tables, with 100 manipulations behind omsync's back and more than that by tables
// emptied and restored, mends them, and then changes more rows than a digest names. OMSYNC_VERIFY_PATIENTS says how many patients there are, of
// some 22 rows each; without it the test is left out.
func TestLarge(t *testing.T) {
	patients, err := strconv.Atoi(os.Getenv("OMSYNC_VERIFY_PATIENTS"))
	if err != nil {
		t.Skip("OMSYNC_VERIFY_PATIENTS is not set")
	}
	hub, clinic := pair(t, patients)
	r := rand.New(rand.NewPCG(1, 1))
	clinic.Exec("CREATE TABLE omsync_saved AS SELECT * FROM person_attribute ORDER BY person_attribute_id LIMIT 40",
		"UPDATE person_attribute SET value = CONCAT(value, '!') ORDER BY person_attribute_id LIMIT 40")
	sites.ExchangeTwice(hub, clinic)
	manipulate(r, hub, 50)
	manipulate(r, clinic, 50)
	retype(clinic)
	behind(clinic, "REPLACE INTO person_attribute SELECT * FROM omsync_saved", "TRUNCATE TABLE concept_reference_term_map")
	clinic.Exec("DROP TABLE omsync_saved", "UPDATE location SET address1 = 'ours' ORDER BY location_id LIMIT 1") // triggers see this one; only the parent's counts

	apart := sites.Apart(hub, clinic)
	var m measured
	forgetPeak(t)
	peak := watchMemory(func() {
		for range 3 {
			m.measure(t, hub, clinic)
		}
	})
	c := m.found
	t.Logf("the process had %d MB at most in memory meanwhile", peakRSS(t)>>20)
	t.Logf("%d rows: read in %.2f s; digest of %d bytes made in %.2f s (%.2f ×), compared in %.2f s (%.2f ×), with %d MB more in memory than before at most; %d rows differ, exactly: %v; %d by comparing all values",
		m.rows, median(m.read), len(m.file.Data), median(m.made), m.ratio(m.made), median(m.compared), m.ratio(m.compared), peak>>20, len(c.Differences), c.Exact, len(apart))
	if len(m.file.Data) > 64<<10 {
		t.Errorf("a digest of %d bytes", len(m.file.Data))
	}
	checkNamed(t, c, apart)
	repair(t, hub, clinic)

	// More than it names: it says which tables are equal, and about how many rows differ.
	behind(clinic, "UPDATE obs SET comments = 'more' ORDER BY obs_id LIMIT 3000")
	f := hub.Digest(clinic, export.DigestOptions{Finds: 1000})
	c = clinic.Compare(f)
	t.Logf("of 3000 rows that differ: exactly: %v, about %d, in %d bytes", c.Exact, c.Estimate, len(f.Data))
	if c.Exact || c.Estimate < 1500 || c.Estimate > 6000 || len(f.Data) > 64<<10 {
		t.Error("3000 rows that differ")
	}
	for _, table := range c.Tables {
		if table.Equal == (table.Name == "obs") {
			t.Errorf("%+v", table)
		}
		if table.Name == "obs" {
			t.Logf("%d of %d buckets of obs are equal", table.Same, table.Buckets)
		}
	}
}

// repair mends both ends, and logs what that took. Afterwards they hold the same.
func repair(t *testing.T, hub, clinic *sites.Site) {
	t.Helper()
	start, bytes := time.Now(), 0
	mend(t, clinic, hub, true)
	mend(t, hub, clinic, true)
	t.Logf("compared once more at both, and what each is to do done, in %v", time.Since(start))
	start = time.Now()
	for range 3 {
		for _, ends := range [][2]*sites.Site{{hub, clinic}, {clinic, hub}} {
			for _, f := range ends[0].Export(ends[1]) {
				bytes += len(f.Data)
				ends[1].Import(f)
			}
		}
	}
	t.Logf("repaired by files of %d bytes, exchanged in %v", bytes, time.Since(start))
	clean(t, hub, clinic)
}

// checkNamed fails unless a comparison names just the rows that are not alike.
func checkNamed(t *testing.T, c *export.Compared, apart map[string]bool) {
	t.Helper()
	if !c.Exact || len(c.Differences) != len(apart) {
		t.Errorf("%d rows are named, exactly: %v; %d are not alike", len(c.Differences), c.Exact, len(apart))
	}
	for _, d := range c.Differences {
		if name := d.Table.Name + " " + strings.ToLower(d.Key); d.Key != "" && !apart[name] {
			t.Errorf("%s is named, and alike", name)
		}
	}
}

// TestMemory makes a digest of so many rows as OMSYNC_VERIFY_ROWS says, and compares with it, in memory that does not follow their number. Without it the test
// is left out.
func TestMemory(t *testing.T) {
	rows, err := strconv.Atoi(os.Getenv("OMSYNC_VERIFY_ROWS"))
	if err != nil {
		t.Skip("OMSYNC_VERIFY_ROWS is not set")
	}
	hub, clinic := sites.New(t, "hub", "none", model...), sites.New(t, "clinic", "none", model...)
	hub.Exec("INSERT INTO place (uuid, name) VALUES ('p1', 'ward')", "INSERT INTO visit (uuid, place_id, note) VALUES (UUID(), 1, 'some words that a nurse wrote')")
	for n := 1; n < rows; n *= 2 { // in an order that is not that of the keys
		hub.Exec(fmt.Sprintf("INSERT INTO visit (uuid, place_id, note) SELECT MD5(CONCAT(id, '-', %d)), 1, note FROM visit LIMIT %[1]d", min(n, rows-n)))
	}
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	sites.ExchangeTwice(hub, clinic)
	behind(clinic, "UPDATE visit SET note = 'other' ORDER BY uuid LIMIT 500", "DELETE FROM visit ORDER BY uuid DESC LIMIT 400")
	forgetPeak(t)
	before := peakRSS(t)
	var c *export.Compared
	var f *sites.File
	heap := watchMemory(func() {
		f = hub.Digest(clinic, export.DigestOptions{Finds: 1000})
		c = clinic.Compare(f)
	})
	t.Logf("%d rows there and %d here, a digest of %d bytes: %d MB more on the heap at most; the process had %d MB at most, and %d before", c.Tables[1].There, c.Rows, len(f.Data), heap>>20, peakRSS(t)>>20, before>>20)
	if !c.Exact || len(c.Differences) != 900 {
		t.Errorf("%d rows differ, exactly: %v", len(c.Differences), c.Exact)
	}
	if heap > 150<<20 {
		t.Errorf("%d MB", heap>>20)
	}
}

// forgetPeak sets back how much memory the process had at most.
func forgetPeak(t *testing.T) {
	t.Helper()
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
}

// peakRSS returns how many bytes of memory the process had at most since that was set back.
func peakRSS(t *testing.T) (bytes int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(rest, &bytes); err != nil {
		t.Fatal(err)
	}
	return bytes << 10
}

// watchMemory returns how much more memory was in use at most, while f ran, than before.
func watchMemory(f func()) uint64 {
	in := func() uint64 {
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapInuse
	}
	runtime.GC()
	before, peak := in(), uint64(0)
	stop, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				peak = max(peak, in())
			}
		}
	}()
	f()
	close(stop)
	<-done
	return max(peak, before) - before
}
