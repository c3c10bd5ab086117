package rowkey

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// Nameless is the rows of a table that nothing names elsewhere.
type Nameless struct {
	Empty    []journal.Row // a column of their key is NULL
	Repeated []journal.Row // their key is that of a row before them, by local identity
}

// FindNameless returns which rows of a table nothing names elsewhere. Where the columns of the key cannot be NULL, and a unique index
// allows each key once, it asks nothing. A key that refers to a row which is not there is not looked for.
func FindNameless(ctx context.Context, q sqldb.DB, t *schema.Table) (n Nameless, err error) {
	if t.Key == schema.KeyNone || t.Key == schema.KeyAll {
		return n, nil
	}
	var empty []string
	for _, c := range t.KeyColumns {
		if c.Nullable {
			empty = append(empty, schema.Quote(c.Name)+" IS NULL")
		}
	}
	if len(empty) > 0 {
		query := fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY 1, 2", journal.Identity(t, ""), schema.Quote(t.Name), strings.Join(empty, " OR "))
		if n.Empty, err = readRows(ctx, q, t, query); err != nil {
			return n, err
		}
	}
	if t.Key == schema.KeyParent || t.KeyOnce() {
		return n, nil
	}
	var rows []named
	if !t.KeyUnique {
		rows, err = findRepeated(ctx, q, t)
	}
	if err == nil && t.Key == schema.KeyUUID && t.KeyColumns[0].TellsCase() {
		rows, err = addSpellings(ctx, q, t, rows)
	}
	n.Repeated = repeated(rows)
	return n, err
}

// named is a row with its key, in one form for all rows whose keys are one elsewhere.
type named struct {
	journal.Row
	key string
}

// newNamed is a row with its key, as it was read.
func newNamed(t *schema.Table, r journal.Row, key string) named {
	key = journal.Canonical(t, key)
	if t.Key == schema.KeyUUID && t.KeyColumns[0].Charset != "" {
		key = strings.TrimRight(key, " ") // where texts are looked for, a blank at their end does not count
	}
	return named{r, key}
}

// addSpellings adds the rows whose uuids differ from those of others in nothing but small letters and capitals, where the column tells
// these apart: all with capitals, and those that are the same in small letters. It reads an index, without a lock.
func addSpellings(ctx context.Context, q sqldb.DB, t *schema.Table, rows []named) ([]named, error) {
	c := t.KeyColumns[0]
	column := schema.Quote(c.Name)
	look := map[string]bool{}
	for _, r := range rows {
		look[r.key] = true
	}
	query := fmt.Sprintf("SELECT %s, %s FROM %s WHERE %[2]s <> LOWER(%[2]s)", journal.Identity(t, ""), column, schema.Quote(t.Name))
	err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		n := newNamed(t, journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])}, string(r[2]))
		rows, look[n.key] = append(rows, n), true
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for rows of %s with one key: %w", t.Name, err)
	}
	err = eachByUUID(ctx, q, t, slices.Sorted(maps.Keys(look)), func(uuid string, r journal.Row) { rows = append(rows, newNamed(t, r, uuid)) })
	return rows, err
}

// repeated returns those of the rows whose key a row before them has.
func repeated(rows []named) (out []journal.Row) {
	// A server that does not tell small letters from capitals orders local keys its own way.
	slices.SortFunc(rows, func(a, b named) int { return Compare(a.Row, b.Row) })
	rows = slices.Compact(rows)
	seen := map[string]bool{}
	for _, r := range rows {
		if seen[r.key] {
			out = append(out, r.Row)
		}
		seen[r.key] = true
	}
	return out
}

// findRepeated returns the rows whose key others have too, as the database compares keys: with that of one of them.
func findRepeated(ctx context.Context, q sqldb.DB, t *schema.Table) (rows []named, err error) {
	var columns, same, read []string // the table's own names: those of a query might be columns too
	for _, c := range t.KeyColumns {
		name := schema.Quote(c.Name)
		columns, same, read = append(columns, "s."+name), append(same, "t."+name+" = d."+name), append(read, c.Select("d."))
	}
	query := fmt.Sprintf("SELECT %s, %s FROM (SELECT %s FROM %s s GROUP BY %[3]s HAVING COUNT(*) > 1) d STRAIGHT_JOIN %[4]s t ON %[5]s ORDER BY 1, 2",
		journal.Identity(t, "t."), strings.Join(read, ", "), strings.Join(columns, ", "), schema.Quote(t.Name), strings.Join(same, " AND "))
	err = sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		parts := make([]*string, len(t.KeyColumns))
		for i := range parts {
			if r[2+i] == nil {
				return nil
			}
			s := string(r[2+i])
			parts[i] = &s
		}
		rows = append(rows, newNamed(t, journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])}, journal.JoinKey(parts)))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for rows of %s with one key: %w", t.Name, err)
	}
	return rows, nil
}

// Compare orders rows of a table by their local identity: of rows with one key the first counts.
func Compare(a, b journal.Row) int {
	switch {
	case a.Int < b.Int:
		return -1
	case a.Int > b.Int:
		return 1
	}
	return strings.Compare(a.Key, b.Key)
}

func readRows(ctx context.Context, q sqldb.DB, t *schema.Table, query string) (out []journal.Row, err error) {
	err = sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		out = append(out, journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for rows of %s without a key: %w", t.Name, err)
	}
	return out, nil
}

// maxNamed is how many bytes a message has of what one row is known by.
const maxNamed = 120

// Named returns what to call rows in a message: how many there are, and the first three by what this database knows them by.
func Named(t *schema.Table, rows []journal.Row) string {
	var some []string
	for _, r := range rows[:min(3, len(rows))] {
		if t.Integer != nil {
			some = append(some, fmt.Sprint(r.Int))
			continue
		}
		values, err := schema.ParseLocalKey(t, r.Key)
		if err != nil {
			continue
		}
		some = append(some, journal.Cut(fmt.Sprintf("%q", values), maxNamed))
	}
	by := "the primary key"
	if t.Integer != nil {
		by = t.Integer.Name
	}
	more := ""
	if len(rows) > len(some) {
		more = ", …"
	}
	what := "rows"
	if len(rows) == 1 {
		what = "row"
	}
	return fmt.Sprintf("%d %s (%s %s%s)", len(rows), what, by, strings.Join(some, ", "), more)
}
