package doctor

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/schema"
)

// maxShown is how many examples a finding names.
const maxShown = 3

// names looks for names by which two people log in.
func names(ctx context.Context, x *exam) (Finding, error) {
	var found []string
	for _, t := range x.Journal.Catalogue.Tables {
		says := x.Journal.Profile.Names(t.Name)
		if says == nil || t.Integer == nil {
			continue
		}
		var uses []use
		err := sqldb.Each(ctx, x.DB, namesQuery(t, says), func(r []sql.RawBytes) error {
			uses = append(uses, use{string(r[0]), sqldb.Int(r[1]), sqldb.Int(r[2]) != 0, sqldb.Int(r[3]) != 0})
			return nil
		})
		if err != nil {
			return Finding{}, fmt.Errorf("compare names in %s: %w", t.Name, err)
		}
		for _, s := range clashes(uses) {
			found = append(found, t.Name+": "+s)
		}
	}
	if len(found) == 0 {
		return Finding{What: "each is one person's"}, nil
	}
	return Finding{Level: Fail, What: "several people have one: " + strings.Join(found, "; "), Do: "give all but one of them another user name, at the site that made them, or at the hub"}, nil
}

// use is a name in a column of a row. Names that are equal stand together, and so do those of one row.
type use struct {
	name    string
	id      int64
	counted bool // the application counts the column's values at each site
	other   bool // the row has another name in another column
}

// clashes names the rows of which one cannot log in by a name for the other.
func clashes(uses []use) (out []string) {
	for len(uses) > 0 {
		same := uses
		if i := slices.IndexFunc(uses, func(u use) bool { return !strings.EqualFold(u.name, uses[0].name) }); i > 0 {
			same = uses[:i]
		}
		uses = uses[len(same):]
		var rows []int64
		by := map[int64]access.NameUse{}
		for _, u := range same {
			row, there := by[u.id]
			if !there {
				rows, row = append(rows, u.id), access.NameUse{New: true, Counted: access.Counted(u.name), Only: true}
			}
			row.Counted, row.Only = row.Counted && u.counted, row.Only && !u.other
			by[u.id] = row
		}
		taken := slices.ContainsFunc(rows, func(a int64) bool {
			return slices.ContainsFunc(rows, func(b int64) bool { return a != b && access.NameTaken(by[a], by[b]) })
		})
		if taken {
			out = append(out, fmt.Sprintf("%s (numbers %s)", same[0].name, strings.Trim(fmt.Sprint(rows), "[]")))
		}
	}
	return out
}

// namesQuery asks for the names that several rows have.
func namesQuery(t *schema.Table, says *schema.Names) string {
	var parts []string
	compared := func(c *schema.Column) string {
		return "CONVERT(" + schema.Quote(c.Name) + " USING utf8mb4) COLLATE utf8mb4_general_ci"
	}
	for _, name := range says.Columns {
		c := t.Column(name)
		if c == nil {
			continue
		}
		other := "0"
		for _, o := range says.Columns {
			if o := t.Column(o); o != nil && o != c {
				other += fmt.Sprintf(" OR IFNULL(%[1]s <> '' AND %[1]s <> %[2]s, 0)", compared(o), compared(c))
			}
		}
		counted := 0
		if slices.ContainsFunc(says.Numbered, func(s string) bool { return strings.EqualFold(s, name) }) {
			counted = 1
		}
		parts = append(parts, fmt.Sprintf("SELECT %[1]s AS name, %[2]s AS id, %[3]d AS counted, (%[4]s) AS other FROM %[5]s WHERE %[6]s <> ''",
			compared(c), schema.Quote(t.Integer.Name), counted, other, schema.Quote(t.Name), schema.Quote(c.Name)))
	}
	all := strings.Join(parts, " UNION ALL ")
	return fmt.Sprintf("SELECT u.name, u.id, u.counted, u.other FROM (SELECT name FROM (%[1]s) n GROUP BY name HAVING COUNT(DISTINCT id) > 1) s JOIN (%[1]s) u ON u.name = s.name ORDER BY u.name, u.id", all)
}
