package sites

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// Delete deletes rows of a table as the application does, kept whole beforehand as a node keeps what is deleted there.
func (s *Site) Delete(table, where string) {
	s.t.Helper()
	s.Keep(table, where)
	s.Exec(fmt.Sprintf("DELETE FROM %s WHERE %s", table, where))
}

// Keep keeps rows whole, as if they were deleted now. What refers to a row only in some cases is kept as it is.
func (s *Site) Keep(table, where string) {
	s.t.Helper()
	ctx := context.Background()
	t := s.J.Catalogue.Table(table)
	query := "SELECT " + journal.Identity(t, "")
	var columns []*schema.Column
	for _, c := range t.Columns {
		if !c.Generated && !c.Local {
			columns, query = append(columns, c), query+", "+c.Select("")
		}
	}
	var rows []journal.Row
	var kept []journal.Deleted
	err := sqldb.Each(ctx, s.node, query+" FROM "+schema.Quote(table)+" WHERE "+where, func(r []sql.RawBytes) error {
		d := journal.Deleted{Content: journal.Content{}, Version: merge.Version{Stamp: merge.Stamp{Time: s.now().UnixMicro(), Author: s.Name}}, DeletedAt: s.now().UnixMicro()}
		for i, c := range columns {
			v := journal.Value{}
			if r[2+i] != nil {
				text := string(r[2+i])
				v.Text = &text
			}
			d.Content[c.Name] = v
		}
		rows, kept = append(rows, journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])}), append(kept, d)
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	keys, err := rowkey.Of(ctx, s.node, t, rows)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := range kept {
		kept[i].Key = journal.Canonical(t, keys[rows[i]])
		for _, c := range columns {
			v := kept[i].Content[c.Name]
			if c.Ref == nil || c.Ref.When != nil || v.Text == nil {
				continue
			}
			of, err := rowkey.Referred(ctx, s.node, c.Ref, []string{*v.Text})
			if err != nil {
				s.t.Fatal(err)
			}
			if key := of[*v.Text]; key != nil {
				k := journal.Canonical(c.Ref.To, *key)
				kept[i].Content[c.Name] = journal.Value{Text: &k, Table: c.Ref.To.Name}
			}
		}
	}
	if _, err := journal.KeepDeleted(ctx, s.node, s.J.Tables[t.Name].ID, kept, s.J.Authors); err != nil {
		s.t.Fatal(err)
	}
}
