package journal

import (
	"context"
	"fmt"

	"github.com/omsync/omsync/internal/sqldb"
)

// Format 2 gave the columns names that speak, the stored records versions, and the table that the triggers write a new name: to
// rename a table or a column under a live trigger would fail the application's statements. So the new table is made beside the old
// one, the triggers are replaced one table after the other, and then what is left in the old one moves.

// captureStart is where the ids of omsync_capture begin: above all that omsync_change, whose rows are older, has or will get.
const captureStart uint64 = 1 << 40

func stepsFrom1() []upgradeStep {
	steps := []upgradeStep{
		{"see what the account may do", 1, tryPrivileges},
		{"see whether the records can be read", 1, tryRecords},
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
		upgradeStep{"make omsync_removed, which triggers write to", 1, func(ctx context.Context, u *upgrade) error { return u.make(ctx, "omsync_removed") }},
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
			"default_author": "def_author", "default_epoch": "def_epoch", "default_origin": "def_frm", "made": added, "default_added_by": added, "default_more": added}},
		{"omsync_version", map[string]string{"table_id": "tbl", "local_id": "pk", "local_key": "k", "column_mask": "mask", "origin": "frm", "added_by": added}},
		{"omsync_tombstone", map[string]string{"table_id": "tbl", "row_key": "k", "whole_key": "whole", "origin": "frm"}},
		{"omsync_peer", map[string]string{"requests": "asks", "heard": added, "used": added, "acked_epoch": "acked", "applied_epoch": "applied"}},
		{"omsync_import", map[string]string{"peer_id": "peer", "sender_epoch": "epoch", "sender_token": "token", "own_epoch": "own"}},
		{"omsync_conflict", map[string]string{"peer_id": added, "owners": added, "table_name": "tbl", "row_key": "k", "column_name": "col", "recorded_at": "at", "origin": "frm"}},
	}
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

// dropChange drops the table of format 1 that the triggers wrote to.
func dropChange(ctx context.Context, u *upgrade) error {
	return sqldb.Exec(ctx, u.c, "DROP TABLE IF EXISTS omsync_change")
}
