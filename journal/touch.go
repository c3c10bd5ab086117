package journal

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// HasCapture reports whether omsync_capture, into which the triggers write, is there.
func HasCapture(ctx context.Context, q sqldb.DB) (bool, error) {
	err := sqldb.Each(ctx, q, "SELECT 1 FROM omsync_capture LIMIT 1", func([]sql.RawBytes) error { return nil })
	if sqldb.ErrorNumber(err) == sqldb.ErrNoSuchTable {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at omsync_capture: %w", err)
	}
	return true, nil
}

// TouchVersions stamps every entry of a table one above what it was, as the stamper's own. The caller holds the gate.
func TouchVersions(ctx context.Context, q sqldb.DB, tbl uint16, s merge.Stamper, a *Authors) error {
	return sqldb.Exec(ctx, q, fmt.Sprintf("UPDATE omsync_version SET time = time + 1, author = %d, epoch = %d, origin = 0 WHERE table_id = %d", a.ID(s.Self), s.Epoch, tbl))
}

// DropVersionsWithoutRow forgets the entries of a table's rows that are there no more. The caller holds the gate.
func DropVersionsWithoutRow(ctx context.Context, q sqldb.DB, t *schema.Table, tbl uint16) error {
	same := schema.LocalKeySQL(t, "t.") + " = v.local_key"
	if t.Integer != nil {
		same = "t." + schema.Quote(t.Integer.Name) + " = v.local_id"
	}
	return sqldb.Exec(ctx, q, fmt.Sprintf("DELETE v FROM omsync_version v LEFT JOIN %s t ON %s WHERE v.table_id = %d AND t.%s IS NULL",
		schema.Quote(t.Name), same, tbl, schema.Quote(t.LocalColumns[0].Name)))
}
