package apply_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/internal/sites"
)

// soakTime is how long the soak lasts: OMSYNC_SOAK, 12 s by default.
func soakTime(t *testing.T) time.Duration {
	s := os.Getenv("OMSYNC_SOAK")
	if s == "" {
		return 12 * time.Second
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatalf("OMSYNC_SOAK: %v", err)
	}
	return d
}

// slowest remembers the longest of many durations.
type slowest struct{ atomic.Int64 }

func (s *slowest) add(start time.Time) {
	took := int64(time.Since(start))
	for was := s.Load(); took > was && !s.CompareAndSwap(was, took); was = s.Load() {
	}
}

func (s *slowest) String() string { return time.Duration(s.Load()).String() }

// Four clinics send to the hub, the hub sends to two others, and its application goes on, all at once. Now and then one
// import is held up for seconds. Whatever order they commit in, every snapshot that an export was made from holds all that
// its upto says, or the peer would miss rows for good; the other imports and the application pass the one that is held.
// (Where two imports change rows that the other refers to, they do wait for each other: that is left out here.)
func TestImportsExportsAndWritersAtOnce(t *testing.T) {
	hub, all := peopleHub(t, 60, "k1", "k2", "k3", "k4", "x1", "x2")
	clinics, takers := all[:4], all[4:]
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	ctx, stop := context.WithTimeout(t.Context(), soakTime(t))
	defer stop()
	var wg sync.WaitGroup
	failed := make(chan error, 1)
	fail := func(err error) {
		select {
		case failed <- err:
		default:
		}
		stop()
	}
	var imports, exports, statements, held atomic.Int64
	var longestStatement, longestImport slowest

	for i, c := range clinics {
		r, h := rand.New(rand.NewPCG(seed, uint64(i))), beside(t, hub)
		wg.Go(func() {
			for n := 1; ctx.Err() == nil; n++ {
				own := fmt.Sprintf("'p-%d'", 1+i)
				for _, q := range []string{
					fmt.Sprintf("INSERT INTO person (name, uuid) VALUES ('new', 'p-%s-%d')", c.Name, n),
					fmt.Sprintf("INSERT INTO obs (person_id, value, uuid) SELECT person_id, 1, CONCAT('o-%s-%d-', person_id) FROM person WHERE uuid LIKE 'p-__' ORDER BY person_id LIMIT %d", c.Name, n, 5+r.IntN(40)),
					fmt.Sprintf("INSERT INTO memo (value, uuid) VALUES (1, 'm-%s-%d')", c.Name, n),
					fmt.Sprintf("UPDATE person SET name = '%s %d' WHERE uuid = %s", c.Name, n, own),
					fmt.Sprintf("UPDATE patient SET code = '%s %d' WHERE patient_id = (SELECT person_id FROM person WHERE uuid = %s)", c.Name, n, own),
					fmt.Sprintf("DELETE FROM memo WHERE uuid = 'm-%s-%d'", c.Name, n-2),
				} {
					if err := c.ExecErr(q); err != nil {
						fail(fmt.Errorf("at %s: %w in %s", c.Name, err, q))
						return
					}
				}
				files, err := c.ExportErr(hub, func(o *export.Options) { o.SinceSent = true })
				if err != nil {
					fail(fmt.Errorf("at %s: %w", c.Name, err))
					return
				}
				for _, f := range files {
					start := time.Now()
					report, err := h.ImportErr(f)
					if err != nil || report.Outcome != apply.Applied {
						fail(fmt.Errorf("import from %s: %+v, %w", c.Name, report, err))
						return
					}
					imports.Add(1)
					if i > 0 {
						longestImport.add(start)
					}
				}
			}
		})
	}
	for _, x := range takers {
		h := beside(t, hub)
		wg.Go(func() {
			for ctx.Err() == nil {
				files, err := h.ExportErr(x)
				if err != nil {
					fail(fmt.Errorf("export to %s: %w", x.Name, err))
					return
				}
				for _, f := range files {
					exports.Add(1)
					if _, err := x.ImportErr(f); err != nil {
						fail(fmt.Errorf("at %s: %w", x.Name, err))
						return
					}
				}
				if files, err = x.ExportErr(hub); err != nil {
					fail(fmt.Errorf("at %s: %w", x.Name, err))
					return
				}
				for _, f := range files {
					if _, err := h.ImportErr(f); err != nil {
						fail(fmt.Errorf("answer of %s: %w", x.Name, err))
						return
					}
				}
			}
		})
	}
	for w := range 2 {
		r := rand.New(rand.NewPCG(seed, uint64(10+w)))
		c, err := hub.DB.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				for _, q := range []string{
					"BEGIN",
					fmt.Sprintf("INSERT INTO memo (value, uuid) VALUES (1, 'w-%d-%d')", w, n),
					fmt.Sprintf("INSERT INTO obs (person_id, value, uuid) VALUES (%d, 1, 'wo-%d-%d')", 10+r.IntN(40), w, n), // the same people
					fmt.Sprintf("UPDATE memo SET value = value + 1 WHERE uuid = 'w-%d-%d'", w, n-1),
					fmt.Sprintf("UPDATE obs SET value = value + 1 WHERE uuid = 'o-%d'", 50+w),
					fmt.Sprintf("DELETE FROM memo WHERE uuid = 'w-%d-%d'", w, n-3),
					"COMMIT",
				} {
					start := time.Now()
					if _, err := c.ExecContext(t.Context(), q); err != nil {
						fail(fmt.Errorf("%s: %w", q, err))
						return
					}
					longestStatement.add(start)
					statements.Add(1)
				}
				time.Sleep(time.Duration(r.IntN(10)) * time.Millisecond)
			}
		})
	}
	for k := 0; ctx.Err() == nil; k++ {
		h := hold(t, hub, "UPDATE patient SET code = 'not to stay' WHERE patient_id = 1")
		held.Add(1)
		before := imports.Load()
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Second):
			if n := imports.Load() - before; n < 3 {
				t.Errorf("%d imports ended while one was held for 5 s", n)
			}
		}
		h.do("ROLLBACK")
		h.c.Close()
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Second):
		}
	}
	wg.Wait()
	select {
	case err := <-failed:
		t.Fatal(err)
	default:
	}
	t.Logf("%d imports (the longest of those not held: %v), %d exports, %d statements (the longest %v), held %d times",
		imports.Load(), &longestImport, exports.Load(), statements.Load(), &longestStatement, held.Load())
	for range 2 { // only what the headers say: rows missed till now stay missed
		for _, x := range all {
			for _, f := range hub.Export(x) {
				x.Import(f)
			}
			for _, f := range x.Export(hub) {
				hub.Import(f)
			}
		}
	}
	settled(t, append([]*sites.Site{hub}, all...)...)
	if d := time.Duration(longestStatement.Load()); d > 3*time.Second {
		t.Errorf("a statement of the application took %v", d)
	}
	if d := time.Duration(longestImport.Load()); d > 4*time.Second {
		t.Errorf("an import took %v, as if it waited for the one that was held for 5 s", d)
	}
	if exports.Load() < 4 {
		t.Error("too few exports for a test")
	}
}
