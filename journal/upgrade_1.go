package journal

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/omsync/omsync/internal/sqldb"
)

// Format 2 gave the columns names that speak, the stored records versions, and the table that the triggers write a new name: to
// rename a table or a column under a live trigger would fail the application's statements. So the new table is made beside the old
// one, the triggers are replaced one table after the other, and then what is left in the old one moves.

// captureStart is where the ids of omsync_capture begin: above all that omsync_change, whose rows are older, has or will get.
const captureStart = 1 << 40

func stepsFrom1() []upgradeStep {
	steps := []upgradeStep{
		{"see whether triggers can be made", 1, tryTrigger},
		{"make omsync_capture", 1, makeCapture},
		{"claim the tables", 1, func(ctx context.Context, u *upgrade) error { return u.setFormat(ctx, underWay+1) }},
	}
	for _, t := range renamedSince1() {
		steps = append(steps, upgradeStep{"name the columns of " + t.table, 1, func(ctx context.Context, u *upgrade) error {
			return u.rename(ctx, layoutOf(t.table), t.was)
		}})
	}
	return append(steps,
		upgradeStep{"write the records anew", 1, recordsFrom1},
		upgradeStep{"replace the triggers", 1, replaceTriggers},
		upgradeStep{"move the changes", 1, moveChanges},
		upgradeStep{"drop omsync_change", 1, dropChange},
		upgradeStep{"set the format", 1, func(ctx context.Context, u *upgrade) error { return u.setFormat(ctx, 2) }})
}

type renamedTable struct {
	table string
	was   map[string]string // old names by new ones
}

func renamedSince1() []renamedTable {
	return []renamedTable{
		{"omsync_epoch", map[string]string{"resend": "again", "created_at": "at"}},
		{"omsync_table", map[string]string{"columns": "cols", "unversioned": "fresh", "default_mask": "def_mask", "default_time": "def_time",
			"default_author": "def_author", "default_epoch": "def_epoch", "default_origin": "def_frm"}},
		{"omsync_version", map[string]string{"table_id": "tbl", "local_id": "pk", "local_key": "k", "column_mask": "mask", "origin": "frm"}},
		{"omsync_tombstone", map[string]string{"table_id": "tbl", "row_key": "k", "whole_key": "whole", "origin": "frm"}},
		{"omsync_peer", map[string]string{"requests": "asks", "heard": added, "acked_epoch": "acked", "applied_epoch": "applied"}},
		{"omsync_import", map[string]string{"peer_id": "peer", "sender_epoch": "epoch", "sender_token": "token", "own_epoch": "own"}},
		{"omsync_conflict", map[string]string{"table_name": "tbl", "row_key": "k", "column_name": "col", "recorded_at": "at", "origin": "frm"}},
	}
}

// tryTrigger sees whether the account may make triggers, before anything is changed.
func tryTrigger(ctx context.Context, u *upgrade) error {
	if u.format != 1 {
		return nil
	}
	err := sqldb.Exec(ctx, u.c, "DROP TRIGGER IF EXISTS omsync_trial",
		"CREATE TRIGGER omsync_trial BEFORE UPDATE ON omsync_import FOR EACH ROW SET NEW.peer = NEW.peer", // nobody updates it
		"DROP TRIGGER omsync_trial")
	const still = "nothing was changed, the application's changes are captured as before, and the omsync that made the tables still works"
	switch sqldb.ErrorNumber(err) {
	case sqldb.ErrBinlogNeedsSuper, sqldb.ErrNeedsPrivilege:
		return fmt.Errorf("the account may not make triggers while the server keeps a binary log: set log_bin_trust_function_creators = 1 on the server (SET GLOBAL and its configuration file), "+
			"or run this once as an account with the SUPER privilege, which then stays the triggers' definer; until then %s: %w", still, err)
	case sqldb.ErrTableAccessDenied, sqldb.ErrDBAccessDenied:
		return fmt.Errorf("the account lacks the TRIGGER privilege on the database: as an administrator, GRANT it; until then %s: %w", still, err)
	}
	return err
}

// makeCapture makes omsync_capture, for triggers that are to come. A server that is restarted may begin an empty table's numbers
// anew: a row of no table holds them up until the changes have moved.
func makeCapture(ctx context.Context, u *upgrade) error {
	if u.format != 1 {
		return nil // the tables are claimed: triggers may write to it
	}
	columns, err := u.columns(ctx, "omsync_capture")
	if err != nil {
		return err
	}
	if len(columns) == 0 {
		if err := sqldb.Exec(ctx, u.c, layoutOf("omsync_capture").create("omsync_capture")); err != nil {
			return err
		}
	}
	triggers, err := u.captureTriggers(ctx)
	if err != nil {
		return err
	}
	if len(triggers) > 0 {
		return u.keepCaptured(ctx, triggers)
	}
	// What is in it is of a try that ended here, or from after the backup that this whole database was restored from.
	return u.inTransaction(ctx, func() error {
		return sqldb.Exec(ctx, u.c, "DELETE FROM omsync_capture",
			fmt.Sprintf("INSERT INTO omsync_capture (id, table_id, operation, changed_at) VALUES (%d, 0, 0, UTC_TIMESTAMP(6))", captureStart))
	})
}

// recordsFrom1 writes what format 1 stored as JSON without a version in the form of format 2.
func recordsFrom1(ctx context.Context, u *upgrade) error {
	return u.inTransaction(ctx, func() error {
		for _, f := range []struct {
			table, column string
			convert       func([]byte) ([]byte, error)
		}{
			{"omsync_node", "earlier", convert(historiesOfFormat1, encodeHistories)},
			{"omsync_table", "columns", convert(columnsOfFormat1, encodeColumns)},
			{"omsync_table", "flow", convert(flowOfFormat1, encodeFlow)},
			{"omsync_peer", "link", convert(linkOfFormat1, encodeLink)},
			{"omsync_peer", "requests", convert(requestsOfFormat1, encodeRequests)},
		} {
			if err := u.rewrite(ctx, f.table, f.column, f.convert); err != nil {
				return err
			}
		}
		return nil
	})
}

func convert[T any](read func([]byte) (T, error), write func(T) ([]byte, error)) func([]byte) ([]byte, error) {
	return func(b []byte) ([]byte, error) {
		v, err := read(b)
		if err != nil {
			return nil, err
		}
		return write(v)
	}
}

// rewrite converts the values of a column that have no version yet.
func (u *upgrade) rewrite(ctx context.Context, table, column string, convert func([]byte) ([]byte, error)) error {
	type value struct {
		id   uint64
		text []byte
	}
	var old []value
	query := fmt.Sprintf("SELECT id, %s FROM %s WHERE %[1]s IS NOT NULL FOR UPDATE", column, table)
	err := sqldb.Each(ctx, u.c, query, func(r []sql.RawBytes) error {
		if !hasVersion(r[1]) {
			old = append(old, value{sqldb.Uint(r[0]), slices.Clone(r[1])})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read %s.%s: %w", table, column, err)
	}
	for _, v := range old {
		text, err := convert(v.text)
		if err != nil {
			return fmt.Errorf("row %d of %s: %w", v.id, table, err)
		}
		if _, err := u.c.ExecContext(ctx, fmt.Sprintf("UPDATE %s SET %s = ? WHERE id = ?", table, column), text, v.id); err != nil {
			return fmt.Errorf("write %s.%s: %w", table, column, err)
		}
	}
	return nil
}

// dropChange drops the table of format 1 that the triggers wrote to.
func dropChange(ctx context.Context, u *upgrade) error {
	return sqldb.Exec(ctx, u.c, "DROP TABLE IF EXISTS omsync_change")
}
