package doctor

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/schema"
)

// distinct looks for values that two rows have and that the profile says are one row's. It names rows, and no value: these are patients'.
func distinct(ctx context.Context, x *exam) (Finding, error) {
	var looked, found, help []string
	for _, t := range x.Journal.Catalogue.Tables {
		d := x.Journal.Profile.Distinct(t.Name)
		query := ""
		if d != nil {
			query = distinctQuery(x.Journal.Catalogue, t, d)
		}
		if query == "" {
			continue
		}
		switch large, err := x.large(ctx, t); {
		case err != nil:
			return Finding{}, err
		case large:
			continue
		}
		what := t.Name + "." + strings.Join(d.Columns, " and ")
		looked = append(looked, what)
		var values int
		var examples []string
		err := sqldb.Each(ctx, x.DB, query, func(r []sql.RawBytes) error {
			if values++; values <= maxShown {
				examples = append(examples, fmt.Sprintf("%s and %s", r[0], r[1]))
			}
			return nil
		})
		if err != nil {
			return Finding{}, fmt.Errorf("look for equal values in %s: %w", t.Name, err)
		}
		if values > 0 {
			found = append(found, fmt.Sprintf("%s: %d values that several rows have (such as %s)", what, values, strings.Join(examples, ", ")))
			help = append(help, t.Name+": "+d.Help)
		}
	}
	switch {
	case len(found) > 0:
		return Finding{Level: Fail, What: strings.Join(found, "; ") + x.notSeen(), Do: strings.Join(help, "; ")}, nil
	case len(looked) == 0:
		return Finding{What: "the profile names none" + x.notSeen()}, nil
	}
	return Finding{What: "different in " + strings.Join(looked, ", ") + x.notSeen()}, nil
}

// distinctQuery asks for two rows of each value that several have; empty: the table has not the columns.
func distinctQuery(cat *schema.Catalogue, t *schema.Table, d *schema.Distinct) string {
	name := func(alias, column string) string {
		if c := t.Column(column); c != nil {
			return alias + "." + schema.Quote(c.Name)
		}
		return ""
	}
	row := name("a", "uuid")
	if row == "" && t.Integer != nil {
		row = name("a", t.Integer.Name)
	}
	var group, where []string
	for _, column := range d.Columns {
		c := name("a", column)
		if c == "" {
			return ""
		}
		group, where = append(group, c), append(where, c+" <> ''")
	}
	if c := name("a", d.Voided); c != "" {
		where = append(where, c+" = 0")
	}
	from := schema.Quote(t.Name) + " a"
	if via := t.Column(d.Via); via != nil && via.Ref != nil && via.Ref.To != nil {
		to := via.Ref.To
		if unless := to.Column(d.Unless); unless != nil {
			from += fmt.Sprintf(" JOIN %s v ON v.%s = a.%s", schema.Quote(to.Name), schema.Quote(via.Ref.ToColumn.Name), schema.Quote(via.Name))
			where = append(where, fmt.Sprintf("IFNULL(v.%s, '') <> %s", schema.Quote(unless.Name), text(d.Is)))
			if beside, place := to.Column(d.Beside), name("a", d.Place); beside != nil && place != "" {
				group = append(group, fmt.Sprintf("CASE WHEN v.%s = %s THEN %s END", schema.Quote(beside.Name), text(d.Local), place))
			}
		}
	}
	several := "COUNT(*)"
	if c := name("a", d.Of); c != "" {
		several = "COUNT(DISTINCT " + c + ")"
	}
	if row == "" {
		return ""
	}
	return fmt.Sprintf("SELECT MIN(%[1]s), MAX(%[1]s) FROM %[2]s WHERE %[3]s GROUP BY %[4]s HAVING %[5]s > 1", row, from, strings.Join(where, " AND "), strings.Join(group, ", "), several)
}

// text is a literal.
func text(s string) string { return string(sqldb.AppendString(nil, []byte(s))) }
