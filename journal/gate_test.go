package journal

import (
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/dbtest"
)

// Of two that want the gate alone, one waits; those who share it do not.
func TestGate(t *testing.T) {
	ctx := t.Context()
	db, _ := newNode(t)
	var c [3]*sql.Conn
	for i := range c {
		c[i] = must(db.Conn(ctx))(t)
		defer c[i].Close()
	}
	check(t, Gate(ctx, c[0], true, time.Second))
	check(t, Gate(ctx, c[1], true, time.Second))
	if err := Gate(ctx, c[2], false, 0); !errors.Is(err, ErrBusy) {
		t.Errorf("alone beside others: %v", err)
	}
	dbtest.Exec(t, c[0], "COMMIT")
	dbtest.Exec(t, c[1], "COMMIT")
	check(t, Gate(ctx, c[2], false, time.Second))
	if err := Gate(ctx, c[0], true, 0); !errors.Is(err, ErrBusy) {
		t.Errorf("beside one that has it alone: %v", err)
	}
	dbtest.Exec(t, c[2], "ROLLBACK")
	check(t, Gate(ctx, c[0], true, time.Second))
	dbtest.Exec(t, c[0], "ROLLBACK")
}
