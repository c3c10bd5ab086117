package export

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// staff is the rows of a table that goes up only which go to a child all the same: people that a row names which goes there and was made
// here or above, such as its users, and what belongs to these people. So no child can have somebody named by a row of its own.
type staff struct {
	rows   map[journal.Row]bool
	lacked map[journal.Row]bool // of them, those that a row names which the peer lacks: they go too, however old
}

func (s *staff) has(r journal.Row) bool { return s != nil && s.rows[r] }

func (s *staff) add(n int64, lacked bool) {
	r := journal.Row{Int: n}
	s.rows[r] = true
	if lacked {
		s.lacked[r] = true
	}
}

// findStaff finds them, in referred tables first.
func (p *plan) findStaff(ctx context.Context) error {
	for _, t := range p.tables {
		if !t.rules.SendsStaff() || t.Integer == nil {
			continue
		}
		t.staff = &staff{map[journal.Row]bool{}, map[journal.Row]bool{}}
		for _, from := range p.tables {
			for _, c := range from.Columns {
				if c.Ref == nil || c.Ref.When != nil || c.Ref.To != t.Table || c.Ref.ByName() || !from.NamesStaff || !from.rules.Sends() {
					continue
				}
				if err := p.findNamed(ctx, t, from, c); err != nil {
					return err
				}
			}
		}
		for _, c := range t.Columns {
			if c.Ref == nil || c.Ref.When != nil || c.Ref.To == t.Table || c.Ref.ByName() {
				continue
			}
			if to := p.known[c.Ref.To]; to != nil && to.staff != nil {
				if err := p.findBelonging(ctx, t, to, c); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// findNamed finds the rows of a table that those of another one name which go to the peer.
func (p *plan) findNamed(ctx context.Context, t, from *table, c *schema.Column) error {
	versions, err := journal.AllVersions(ctx, p.snap, from.meta.ID, p.j.Authors)
	if err != nil {
		return err
	}
	sealed := p.snap.Sealed(from.Table)
	name := schema.Quote(c.Name)
	query := fmt.Sprintf("SELECT %s, %s FROM %s WHERE %[2]s IS NOT NULL", journal.Identity(from.Table, ""), name, schema.Quote(from.Name))
	err = sqldb.Each(ctx, p.snap, query, func(r []sql.RawBytes) error {
		row := journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])}
		known := knownBy(sealed.Groups(row, versions[row]), from.meta.Default)
		if from.rules.MadeAbove(known) && from.rules.SendsRow(known, false) {
			t.staff.add(sqldb.Int(r[2]), known.NewerThan(from.base(p.head.Base.Epoch), from.knows))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("find whom rows of %s name: %w", from.Name, err)
	}
	return nil
}

// findBelonging finds the rows of a table that refer to people who were found.
func (p *plan) findBelonging(ctx context.Context, t, to *table, c *schema.Column) error {
	rows := make([]journal.Row, 0, len(to.staff.rows))
	for r := range to.staff.rows {
		rows = append(rows, r)
	}
	for some := range slices.Chunk(rows, 1000) {
		query := fmt.Appendf(nil, "SELECT %s, %s FROM %s WHERE %[2]s IN (", schema.Quote(t.Integer.Name), schema.Quote(c.Name), schema.Quote(t.Name))
		for i, r := range some {
			if i > 0 {
				query = append(query, ',')
			}
			query = strconv.AppendInt(query, r.Int, 10)
		}
		err := sqldb.Each(ctx, p.snap, string(append(query, ')')), func(r []sql.RawBytes) error {
			t.staff.add(sqldb.Int(r[0]), to.staff.lacked[journal.Row{Int: sqldb.Int(r[1])}])
			return nil
		})
		if err != nil {
			return fmt.Errorf("find what belongs to people in %s: %w", t.Name, err)
		}
	}
	return nil
}
