package owners

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// end is where a path leads, in SQL.
type end struct {
	value string // the number to which it leads; NULL: to none
	found string // the same where it is an owner's, NULL otherwise
}

// up returns the joins that lead from the rows of a table, as alias, to where its paths end. Paths that begin alike share joins. Each join
// is a LEFT JOIN by a key, so it adds no row and takes none away.
func up(o *schema.Owners, t *schema.Table, alias string) (joins string, ends []end) {
	var b strings.Builder
	shared := map[string]string{}
	owner := column(o.Table.Integer)
	for _, p := range o.Of(t).Paths {
		at, began := alias, ""
		for i, s := range p {
			from := at + "." + column(s.From)
			if i == len(p)-1 {
				found := fmt.Sprintf("%s_w%d", alias, len(ends))
				fmt.Fprintf(&b, " LEFT JOIN %s %s%s ON %[2]s.%[4]s = %[5]s", schema.Quote(o.Table.Name), found, by(s.To), owner, from)
				ends = append(ends, end{from, found + "." + owner})
				break
			}
			began += "\x00" + s.From.Table.Name + "\x00" + s.From.Name
			if at = shared[began]; at == "" {
				at = fmt.Sprintf("%s_j%d", alias, len(shared))
				shared[began] = at
				fmt.Fprintf(&b, " LEFT JOIN %s %s%s ON %[2]s.%[4]s = %[5]s", schema.Quote(s.To.Table.Name), at, by(s.To), column(s.To), from)
			}
		}
		if len(p) == 0 {
			own := alias + "." + owner
			ends = append(ends, end{own, own})
		}
	}
	return b.String(), ends
}

// down returns the joins that lead from a row w to the rows t of a table by a path to it.
func down(p schema.Path) string {
	var b strings.Builder
	to := "w"
	for i := len(p) - 1; i >= 0; i-- {
		at := "t"
		if i > 0 {
			at = fmt.Sprintf("s%d", i)
		}
		from := p[i].From
		fmt.Fprintf(&b, " STRAIGHT_JOIN %s %s%s ON %[2]s.%[4]s = %[5]s.%[6]s", schema.Quote(from.Table.Name), at, by(from), column(from), to, column(p[i].To))
		to = at
	}
	return b.String()
}

func column(c *schema.Column) string { return schema.Quote(c.Name) }

// by returns the hint that makes the server look rows up by a column.
func by(c *schema.Column) string { return c.Table.ForceIndex([]*schema.Column{c}) }

// numbers appends a derived table d(id).
func numbers(b []byte, ids []int64) []byte {
	b, _ = sqldb.AppendDerived(b, []string{"id"}, len(ids), 0, func(b []byte, row, _ int) []byte { return strconv.AppendInt(b, ids[row], 10) })
	return b
}

// picked appends FROM with the rows of a table, as t, that are known here by these identities: by the primary key where that is made of
// numbers. Any other is looked for by reading the table, as such tables are small.
func picked(b []byte, t *schema.Table, rows []journal.Row) (from []byte, where string) {
	b = append(b, " FROM "...)
	if t.Integer != nil {
		ids := make([]int64, len(rows))
		for i, r := range rows {
			ids[i] = r.Int
		}
		return fmt.Appendf(numbers(b, ids), " STRAIGHT_JOIN %s t%s ON t.%s = d.id", schema.Quote(t.Name), by(t.Integer), column(t.Integer)), ""
	}
	if parts := keyNumbers(t, rows); parts != nil {
		var names, on []string
		for i, c := range t.PrimaryKey {
			names = append(names, fmt.Sprintf("k%d", i))
			on = append(on, fmt.Sprintf("t.%s = d.k%d", column(c), i))
		}
		b, _ = sqldb.AppendDerived(b, names, len(rows), 0, func(b []byte, row, c int) []byte { return append(b, parts[row][c]...) })
		return fmt.Appendf(b, " STRAIGHT_JOIN %s t%s ON %s", schema.Quote(t.Name), t.ForceIndex(t.PrimaryKey), strings.Join(on, " AND ")), ""
	}
	w := []byte(schema.LocalKeySQL(t, "t.") + " IN (")
	for i, r := range rows {
		if i > 0 {
			w = append(w, ',')
		}
		w = sqldb.Binary(w, r.Key)
	}
	return append(append(b, schema.Quote(t.Name)...), " t"...), string(append(w, ')'))
}

// keyNumbers returns the columns' values of local keys that are made of integers; nil: some are not.
func keyNumbers(t *schema.Table, rows []journal.Row) [][][]byte {
	if len(t.PrimaryKey) == 0 {
		return nil
	}
	for _, c := range t.PrimaryKey {
		if !c.IsInteger() {
			return nil
		}
	}
	out := make([][][]byte, len(rows))
	for i, r := range rows {
		parts, err := schema.ParseLocalKey(t, r.Key)
		if err != nil {
			return nil
		}
		for _, p := range parts {
			if _, err := strconv.ParseInt(string(p), 10, 64); err != nil {
				if _, err := strconv.ParseUint(string(p), 10, 64); err != nil {
					return nil
				}
			}
		}
		out[i] = parts
	}
	return out
}

// identity returns the expressions by which a row t is known here. A local key counts as bytes, so that it has one order everywhere.
func identity(t *schema.Table) string {
	if t.Integer != nil {
		return "t." + column(t.Integer) + ", ''"
	}
	return "0, CAST(" + schema.LocalKeySQL(t, "t.") + " AS BINARY)"
}
