package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/dbtest"
)

// connected opens a database for a test, with so many connections at most (0: any number), and takes one of them.
func connected(t *testing.T, most int) (*sql.DB, *sql.Conn) {
	t.Helper()
	_, dsn := dbtest.Server(t).Database(t)
	db, _, err := Open(dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(most)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return db, conn
}

// works ends the test unless a connection answers, and the pool has no other that is in use.
func works(t *testing.T, db *sql.DB, conn *sql.Conn) {
	t.Helper()
	got := ""
	err := Each(t.Context(), conn, "SELECT 'here'", func(r []sql.RawBytes) error {
		got = string(r[0])
		return nil
	})
	if n := db.Stats().InUse; err != nil || got != "here" || n != 1 {
		t.Fatalf("%q, %v, and %d connections are in use", got, err, n)
	}
}

func TestInTwo(t *testing.T) {
	t.Parallel()
	db, conn := connected(t, 0)
	var mu sync.Mutex
	times, on := map[int]int{}, map[DB]int{}
	both := make(chan struct{})
	err := InTwo(t.Context(), conn, db, 50, func(q DB, i int) error {
		mu.Lock()
		times[i]++
		on[q]++
		if on[q] == 1 && len(on) == 2 {
			close(both)
		}
		mu.Unlock()
		<-both // one waits for the other
		return Exec(t.Context(), q, "DO 1")
	})
	if err != nil || len(times) != 50 || len(on) != 2 || on[conn] == 0 {
		t.Errorf("%v: %v on %d connections", err, times, len(on))
	}
	for i, n := range times {
		if n != 1 {
			t.Errorf("%d came %d times", i, n)
		}
	}
	works(t, db, conn)
}

// Where there is no other connection, all is done over the one; and for one piece no other is asked for.
func TestInTwoOverOne(t *testing.T) {
	t.Parallel()
	db, conn := connected(t, 1)
	for _, c := range []struct {
		db *sql.DB
		n  int
	}{{db, 20}, {nil, 20}, {db, 1}, {db, 0}} {
		var got []int
		err := InTwo(t.Context(), conn, c.db, c.n, func(q DB, i int) error {
			if q != conn {
				t.Error("over another")
			}
			got = append(got, i)
			return Exec(t.Context(), q, "DO 1")
		})
		if err != nil || len(got) != c.n {
			t.Errorf("of %d: %v, %v", c.n, got, err)
		}
	}
	works(t, db, conn)
}

// What fails on either connection is returned, after it nothing begins, and both connections go on.
func TestInTwoFails(t *testing.T) {
	t.Parallel()
	db, conn := connected(t, 0)
	for _, onFirst := range []bool{true, false} {
		failed := errors.New("failed")
		began := make(chan struct{})
		var mu sync.Mutex
		calls := 0
		err := InTwo(t.Context(), conn, db, 1000, func(q DB, i int) error {
			mu.Lock()
			calls++
			if calls == 2 {
				close(began)
			}
			mu.Unlock()
			<-began
			return Each(t.Context(), q, "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3", func([]sql.RawBytes) error {
				if (q == conn) == onFirst {
					return failed
				}
				time.Sleep(time.Millisecond)
				return nil
			})
		})
		if !errors.Is(err, failed) || calls == 1000 {
			t.Errorf("%v after %d calls", err, calls)
		}
		works(t, db, conn)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := InTwo(ctx, conn, db, 1000, func(q DB, i int) error {
		if i == 10 {
			cancel()
		}
		return Exec(t.Context(), q, "DO 1")
	})
	if err != nil {
		t.Errorf("what f does not mind: %v", err)
	}
	works(t, db, conn)
}
