package rowkey

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

// Find returns which local rows have these keys, canonical: of several rows with one key the first. It is the way back from [Of]. It takes a
// bounded number of statements for 1,000 keys, and a row that another is named by is looked for in the same way.
func Find(ctx context.Context, q sqldb.DB, t *schema.Table, keys []string) (map[string]journal.Row, error) {
	switch {
	case len(keys) == 0 || t.Key == schema.KeyNone:
		return nil, nil
	case t.Key == schema.KeyUUID:
		return ByUUID(ctx, q, t, keys)
	}
	parts, err := held(ctx, q, t, keys)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(t.KeyColumns))
	for i, c := range t.KeyColumns {
		names[i] = schema.Quote(c.Name)
	}
	out := make(map[string]journal.Row, len(parts))
	for some := range slices.Chunk(parts, rowsAtOnce) {
		b := []byte("SELECT " + journal.Identity(t, "") + " FROM " + schema.Quote(t.Name) + " WHERE ")
		for i, p := range some {
			if i > 0 {
				b = append(b, " OR "...)
			}
			for k, c := range t.KeyColumns {
				if k > 0 {
					b = append(b, " AND "...)
				}
				b = c.AppendLiteral(append(append(b, names[k]...), " <=> "...), p[k])
			}
		}
		rows, err := readRows(ctx, q, t, string(b))
		if err != nil {
			return nil, err
		}
		found, err := Of(ctx, q, t, rows)
		if err != nil {
			return nil, err
		}
		for r, key := range found {
			key = journal.Canonical(t, key)
			if before, twice := out[key]; key != "" && (!twice || Compare(r, before) < 0) {
				out[key] = r
			}
		}
	}
	for key := range out {
		if !slices.Contains(keys, key) {
			delete(out, key)
		}
	}
	return out, nil
}

// held returns what the key columns of a table hold here of rows with these keys; what cannot be here is left out.
func held(ctx context.Context, q sqldb.DB, t *schema.Table, keys []string) (out [][][]byte, err error) {
	split := make([][]*string, 0, len(keys))
	for _, k := range keys {
		if t.Root != t {
			split = append(split, []*string{&k})
		} else if parts, ok := journal.SplitKey(k, len(t.KeyColumns)); ok {
			split = append(split, parts)
		}
	}
	rows := make([]map[string]journal.Row, len(t.KeyColumns))
	for i, c := range t.KeyColumns {
		if c.Ref == nil || c.Ref.ByName() {
			continue
		}
		var wanted []string
		seen := map[string]bool{}
		for _, p := range split {
			if p[i] != nil && !seen[*p[i]] {
				seen[*p[i]] = true
				wanted = append(wanted, *p[i])
			}
		}
		if rows[i], err = Find(ctx, q, c.Ref.To, wanted); err != nil {
			return nil, err
		}
	}
	for _, p := range split {
		values := make([][]byte, len(p))
		here := true
		for i, c := range t.KeyColumns {
			switch {
			case p[i] == nil:
			case c.Ref == nil || c.Ref.ByName():
				values[i] = []byte(*p[i])
			default:
				r, ok := rows[i][*p[i]]
				here = here && ok
				values[i] = strconv.AppendInt(nil, r.Int, 10)
			}
		}
		if here {
			out = append(out, values)
		}
	}
	return out, nil
}

// Referring returns the rows of a table that a column's values name, by these values as text: the values of another table's reference.
func Referring(ctx context.Context, q sqldb.DB, to *schema.Column, values []string) (map[string]journal.Row, error) {
	t := to.Table
	out := make(map[string]journal.Row, len(values))
	if to == t.Integer {
		for _, v := range values {
			if n, err := strconv.ParseInt(v, 10, 64); err == nil {
				out[v] = journal.Row{Int: n}
			}
		}
		return out, nil
	}
	for some := range slices.Chunk(values, rowsAtOnce) {
		b := []byte("SELECT " + journal.Identity(t, "") + ", " + to.Select("") + " FROM " + schema.Quote(t.Name) + " WHERE " + schema.Quote(to.Name) + " IN (")
		for i, v := range some {
			if i > 0 {
				b = append(b, ',')
			}
			b = to.AppendLiteral(b, []byte(v))
		}
		err := sqldb.Each(ctx, q, string(append(b, ')')), func(r []sql.RawBytes) error {
			out[string(r[2])] = journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("look for rows of %s: %w", t.Name, err)
		}
	}
	return out, nil
}
