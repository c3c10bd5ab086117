package rowkey

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// Where picks rows by their local identity.
func Where(t *schema.Table, rows []journal.Row) string {
	var b []byte
	if t.Integer != nil {
		b = append(b, schema.Quote(t.Integer.Name)...)
	} else {
		b = append(b, schema.LocalKeySQL(t, "")...)
	}
	b = append(b, " IN ("...)
	for i, r := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		if t.Integer != nil {
			b = strconv.AppendInt(b, r.Int, 10)
		} else {
			b = sqldb.Binary(b, r.Key)
		}
	}
	return string(append(b, ')'))
}

// Of answers the keys of the rows that exist. A row whose key column is NULL, or refers to a row that does not exist,
// has the key "": nothing identifies it elsewhere.
func Of(ctx context.Context, q sqldb.DB, t *schema.Table, rows []journal.Row) (map[journal.Row]string, error) {
	out := make(map[journal.Row]string, len(rows))
	type found struct {
		row   journal.Row
		parts []*string
	}
	var all []found
	for start := 0; start < len(rows); start += 1000 {
		part := rows[start:min(start+1000, len(rows))]
		query := "SELECT " + journal.Identity(t, "")
		for _, c := range t.KeyColumns {
			query += ", " + c.Select("")
		}
		query += " FROM " + schema.Quote(t.Name) + " WHERE " + Where(t, part)
		err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
			f := found{journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])}, make([]*string, len(t.KeyColumns))}
			for i := range t.KeyColumns {
				if v := r[2+i]; v != nil {
					s := string(v)
					f.parts[i] = &s
				}
			}
			all = append(all, f)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read keys of %s: %w", t.Name, err)
		}
	}
	for i, c := range t.KeyColumns {
		if c.Ref == nil {
			continue
		}
		var values []string
		for _, f := range all {
			if f.parts[i] != nil {
				values = append(values, *f.parts[i])
			}
		}
		to, err := Referred(ctx, q, c.Ref, values)
		if err != nil {
			return nil, err
		}
		for _, f := range all {
			if f.parts[i] != nil {
				f.parts[i] = to[*f.parts[i]]
			}
		}
	}
	for _, f := range all {
		out[f.row] = Join(t, f.parts)
	}
	return out, nil
}

// Join joins the parts of a key; "" if one that must be there is missing.
func Join(t *schema.Table, parts []*string) string {
	for _, p := range parts {
		if p == nil && t.Key != schema.KeyAll {
			return ""
		}
	}
	return journal.JoinKey(parts)
}

// IsName says whether a reference holds the name that is its row's key itself, not an integer.
func IsName(ref *schema.Ref) bool { return ref.To.Integer == nil || ref.ToColumn != ref.To.Integer }

// Referred answers, for values of a reference's column, the keys of the rows that they refer to; nil for nowhere.
func Referred(ctx context.Context, q sqldb.DB, ref *schema.Ref, values []string) (map[string]*string, error) {
	out := make(map[string]*string, len(values))
	if IsName(ref) {
		for _, v := range values {
			out[v] = &v
		}
		return out, nil
	}
	var rows []journal.Row
	seen := make(map[string]bool, len(values))
	for _, v := range values {
		if n, err := strconv.ParseInt(v, 10, 64); err == nil && !seen[v] {
			seen[v] = true
			rows = append(rows, journal.Row{Int: n})
		}
	}
	found, err := Of(ctx, q, ref.To, rows)
	if err != nil {
		return nil, err
	}
	for v := range seen {
		n, _ := strconv.ParseInt(v, 10, 64)
		if key := found[journal.Row{Int: n}]; key != "" {
			out[v] = &key
		}
	}
	return out, nil
}

// ByUUID answers which local rows of a table have these keys; only for tables whose key is a uuid.
func ByUUID(ctx context.Context, q sqldb.DB, t *schema.Table, uuids []string) (map[string]journal.Row, error) {
	out := map[string]journal.Row{}
	for start := 0; start < len(uuids); start += 1000 {
		part := uuids[start:min(start+1000, len(uuids))]
		c := t.KeyColumns[0]
		b := []byte("SELECT " + journal.Identity(t, "") + ", " + schema.Quote(c.Name) + " FROM " + schema.Quote(t.Name) + " WHERE " + schema.Quote(c.Name) + " IN (")
		for i, u := range part {
			if i > 0 {
				b = append(b, ',')
			}
			b = c.AppendLiteral(b, []byte(u))
		}
		err := sqldb.Each(ctx, q, string(append(b, ')')), func(r []sql.RawBytes) error {
			out[journal.Canonical(t, string(r[2]))] = journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("look for rows of %s: %w", t.Name, err)
		}
	}
	return out, nil
}
