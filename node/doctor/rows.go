package doctor

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/schema"
)

// How many rows of a table are looked at without --deep.
const (
	sampled     = 5_000
	manyRows    = 2_000_000 // of a table that is compared as a whole
	fewDistinct = 5         // values that say something about where they point
)

// some returns the rows of a table that are looked at: as FROM takes it.
func (x *exam) some(t *schema.Table, columns []string) string {
	limit := ""
	if !x.Deep {
		limit = fmt.Sprintf(" LIMIT %d", sampled)
	}
	return fmt.Sprintf("(SELECT %s FROM %s%s) a", strings.Join(columns, ", "), schema.Quote(t.Name), limit)
}

// seen says how much was looked at.
func (x *exam) seen() string {
	if x.Deep {
		return "in all rows"
	}
	return fmt.Sprintf("among the first %d rows of each table (--deep: all)", sampled)
}

// unknown names the tables that no profile names.
func unknown(_ context.Context, x *exam) (Finding, error) {
	names := node.DownByDefault(x.Journal.Catalogue)
	if len(names) == 0 {
		return Finding{What: "none"}, nil
	}
	return Finding{Level: Warn, What: "no profile names them, so they go down only: " + strings.Join(names, ", "), Do: "if clinics add rows to one, name it under [direction] in a profile file, in add or both, at both ends of each link; if it is to stay here, under never; if it is right so, under down"}, nil
}

// likely looks for integers that are numbers of rows, and that nobody declares: a column that is named like the primary key of a table, or ends
// in it, and whose values all stand there.
func likely(ctx context.Context, x *exam) (Finding, error) {
	keys := map[string]*schema.Table{} // by the name of the primary key, where one table has it
	for _, t := range x.Journal.Catalogue.Tables {
		if t.Integer == nil || t.Integer.Name == "id" {
			continue
		}
		name := strings.ToLower(t.Integer.Name)
		if _, two := keys[name]; two {
			keys[name] = nil
			continue
		}
		keys[name] = t
	}
	var f found
	for _, t := range x.Journal.Replicated() {
		for _, c := range t.Columns {
			to := target(keys, t, c)
			if to == nil {
				continue
			}
			values, all, err := x.pointsTo(ctx, c, to)
			if err != nil {
				return Finding{}, err
			}
			if values >= fewDistinct && all {
				f.add(Warn, fmt.Sprintf("%s.%s is likely the number of a row of %s, and is sent as a number", t.Name, c.Name, to.Name),
					fmt.Sprintf("in a profile file, at both ends of each link: [references.%s] %s = %q; if it is none: %[2]s = \"\"", t.Name, c.Name, to.Name))
			}
		}
	}
	return f.finding("none that nobody declared, " + x.seen()), nil
}

// target returns the table that a column's name speaks of; nil: none, or what it refers to is known.
func target(keys map[string]*schema.Table, t *schema.Table, c *schema.Column) *schema.Table {
	if c.Ref != nil || c.Local || c.Generated || c.Excluded != "" || c == t.Integer || !strings.Contains(c.Type, "int") || c.DeclaredPlain() {
		return nil
	}
	name := strings.ToLower(c.Name)
	for { // location_id, and the transfer_location_id of a visit
		if to := keys[name]; to != nil {
			return to
		}
		_, rest, more := strings.Cut(name, "_")
		if !more || !strings.Contains(rest, "_") {
			return nil
		}
		name = rest
	}
}

// pointsTo counts different values of a column, and says whether all are numbers of rows of a table.
func (x *exam) pointsTo(ctx context.Context, c *schema.Column, to *schema.Table) (values int, all bool, err error) {
	name := schema.Quote(c.Name)
	query := fmt.Sprintf("SELECT COUNT(*), IFNULL(SUM(EXISTS (SELECT 1 FROM %s r WHERE r.%s = d.v)), 0) FROM (SELECT DISTINCT a.%s AS v FROM %s WHERE a.%[3]s <> 0) d",
		schema.Quote(to.Name), schema.Quote(to.Integer.Name), name, x.some(c.Table, []string{name}))
	err = sqldb.Each(ctx, x.DB, query, func(r []sql.RawBytes) error {
		values, all = int(sqldb.Int(r[0])), sqldb.Int(r[0]) == sqldb.Int(r[1])
		return nil
	})
	if err != nil {
		return 0, false, fmt.Errorf("compare %s.%s with %s: %w", c.Table.Name, c.Name, to.Name, err)
	}
	return values, all, nil
}

// dangling looks for references to nothing.
func dangling(ctx context.Context, x *exam) (Finding, error) {
	var f found
	for _, t := range x.Journal.Replicated() {
		var columns, counts []string
		var refs []*schema.Column
		for _, c := range t.Columns {
			if r := c.Ref; r == nil || r.To == nil || r.ToColumn == nil || r.When != nil || c.Excluded != "" {
				continue
			}
			name := schema.Quote(c.Name)
			missing := fmt.Sprintf("NOT EXISTS (SELECT 1 FROM %s r WHERE r.%s = a.%s)", schema.Quote(c.Ref.To.Name), schema.Quote(c.Ref.ToColumn.Name), name)
			if strings.Contains(c.Type, "int") {
				missing = fmt.Sprintf("a.%s <> 0 AND %s", name, missing)
			}
			refs, columns = append(refs, c), append(columns, name)
			counts = append(counts, fmt.Sprintf("IFNULL(SUM(a.%s IS NOT NULL AND %s), 0)", name, missing))
		}
		if len(refs) == 0 {
			continue
		}
		err := sqldb.Each(ctx, x.DB, "SELECT "+strings.Join(counts, ", ")+" FROM "+x.some(t, columns), func(r []sql.RawBytes) error {
			for i, c := range refs {
				if n := sqldb.Int(r[i]); n > 0 {
					f.add(Warn, fmt.Sprintf("%s.%s: %d to no row of %s", t.Name, c.Name, n, c.Ref.To.Name), danglingDo(c))
				}
			}
			return nil
		})
		if err != nil {
			return Finding{}, fmt.Errorf("look for references to nothing in %s: %w", t.Name, err)
		}
	}
	return f.finding("none " + x.seen()), nil
}

// danglingDo is the statement that shows the rows; what becomes of them a person has to say.
func danglingDo(c *schema.Column) string {
	mend := "give them a row that is there"
	if c.Nullable {
		mend = fmt.Sprintf("or, with UPDATE, NULL where it is not known; else %s", mend)
	}
	return fmt.Sprintf("they arrive as references to nothing: SELECT * FROM %[1]s WHERE %[2]s <> 0 AND %[2]s NOT IN (SELECT %[3]s FROM %[4]s); %[5]s",
		schema.Quote(c.Table.Name), schema.Quote(c.Name), schema.Quote(c.Ref.ToColumn.Name), schema.Quote(c.Ref.To.Name), mend)
}

// weak looks for uuids that are numbers: other sites count alike.
func weak(ctx context.Context, x *exam) (Finding, error) {
	var found []string
	for _, t := range x.Journal.Replicated() {
		if t.Key != schema.KeyUUID || t.KeyColumns[0].Charset == "" {
			continue
		}
		name := schema.Quote(t.KeyColumns[0].Name)
		query := fmt.Sprintf("SELECT COUNT(*), MIN(a.%[1]s) FROM %[2]s WHERE a.%[1]s REGEXP '^[0-9]{1,19}$'", name, x.some(t, []string{name}))
		err := sqldb.Each(ctx, x.DB, query, func(r []sql.RawBytes) error {
			if n := sqldb.Int(r[0]); n > 0 {
				found = append(found, fmt.Sprintf("%s: %d (such as %s)", t.Name, n, r[1]))
			}
			return nil
		})
		if err != nil {
			return Finding{}, fmt.Errorf("look at the uuids of %s: %w", t.Name, err)
		}
	}
	if len(found) == 0 {
		return Finding{What: "none is a plain number, " + x.seen()}, nil
	}
	return Finding{Level: Warn, What: "uuids that are plain numbers, which another site may have given too: " + strings.Join(found, "; "),
		Do: "if another site has the same for another thing, the two become one: before the first exchange, UPDATE them to UUID() at one site, and take copies of its database after that"}, nil
}

// large reports whether a table has more rows than a comparison of all of them is worth without --deep. The number is the server's estimate.
func (x *exam) large(ctx context.Context, t *schema.Table) (bool, error) {
	if x.Deep {
		return false, nil
	}
	if x.sizes == nil {
		x.sizes = map[string]int64{}
		err := sqldb.Each(ctx, x.DB, "SELECT table_name, IFNULL(table_rows, 0) FROM information_schema.tables WHERE table_schema = DATABASE()", func(r []sql.RawBytes) error {
			x.sizes[strings.ToLower(string(r[0]))] = sqldb.Int(r[1])
			return nil
		})
		if err != nil {
			return false, fmt.Errorf("ask how large the tables are: %w", err)
		}
	}
	if x.sizes[strings.ToLower(t.Name)] <= manyRows {
		return false, nil
	}
	if !slices.Contains(x.skipped, t.Name) {
		x.skipped = append(x.skipped, t.Name)
	}
	return true, nil
}

// notSeen says which tables a check left out.
func (x *exam) notSeen() string {
	if len(x.skipped) == 0 {
		return ""
	}
	out := " (not looked at without --deep: " + strings.Join(x.skipped, ", ") + ")"
	x.skipped = nil
	return out
}
