package journal

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/schema"
)

// CountVersionsWithoutRow returns how many rows of a table have an entry and are not there, but for those whose deletion was captured and is
// not sealed.
func CountVersionsWithoutRow(ctx context.Context, q sqldb.DB, t *schema.Table, tbl uint16) (int64, error) {
	return countRows(ctx, q, fmt.Sprintf("SELECT COUNT(DISTINCT v.local_id, v.local_key) FROM omsync_version v LEFT JOIN %s t ON %s "+
		"LEFT JOIN (SELECT DISTINCT IFNULL(local_id, 0) AS local_id, IFNULL(local_key, '') AS local_key FROM omsync_capture WHERE table_id = %d) c "+
		"ON c.local_id = v.local_id AND c.local_key = v.local_key WHERE v.table_id = %[3]d AND t.%[4]s IS NULL AND c.local_id IS NULL",
		schema.Quote(t.Name), sameRow(t, "v."), tbl, schema.Quote(t.LocalColumns[0].Name)))
}

// CountRowsWithoutVersion returns how many rows of a table have no entry, and no change that is not sealed. Only where the table has no default
// version does that mean that nothing is known of them.
func CountRowsWithoutVersion(ctx context.Context, q sqldb.DB, t *schema.Table, tbl uint16) (int64, error) {
	return countRows(ctx, q, fmt.Sprintf("SELECT COUNT(*) FROM %s t LEFT JOIN omsync_version v ON v.table_id = %d AND %s "+
		"LEFT JOIN (SELECT DISTINCT IFNULL(local_id, 0) AS local_id, IFNULL(local_key, '') AS local_key FROM omsync_capture WHERE table_id = %[2]d) c ON %[4]s "+
		"WHERE v.table_id IS NULL AND c.local_id IS NULL",
		schema.Quote(t.Name), tbl, sameRow(t, "v."), sameRow(t, "c.")))
}

// CountDangling returns how many rows of a table refer by a column to a row that is not there. 0 stands for no row. It is asked of references
// that always are to one table alone.
func CountDangling(ctx context.Context, q sqldb.DB, c *schema.Column) (int64, error) {
	to := c.Ref.ToColumn
	return countRows(ctx, q, fmt.Sprintf("SELECT COUNT(*) FROM %s f LEFT JOIN %s t ON t.%s = f.%s WHERE f.%[4]s IS NOT NULL AND f.%[4]s <> 0 AND t.%[3]s IS NULL",
		schema.Quote(c.Table.Name), schema.Quote(c.Ref.To.Name), schema.Quote(to.Name), schema.Quote(c.Name)))
}

// WaitingForNothing returns how many rows wait of which the table, or the table of the row that they wait for, is not known here any more.
func WaitingForNothing(ctx context.Context, q sqldb.DB) (int64, error) {
	return countRows(ctx, q, "SELECT COUNT(*) FROM omsync_waiting w LEFT JOIN omsync_table t ON t.id = w.table_id LEFT JOIN omsync_table a ON a.id = w.awaited_table "+
		"WHERE w.dropped_at = 0 AND (t.id IS NULL OR w.awaited_table <> 0 AND a.id IS NULL)")
}

func countRows(ctx context.Context, q sqldb.DB, query string) (n int64, err error) {
	err = sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error { n = sqldb.Int(r[0]); return nil })
	return n, err
}
