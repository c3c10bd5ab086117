package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/omsync/omsync/internal/sqldb"
)

// ErrBusy means that the gate was not free in time.
var ErrBusy = errors.New("another omsync run holds the database's gate for long: wait for it to end and run this again")

// Gate begins a transaction on the connection and takes the gate in it: exclusively for a seal, shared for an import.
// It tries for so long, at least once; ErrBusy if time runs out, and no transaction is open then. InnoDB queues locks, and an
// exclusive one that waited long would hold up all the imports behind it: it waits a second at a time. A shared one holds up
// nobody, and keeps its place in the queue.
func Gate(ctx context.Context, c *sql.Conn, shared bool, wait time.Duration) error {
	how, patience := "FOR UPDATE", time.Second
	if shared {
		how, patience = "LOCK IN SHARE MODE", max(wait, time.Second)
	}
	seconds := int64(patience / time.Second)
	if err := sqldb.Exec(ctx, c, fmt.Sprintf("SET @omsync_wait = @@innodb_lock_wait_timeout, innodb_lock_wait_timeout = %d", seconds)); err != nil {
		return fmt.Errorf("take the gate: %w", err)
	}
	end := time.Now().Add(wait)
	for {
		err := sqldb.Exec(ctx, c, "BEGIN")
		if err == nil {
			err = sqldb.Each(ctx, c, "SELECT id FROM omsync_node WHERE id = 1 "+how, func([]sql.RawBytes) error { return nil })
		}
		if err == nil {
			return sqldb.Exec(ctx, c, "SET innodb_lock_wait_timeout = @omsync_wait")
		}
		sqldb.Exec(ctx, c, "ROLLBACK")
		if sqldb.IsLockConflict(err) {
			if time.Now().Before(end) {
				time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond)
				continue
			}
			err = ErrBusy
		}
		sqldb.Exec(ctx, c, "SET innodb_lock_wait_timeout = @omsync_wait")
		if err == ErrBusy {
			return err
		}
		return fmt.Errorf("take the gate: %w", err)
	}
}
