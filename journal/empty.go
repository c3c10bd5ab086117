package journal

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/omsync/omsync/internal/sqldb"
)

// AnyVersionsOrChanges reports whether rows of a table have versions of their own, or changes that are not sealed yet.
func AnyVersionsOrChanges(ctx context.Context, q sqldb.DB, tbl uint16) (bool, error) {
	defer letGo(ctx, q)
	for _, from := range []string{"omsync_version", "omsync_capture"} {
		found := false
		err := sqldb.Each(ctx, q, fmt.Sprintf("SELECT 1 FROM %s WHERE table_id = %d LIMIT 1", from, tbl), func([]sql.RawBytes) error {
			found = true
			return nil
		})
		if err != nil {
			return false, fmt.Errorf("look for versions and changes: %w", err)
		}
		if found {
			return true, nil
		}
	}
	return false, nil
}

// HighestVersions returns the highest local id of a table of which versions are stored; 0: there is none above.
func HighestVersions(ctx context.Context, q sqldb.DB, tbl uint16) (n int64, err error) {
	err = sqldb.Each(ctx, q, fmt.Sprintf("SELECT IFNULL(MAX(local_id), 0) FROM omsync_version WHERE table_id = %d", tbl), func(r []sql.RawBytes) error {
		n = sqldb.Int(r[0])
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("look for versions: %w", err)
	}
	return max(n, 0), nil
}
