package apply_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sites"
)

// within is how long a statement may take that waits for nobody, on a busy machine.
const within = 15 * time.Second

// prompt executes statements of the application, each of which must end while something else is held up.
func prompt(t *testing.T, what string, c dbtest.Execer, statements ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for _, q := range statements {
		if _, err := c.ExecContext(ctx, q); err != nil {
			t.Fatalf("%s: the application waits: %v\nin: %s", what, err, q)
		}
	}
}

// writes is a bit of everything that an application does, in a transaction of its own.
func writes(n int) []string {
	return []string{
		"BEGIN",
		fmt.Sprintf("INSERT INTO person (name, uuid) VALUES ('w', 'w-%d')", n),
		fmt.Sprintf("INSERT INTO patient SELECT person_id, 'w' FROM person WHERE uuid = 'w-%d'", n),
		fmt.Sprintf("INSERT INTO obs (person_id, value, uuid) SELECT person_id, 1, 'wo-%d' FROM person WHERE uuid = 'p-1'", n),
		fmt.Sprintf("UPDATE obs SET value = %d WHERE uuid = 'o-2'", n),
		fmt.Sprintf("UPDATE person SET note = '%d' WHERE uuid = 'p-3'", n),
		fmt.Sprintf("DELETE FROM flag WHERE person_id = (SELECT person_id FROM person WHERE uuid = 'p-%d')", 4+n),
		fmt.Sprintf("DELETE FROM obs WHERE uuid = 'o-%d'", 4+n),
		"COMMIT",
	}
}

// A seal is held up in each of its steps: with the gate, while it writes versions, while it takes away the changes that it
// read. The application goes on through all its tables.
func TestApplicationNeverWaitsForASeal(t *testing.T) {
	t.Parallel()
	hub, c := peopleHub(t, 30, "clinic")
	app, err := hub.DB.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	lock := "SET @omsync_test = GET_LOCK('" + hub.Database + "', 60), @omsync_test = RELEASE_LOCK('" + hub.Database + "')"
	n := 0
	for _, at := range []string{"AFTER INSERT ON omsync_epoch", "AFTER INSERT ON omsync_version", "AFTER INSERT ON omsync_tombstone", "AFTER DELETE ON omsync_capture"} {
		hub.Exec("CREATE TRIGGER held " + at + " FOR EACH ROW " + lock)
		prompt(t, "nothing is held", app, writes(n)...)
		h := hold(t, hub, "DO GET_LOCK('"+hub.Database+"', 0)")
		s := beside(t, hub)
		end := background(func() error { _, err := capture.Seal(t.Context(), s.J, sites.Wait); return err })
		blocked(t, hub)
		prompt(t, "a seal is held "+at, app, writes(n+1)...)
		prompt(t, "a seal is held "+at, app, writes(n+2)...)
		h.do("DO RELEASE_LOCK('" + hub.Database + "')")
		if err := end(); err != nil {
			t.Fatalf("%s: %v", at, err)
		}
		hub.Exec("DROP TRIGGER held")
		n += 3
	}
	settled(t, hub, c[0])
}

// blocked waits until a connection waits for the lock of a test's trigger, and answers which.
func blocked(t *testing.T, s *sites.Site) string {
	t.Helper()
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if r := s.Query("SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND state LIKE 'User%lock%'"); len(r) == 1 {
			return r[0][0]
		}
	}
	t.Fatal("nothing is held up")
	return ""
}

// An export is held up between its rows, for as long as a slow stick may take.
func TestApplicationNeverWaitsForAnExport(t *testing.T) {
	t.Parallel()
	hub, c := peopleHub(t, 30, "clinic")
	app, err := hub.DB.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	hub.Exec(writes(0)...)
	held := 0
	var files []*sites.File
	for _, full := range []bool{false, true} {
		files = append(files, hub.Export(c[0], func(o *export.Options) {
			o.Full = full
			create := o.Create
			o.Create = func(name string) (export.File, error) {
				held++
				prompt(t, "an export is held", app, writes(held)...)
				prompt(t, "an export is held", app, "ALTER TABLE obs COMMENT = ''") // it has not read this one
				return create(name)
			}
		})...)
		prompt(t, "after an export", app, writes(held+10)...)
	}
	if held != 2 {
		t.Fatalf("held up %d times", held)
	}
	for _, f := range files {
		c[0].Import(f)
	}
	settled(t, hub, c[0])
}

// A seal waits for no transaction of the application's either: what is not committed yet is the next seal's.
func TestSealPassesOpenTransactions(t *testing.T) {
	t.Parallel()
	hub, c := peopleHub(t, 30, "clinic")
	var open []*holder
	for i := range 6 { // their changes lie between, before and behind committed ones
		hub.Exec(fmt.Sprintf("UPDATE person SET note = 'committed' WHERE uuid = 'p-%d'", 20+i))
		open = append(open, hold(t, hub,
			fmt.Sprintf("UPDATE obs SET value = 1000 WHERE uuid = 'o-%d'", i+1),
			fmt.Sprintf("INSERT INTO obs (person_id, value, uuid) SELECT person_id, 7, 'open-%d' FROM person WHERE uuid = 'p-%d'", i, i+1)))
	}
	hub.Exec("UPDATE person SET note = 'committed' WHERE uuid = 'p-26'")
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	n, err := capture.Seal(ctx, hub.J, 0)
	if err != nil || n != 7 {
		t.Fatalf("sealed %d changes of 7 that are committed: %v", n, err)
	}
	for i := len(open) - 1; i >= 0; i-- { // the last to begin is the first to end
		open[i].do("UPDATE person SET note = 'late' WHERE uuid = 'p-"+fmt.Sprint(i+1)+"'", map[bool]string{true: "COMMIT", false: "ROLLBACK"}[i != 2])
		for _, f := range hub.Export(c[0]) {
			c[0].Import(f)
		}
		if i != 2 && c[0].One("SELECT COUNT(*) FROM obs WHERE uuid = ?", fmt.Sprintf("open-%d", i)) != "1" {
			t.Errorf("what transaction %d wrote is missed", i)
		}
	}
	if c[0].One("SELECT COUNT(*) FROM obs WHERE uuid LIKE 'open-%'") != "5" {
		t.Error("a transaction that was rolled back is there")
	}
	settled(t, hub, c[0])
}

// Connections write in transactions of any length and commit in any order, while others seal and export. Nothing is missed,
// nothing is taken twice, and no statement is held up.
func TestWritersBesideSealsAndExports(t *testing.T) {
	hub, c := peopleHub(t, 12, "clinic")
	clinic := c[0]
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	var longest, changes atomic.Int64
	changes.Add(6) // the first row of each
	failed := make(chan error, 16)
	fail := func(err error) {
		select {
		case failed <- err:
		default:
		}
		stop()
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for w := range 6 {
		r := rand.New(rand.NewPCG(seed, uint64(w)))
		wg.Go(func() {
			c, err := hub.DB.Conn(t.Context())
			if err != nil {
				fail(err)
				return
			}
			defer c.Close()
			var own []int64
			do := func(q string, args ...any) int64 {
				start := time.Now()
				res, err := c.ExecContext(t.Context(), fmt.Sprintf(q, args...))
				if err != nil {
					fail(fmt.Errorf("%s: %w", fmt.Sprintf(q, args...), err))
					return 0
				}
				took := int64(time.Since(start))
				for was := longest.Load(); took > was && !longest.CompareAndSwap(was, took); was = longest.Load() {
				}
				n, _ := res.RowsAffected()
				if id, _ := res.LastInsertId(); id > 0 {
					own = append(own, id)
				}
				return n
			}
			one := func() int64 { return own[r.IntN(len(own))] }
			do("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED") // else they would lock each other's gaps
			do("INSERT INTO memo (uuid) VALUES ('w-%d')", w)
			for i := 0; ctx.Err() == nil; i++ {
				do("BEGIN")
				wrote := int64(0)
				for range 1 + r.IntN(5) {
					switch r.IntN(4) {
					case 0, 1:
						wrote += do("INSERT INTO memo (value, uuid) VALUES (0, 'w-%d-%d-%d')", w, i, r.IntN(1<<30))
					case 2:
						wrote += do("UPDATE memo SET value = %d WHERE memo_id = %d", r.IntN(1<<30), one())
					case 3:
						wrote += do("DELETE FROM memo WHERE memo_id = %d", one())
					}
					time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
				}
				if r.IntN(10) == 0 {
					time.Sleep(time.Duration(r.IntN(700)) * time.Millisecond)
				}
				if r.IntN(8) == 0 {
					do("ROLLBACK")
				} else {
					changes.Add(wrote)
					do("COMMIT")
				}
			}
		})
	}
	var sealed atomic.Int64
	for range 2 {
		s := beside(t, hub)
		wg.Go(func() {
			for ctx.Err() == nil {
				n, err := capture.Seal(t.Context(), s.J, sites.Wait)
				if err != nil {
					fail(err)
				}
				sealed.Add(int64(n))
			}
		})
	}
	exports := 0
	s := beside(t, hub)
	for end := time.Now().Add(4 * time.Second); time.Now().Before(end) && ctx.Err() == nil; exports++ {
		files, err := s.ExportErr(clinic)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			clinic.Import(f)
		}
		for _, f := range clinic.Export(hub) {
			if _, err := s.ImportErr(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	stop()
	wg.Wait()
	select {
	case err := <-failed:
		t.Fatal(err)
	default:
	}
	settled(t, hub, clinic)
	t.Logf("%d changes, %d of them taken by seals beside %d exports; the longest statement took %v", changes.Load(), sealed.Load(), exports, time.Duration(longest.Load()))
	if sealed.Load() > changes.Load() {
		t.Errorf("%d changes were sealed, of %d", sealed.Load(), changes.Load())
	}
	if changes.Load() < 50 || exports < 3 {
		t.Error("too little happened for a test")
	}
	if d := time.Duration(longest.Load()); d > 3*time.Second {
		t.Errorf("a statement of the application took %v", d)
	}
}

// TestLargeTransactionBeforeTheSnapshot commits more changes than a seal takes between the last seal and the export's snapshot.
func TestLargeTransactionBeforeTheSnapshot(t *testing.T) {
	const ten = "(SELECT 0 UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
	ddl := "CREATE TABLE o (id INT AUTO_INCREMENT PRIMARY KEY, v INT NULL, uuid CHAR(36) NOT NULL UNIQUE)"
	hub, k := sites.New(t, "hub", "none", ddl), sites.New(t, "k", "none", ddl)
	hub.Exec("SET @n = 0", "INSERT INTO o (v, uuid) SELECT 1, CONCAT('o-', @n := @n + 1) FROM "+ten+" a, "+ten+" b, "+ten+" c, "+ten+" d, "+ten+" e LIMIT 52000")
	hub.Init()
	k.Init()
	hub.Connect(k)
	hub.Exec("INSERT INTO o (v, uuid) VALUES (1, 'o-x')")
	now, done := hub.J.Now, false
	hub.J.Now = func() time.Time {
		if !done {
			done = true
			hub.Exec("UPDATE o SET v = 2")
		}
		return now()
	}
	f := hub.Export(k)[0]
	if r, err := k.ImportErr(f, signed); err != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	if n := hub.One("SELECT COUNT(*) FROM omsync_capture"); n != "0" {
		t.Errorf("%s changes were not sealed", n)
	}
	if old := k.Query("SELECT o.v, IFNULL(v.time, d.default_time), COUNT(*) FROM omsync_table d JOIN o LEFT JOIN omsync_version v FORCE INDEX (PRIMARY) ON v.table_id = d.id AND v.local_id = o.id AND v.local_key = '' WHERE d.name = 'o' AND o.v = 2 AND (v.time = 0 AND v.column_mask & 2 OR v.time IS NULL AND d.default_time = 0) GROUP BY 1, 2"); len(old) > 0 {
		t.Errorf("new values under old stamps: %v", old)
	}
}
