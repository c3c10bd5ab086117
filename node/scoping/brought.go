package scoping

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/owners"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/scope"
)

// rowsAtOnce is how many rows are read at once.
const rowsAtOnce = 2000

// broughtBy returns the owners of rows that a child made or changed last.
func (s *Session) broughtBy(ctx context.Context, peers []merge.Peer) ([]scope.Owner, error) {
	o, err := s.n.Journal.Catalogue.Owners()
	if err != nil {
		return nil, err
	}
	ids := map[int64]bool{}
	for _, t := range s.n.Journal.Replicated() {
		if o.Of(t).Kind != schema.Owned {
			continue
		}
		err := s.rowsOf(ctx, t, peers, func(rows []journal.Row) error {
			ends, err := owners.Of(ctx, s.q, o, t, rows)
			for _, e := range ends {
				for _, id := range e.Owners {
					ids[id] = true
				}
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	rows := make([]journal.Row, 0, len(ids))
	for id := range ids {
		rows = append(rows, journal.Row{Int: id})
	}
	return s.keysOf(ctx, o.Table, rows)
}

// keysOf returns the keys of owners that have one, in order.
func (s *Session) keysOf(ctx context.Context, t *schema.Table, rows []journal.Row) (out []scope.Owner, err error) {
	slices.SortFunc(rows, rowkey.Compare)
	for some := range slices.Chunk(rows, rowsAtOnce) {
		keys, err := rowkey.Of(ctx, s.q, t, some)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			if key != "" {
				out = append(out, scope.Owner(journal.Canonical(t, key)))
			}
		}
	}
	slices.Sort(out)
	return out, nil
}

// rowsOf hands on, in pages, the rows of a table that have a version from one of the peers, or came with one.
func (s *Session) rowsOf(ctx context.Context, t *schema.Table, peers []merge.Peer, f func([]journal.Row) error) error {
	meta := s.n.Journal.Tables[t.Name]
	var list []string
	for _, p := range peers {
		list = append(list, fmt.Sprint(p))
	}
	in := strings.Join(list, ",")
	queries := []string{fmt.Sprintf("SELECT DISTINCT local_id, local_key FROM omsync_version v WHERE table_id = %d AND (origin IN (%s) OR added_by IN (%[2]s))", meta.ID, in)}
	if !meta.Default.IsEmpty() && slices.Contains(peers, meta.Default.From) && t.Integer != nil {
		id := schema.Quote(t.Integer.Name)
		queries = append(queries, fmt.Sprintf("SELECT t.%s local_id, '' local_key FROM %s t LEFT JOIN omsync_version w ON w.table_id = %d AND w.local_id = t.%[1]s WHERE w.table_id IS NULL", id, schema.Quote(t.Name), meta.ID))
	}
	for _, query := range queries {
		for last := (*journal.Row)(nil); ; {
			after := ""
			if last != nil {
				after = fmt.Sprintf(" WHERE local_id > %d OR local_id = %[1]d AND local_key > %s", last.Int, sqldb.Binary(nil, last.Key))
			}
			var page []journal.Row
			err := sqldb.Each(ctx, s.q, fmt.Sprintf("SELECT local_id, local_key FROM (%s) r%s ORDER BY local_id, local_key LIMIT %d", query, after, rowsAtOnce), func(r []sql.RawBytes) error {
				page = append(page, journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])})
				return nil
			})
			if err != nil {
				return fmt.Errorf("look for rows of %s that came from a child: %w", t.Name, err)
			}
			if len(page) > 0 {
				last = &page[len(page)-1]
				if err := f(page); err != nil {
					return err
				}
			}
			if len(page) < rowsAtOnce {
				break
			}
		}
	}
	return nil
}

// publishStaff makes the persons public whom users and providers name: until now nobody asked.
func (s *Session) publishStaff(ctx context.Context) error {
	o, err := s.n.Journal.Catalogue.Owners()
	if err != nil {
		return err
	}
	for _, t := range s.n.Journal.Replicated() {
		for _, c := range o.Of(t).Names {
			if c.Ref == nil || s.n.Journal.Tables[c.Ref.To.Name] == nil {
				continue
			}
			var rows []journal.Row
			query := fmt.Sprintf("SELECT DISTINCT %s FROM %s WHERE %[1]s IS NOT NULL", schema.Quote(c.Name), schema.Quote(t.Name))
			if err := sqldb.Each(ctx, s.q, query, func(r []sql.RawBytes) error {
				rows = append(rows, journal.Row{Int: sqldb.Int(r[0])})
				return nil
			}); err != nil {
				return fmt.Errorf("look for whom %s names: %w", t.Name, err)
			}
			keys, err := s.keysOf(ctx, c.Ref.To, rows)
			if err != nil {
				return err
			}
			for _, key := range keys {
				s.node.Publish(scope.Row{Table: c.Ref.To.Name, Key: string(key)})
			}
		}
	}
	return s.store.Err()
}
