package journal

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/schema"
)

// A Standing is how a replicated table stands here.
type Standing struct {
	Rows    int64
	Waiting int64     // rows that came and cannot be applied yet, from all peers
	Changed time.Time // when something of it last came or was sealed; zero: never, or nobody knows any more
}

// Standings returns how tables stand, by name. It counts every row.
func (j *Journal) Standings(ctx context.Context, q sqldb.DB) (map[string]Standing, error) {
	waiting := map[uint16]int64{}
	err := sqldb.Each(ctx, q, "SELECT table_id, COUNT(*) FROM omsync_waiting FORCE INDEX (counted) GROUP BY table_id", func(r []sql.RawBytes) error {
		waiting[uint16(sqldb.Uint(r[0]))] = sqldb.Int(r[1])
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count rows that wait: %w", err)
	}
	out := map[string]Standing{}
	for _, t := range j.Replicated() {
		jt := j.Tables[t.Name]
		s := Standing{Waiting: waiting[jt.ID]}
		query := fmt.Sprintf(`SELECT (SELECT COUNT(*) FROM %s), (SELECT created_at FROM omsync_epoch WHERE id = GREATEST(%d,
  IFNULL((SELECT MAX(epoch) FROM omsync_version WHERE table_id = %d), 0), IFNULL((SELECT MAX(epoch) FROM omsync_tombstone WHERE table_id = %[3]d), 0)))`,
			schema.Quote(t.Name), jt.Default.Epoch, jt.ID)
		err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
			if s.Rows = sqldb.Int(r[0]); r[1] != nil {
				s.Changed = time.UnixMicro(sqldb.Int(r[1])).UTC()
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("look how %s stands: %w", t.Name, err)
		}
		out[t.Name] = s
	}
	return out, nil
}
