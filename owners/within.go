package owners

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// A Set is a table that has a row for each of some owners. The server finds it by the primary key, if that is made of Owner and of what
// Where says.
type Set struct {
	Table string
	Owner string                    // its column with an owner's local id
	Where func(alias string) string // what else says which row it is, such as alias.peer_id = 3; nil: nothing
}

// A Within is the SQL that keeps, of rows of a table, those whose owners are all in a set, and that have one.
type Within struct {
	Joins string // to follow the table in FROM; each is a LEFT JOIN by a key: it adds no row and takes none away
	Where string // a condition; of a table whose rows have no owners TRUE where they are everybody's, FALSE where they are nobody's

	ends []end
	sets []string // aliases
	set  Set
}

// In returns the SQL for rows of a table that stand in FROM as alias.
func In(o *schema.Owners, t *schema.Table, alias string, set Set) Within {
	w := Within{set: set}
	switch o.Of(t).Kind {
	case schema.Everybodys:
		w.Where = "TRUE"
		return w
	case schema.Nobodys:
		w.Where = "FALSE"
		return w
	}
	w.Joins, w.ends = up(o, t, alias)
	var all, some []string
	for i, e := range w.ends {
		s := fmt.Sprintf("%s_s%d", alias, i)
		w.sets = append(w.sets, s)
		on := s + "." + schema.Quote(set.Owner) + " = " + e.found
		if set.Where != nil {
			on += " AND " + set.Where(s)
		}
		w.Joins += " LEFT JOIN " + schema.Quote(set.Table) + " " + s + " ON " + on
		in := s + "." + schema.Quote(set.Owner) + " IS NOT NULL"
		some = append(some, in)
		all = append(all, "("+in+" OR "+e.found+" IS NULL)")
	}
	w.Where = some[0]
	if len(some) > 1 {
		w.Where = "((" + strings.Join(some, " OR ") + ") AND " + strings.Join(all, " AND ") + ")"
	}
	return w
}

// Latest returns the expression for the greatest value that a column of the set, 0 or more and never NULL, has for the owners of a row. It is
// 0 for a row that has none.
func (w Within) Latest(column string) string {
	var parts []string
	for _, s := range w.sets {
		parts = append(parts, "IFNULL("+s+"."+schema.Quote(column)+", 0)")
	}
	switch len(parts) {
	case 0:
		return "0"
	case 1:
		return parts[0]
	}
	return "GREATEST(" + strings.Join(parts, ", ") + ")"
}

// Keep returns those of the rows whose owners are all in the set, and that have one, in their order. What is everybody's is kept too.
func Keep(ctx context.Context, q sqldb.DB, o *schema.Owners, t *schema.Table, set Set, rows []journal.Row) ([]journal.Row, error) {
	w := In(o, t, "t", set)
	var out []journal.Row
	for some := range slices.Chunk(rows, rowsAtOnce) {
		b, where := picked([]byte("SELECT "+identity(t)), t, some)
		b = append(b, w.Joins+" WHERE "+w.Where...)
		if where != "" {
			b = append(b, " AND "+where...)
		}
		kept := map[journal.Row]bool{}
		err := sqldb.Each(ctx, q, string(b), func(r []sql.RawBytes) error {
			kept[journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])}] = true
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("keep rows of %s by their owners: %w", t.Name, err)
		}
		for _, r := range some {
			if kept[r] {
				out = append(out, r)
			}
		}
	}
	return out, nil
}
