package owners

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// end is where a path leads, in SQL.
type end struct {
	value string         // the number to which it leads; NULL: to none
	found string         // the same where it is an owner's, NULL otherwise
	first *schema.Column // of the row itself, with which it begins; nil: it has no step
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
				ends = append(ends, end{from, found + "." + owner, p[0].From})
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
			ends = append(ends, end{own, own, nil})
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

// picked appends FROM with the rows of a table, as t, that are known here by these identities, and returns a condition beside: by the
// integers in their keys, as far as an index begins with one. A table whose keys have none is read from end to end, as such tables are small.
func picked(b []byte, t *schema.Table, rows []journal.Row) (from []byte, where string) {
	b = append(b, " FROM "...)
	if t.Integer != nil {
		ids := make([]int64, len(rows))
		for i, r := range rows {
			ids[i] = r.Int
		}
		return fmt.Appendf(numbers(b, ids), " STRAIGHT_JOIN %s t%s ON t.%s = d.id", schema.Quote(t.Name), by(t.Integer), column(t.Integer)), ""
	}
	columns, tuples := keyNumbers(t, rows)
	if len(tuples) == 0 {
		b = append(append(b, schema.Quote(t.Name)...), " t"...)
	} else {
		var names, on []string
		for i, c := range columns {
			names = append(names, fmt.Sprintf("k%d", i))
			on = append(on, fmt.Sprintf("t.%s = d.k%d", column(c), i))
		}
		b, _ = sqldb.AppendDerived(b, names, len(tuples), 0, func(b []byte, row, c int) []byte { return append(b, tuples[row][c]...) })
		b = fmt.Appendf(b, " STRAIGHT_JOIN %s t%s ON %s", schema.Quote(t.Name), t.ForceIndex(columns), strings.Join(on, " AND "))
		if len(columns) == len(t.LocalColumns) {
			return b, ""
		}
	}
	w := []byte(schema.LocalKeySQL(t, "t.") + " IN (")
	for i, r := range rows {
		if i > 0 {
			w = append(w, ',')
		}
		w = sqldb.Binary(w, r.Key)
	}
	return b, string(append(w, ')'))
}

// keyNumbers returns the columns of local keys that hold integers, with their values in the keys, each tuple once; none if no index begins with
// such a column, or a key cannot be taken apart.
func keyNumbers(t *schema.Table, rows []journal.Row) (columns []*schema.Column, tuples [][]string) {
	for _, c := range t.LocalColumns {
		if c.IsInteger() && !c.Nullable {
			columns = append(columns, c)
		}
	}
	if t.ForceIndex(columns) == "" {
		return nil, nil
	}
	seen := map[string]bool{}
	for _, r := range rows {
		parts, err := schema.ParseLocalKey(t, r.Key)
		if err != nil {
			return nil, nil
		}
		var tuple []string
		for i, c := range t.LocalColumns {
			if !slices.Contains(columns, c) {
				continue
			}
			number := string(parts[i])
			if strings.TrimLeft(strings.TrimPrefix(number, "-"), "0123456789") != "" || number == "" || number == "-" {
				return nil, nil
			}
			tuple = append(tuple, number)
		}
		if text := strings.Join(tuple, ","); !seen[text] {
			seen[text] = true
			tuples = append(tuples, tuple)
		}
	}
	return columns, tuples
}

// identity returns the expressions by which a row t is known here. A local key counts as bytes, so that it has one order everywhere.
func identity(t *schema.Table) string {
	if t.Integer != nil {
		return "t." + column(t.Integer) + ", ''"
	}
	return "0, CAST(" + schema.LocalKeySQL(t, "t.") + " AS BINARY)"
}
