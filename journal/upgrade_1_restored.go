package journal

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
)

// Where a backup of the omsync tables alone is restored that is older than an upgrade, the application's tables keep the triggers that
// write to omsync_capture. What they write counts: a deletion stands nowhere else. But what was sealed after the backup is forgotten, so
// every table is treated as one whose triggers had been missing.

const (
	// captureKept is added to the ids of what is kept: they come after those of omsync_change, which is older, and before captureStart.
	captureKept uint64 = 1 << 39
	// afterRestore is the operation of the row captureStart, if all this is so: a later run that goes on knows it by that.
	afterRestore = 1
)

// captureTrigger is a trigger that writes to omsync_capture.
type captureTrigger struct {
	table  string
	number uint64 // of the table, by the trigger's name; 0: the name has none
}

// captureTriggers returns the triggers of the database that write to omsync_capture.
func (u *upgrade) captureTriggers(ctx context.Context) (out []captureTrigger, err error) {
	triggerName := regexp.MustCompile(`^omsync_(\d+)_[a-z]+_`) // see package trigger
	err = sqldb.Each(ctx, u.c, "SELECT trigger_name, event_object_table FROM information_schema.triggers WHERE event_object_schema = DATABASE() AND INSTR(action_statement, 'omsync_capture') > 0", func(r []sql.RawBytes) error {
		t := captureTrigger{table: string(r[1])}
		if m := triggerName.FindSubmatch(r[0]); m != nil {
			t.number, _ = strconv.ParseUint(string(m[1]), 10, 64)
		}
		out = append(out, t)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look at the triggers: %w", err)
	}
	return out, nil
}

// keepCaptured keeps what those triggers wrote and will write, under the numbers that the restored omsync_table has for their tables. If
// some differ, the triggers are dropped first: what is deleted until they are made again comes back from the peers.
func (u *upgrade) keepCaptured(ctx context.Context, triggers []captureTrigger) error {
	number := map[string]uint64{}
	err := sqldb.Each(ctx, u.c, "SELECT name, id FROM omsync_table", func(r []sql.RawBytes) error {
		number[string(r[0])] = sqldb.Uint(r[1])
		return nil
	})
	if err != nil {
		return fmt.Errorf("read omsync_table: %w", err)
	}
	now, same := map[uint64]uint64{}, true // numbers by those that the triggers write
	for _, t := range triggers {
		if t.number == 0 {
			continue
		}
		same = same && number[t.table] == t.number
		if n := number[t.table]; n != 0 {
			now[t.number] = n
		}
	}
	// This row comes first, so that no trigger waits for what follows.
	err = sqldb.Exec(ctx, u.c, fmt.Sprintf("INSERT INTO omsync_capture (id, table_id, operation, changed_at) VALUES (%d, 0, %d, UTC_TIMESTAMP(6)) "+
		"ON DUPLICATE KEY UPDATE table_id = 0, operation = %[2]d", captureStart, afterRestore))
	if err != nil {
		return err
	}
	if !same {
		if err := u.DropTriggers(ctx); err != nil {
			return fmt.Errorf("drop triggers that know tables by other numbers than the restored omsync_table: %w", err)
		}
	}
	return u.inTransaction(ctx, func() error {
		if !same {
			if err := u.renumber(ctx, now); err != nil {
				return err
			}
		}
		return sqldb.Exec(ctx, u.c, fmt.Sprintf("UPDATE omsync_capture SET id = id + %d WHERE id < %[1]d ORDER BY id", captureKept))
	})
}

// renumber gives the tables in omsync_capture their present numbers. What is of a table that has none is found with the table.
func (u *upgrade) renumber(ctx context.Context, now map[uint64]uint64) error {
	var cases, known strings.Builder
	known.WriteString("0")
	for was, is := range now {
		fmt.Fprintf(&cases, " WHEN %d THEN %d", was, is)
		fmt.Fprintf(&known, ", %d", was)
	}
	if err := sqldb.Exec(ctx, u.c, "DELETE FROM omsync_capture WHERE table_id NOT IN ("+known.String()+")"); err != nil {
		return err
	}
	return sqldb.Exec(ctx, u.c, "UPDATE omsync_capture SET table_id = CASE table_id"+cases.String()+" ELSE table_id END")
}

// afterRestore reports whether the tables are from before triggers that are older than this upgrade.
func (u *upgrade) afterRestore(ctx context.Context) (bool, error) {
	return u.any(ctx, fmt.Sprintf("SELECT 1 FROM omsync_capture WHERE id = %d AND table_id = 0 AND operation = %d", captureStart, afterRestore))
}

// replaceTriggers has the caller make the triggers of this format.
func replaceTriggers(ctx context.Context, u *upgrade) error {
	missed, err := u.afterRestore(ctx)
	if err != nil {
		return err
	}
	return u.Triggers(ctx, missed)
}
