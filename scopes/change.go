package scopes

import (
	"context"
	"time"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
)

// Change runs f in a transaction of its own behind the gate, and commits what it changes; nothing if it returns an error. It comes after a seal, which
// the caller makes. person is whose word it is.
func Change(ctx context.Context, j *journal.Journal, wait time.Duration, person string, f func(*Store) error) error {
	c, err := j.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := journal.Gate(ctx, c, false, wait); err != nil {
		return err
	}
	defer c.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	epoch := uint64(0)
	s, err := Open(ctx, j, Options{Read: c, Write: c, Cause: Person, Person: person, Epoch: func() (uint64, error) {
		if epoch != 0 {
			return epoch, nil
		}
		p, err := journal.NextEpoch(ctx, c, false, j.Now())
		epoch = p.Epoch
		return epoch, err
	}})
	if err == nil {
		err = f(s)
	}
	if err == nil {
		err = s.Flush()
	}
	if err != nil {
		return err
	}
	_, err = c.ExecContext(ctx, "COMMIT")
	return err
}

// DB returns what the store reads from.
func (s *Store) DB() sqldb.DB { return s.o.Read }
