package sqldb

import (
	"context"
	"database/sql"
	"sync/atomic"
)

// InTwo calls f with each number below n, once: with q, and at the same time, in another goroutine, with a connection of db's own, where one can be had before
// q has done all. Each call takes the next number. After an error no call begins; what failed on q is returned first. db nil: there is no other connection.
func InTwo(ctx context.Context, q DB, db *sql.DB, n int, f func(q DB, i int) error) error {
	var taken atomic.Int64
	work := func(q DB) error {
		for {
			i := taken.Add(1) - 1
			if i >= int64(n) {
				return nil
			}
			if err := f(q, int(i)); err != nil {
				taken.Store(int64(n))
				return err
			}
		}
	}
	if db == nil || n < 2 {
		return work(q)
	}
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	beside := make(chan error, 1)
	go func() {
		conn, err := db.Conn(waiting)
		if err != nil {
			beside <- nil // all is done on q
			return
		}
		err = work(conn)
		conn.Close()
		beside <- err
	}()
	err := work(q)
	stop()
	if failed := <-beside; err == nil {
		err = failed
	}
	return err
}
