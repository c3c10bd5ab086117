// Package rowkey finds the keys of local rows: what identifies a row on every node, mostly its uuid. A key that holds a reference
// holds the key of the row referred to in its place, and so on up.
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

// rowsAtOnce is how many rows one statement names.
const rowsAtOnce = 1000

// From returns FROM and what follows of a statement that reads rows, at least one, by their local identity, as t, in any order. reads are columns that
// the statement reads, none of a statement that locks. Rows that came one after the other are named by the first and the last. Other integers stand in a list
// where the statement reads more than they are: of a table that a server takes for small, as it does for a while after many rows came, it reads the whole
// index, whatever hint it has, if the index has all that is asked for. There, and where rows are locked, the integers are joined.
func From(t *schema.Table, rows []journal.Row, reads ...*schema.Column) string {
	if t.Integer == nil {
		return "FROM " + schema.Quote(t.Name) + " t WHERE " + where(t, "t.", rows)
	}
	id, from := "t."+schema.Quote(t.Integer.Name), schema.Quote(t.Name)+" t"+t.ForceIndex([]*schema.Column{t.Integer})
	if first := rows[0].Int; len(rows) > 1 && !slices.ContainsFunc(rows[1:], func(r journal.Row) bool { first++; return r.Int != first }) {
		return fmt.Sprintf("FROM %s WHERE %s BETWEEN %d AND %d", from, id, rows[0].Int, first)
	}
	if slices.ContainsFunc(reads, func(c *schema.Column) bool { return c.Name != t.Integer.Name }) {
		return string(sqldb.AppendIn([]byte("FROM "+from+" WHERE "), id, len(rows), func(i int) int64 { return rows[i].Int }))
	}
	b, _ := sqldb.AppendDerived([]byte("FROM "), []string{"id"}, len(rows), 0, func(b []byte, row, _ int) []byte { return strconv.AppendInt(b, rows[row].Int, 10) })
	return string(b) + " STRAIGHT_JOIN " + from + " ON " + id + " = d.id"
}

// Where returns the condition that picks rows, at least one, by their local identity.
func Where(t *schema.Table, rows []journal.Row) string { return where(t, "", rows) }

func where(t *schema.Table, prefix string, rows []journal.Row) string {
	var b []byte
	if t.Integer != nil {
		b = append(b, prefix+schema.Quote(t.Integer.Name)...)
	} else {
		b = append(b, schema.LocalKeySQL(t, prefix)...)
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

// Of returns the keys of those of the rows that exist. A row whose key column is NULL, or refers to a row that does not exist, has the
// key "": nothing identifies it elsewhere.
func Of(ctx context.Context, q sqldb.DB, t *schema.Table, rows []journal.Row) (map[journal.Row]string, error) {
	return OfBy(ctx, q, t, rows, func(t *schema.Table, rows []journal.Row) (map[journal.Row]string, error) { return Of(ctx, q, t, rows) })
}

// OfBy is [Of] where the keys of rows that others' keys hold are had of another function, which may know them.
func OfBy(ctx context.Context, q sqldb.DB, t *schema.Table, rows []journal.Row, of func(*schema.Table, []journal.Row) (map[journal.Row]string, error)) (map[journal.Row]string, error) {
	found, parts, err := readParts(ctx, q, t, rows)
	if err != nil {
		return nil, err
	}
	for i, c := range t.KeyColumns {
		if c.Ref == nil {
			continue
		}
		var values []string
		for _, p := range parts {
			if p[i] != nil {
				values = append(values, *p[i])
			}
		}
		keys, err := referred(c.Ref, values, of)
		if err != nil {
			return nil, err
		}
		for _, p := range parts {
			if p[i] != nil {
				p[i] = keys[*p[i]]
			}
		}
	}
	out := make(map[journal.Row]string, len(found))
	for i, r := range found {
		out[r] = Join(t, parts[i])
	}
	return out, nil
}

// readParts reads the key columns of those of the rows that exist; nil is NULL.
func readParts(ctx context.Context, q sqldb.DB, t *schema.Table, rows []journal.Row) (found []journal.Row, parts [][]*string, err error) {
	query := "SELECT " + journal.Identity(t, "t.")
	for _, c := range t.KeyColumns {
		query += ", " + c.Select("t.")
	}
	for some := range slices.Chunk(rows, rowsAtOnce) {
		err := sqldb.Each(ctx, q, query+" "+From(t, some, t.KeyColumns...), func(r []sql.RawBytes) error {
			p := make([]*string, len(t.KeyColumns))
			for i := range p {
				if v := r[2+i]; v != nil {
					s := string(v)
					p[i] = &s
				}
			}
			found, parts = append(found, journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])}), append(parts, p)
			return nil
		})
		if err != nil {
			return nil, nil, fmt.Errorf("read keys of %s: %w", t.Name, err)
		}
	}
	return found, parts, nil
}

// Join returns the key that these parts make; "" if one that must be there is nil.
func Join(t *schema.Table, parts []*string) string {
	for _, p := range parts {
		if p == nil && t.Key != schema.KeyAll {
			return ""
		}
	}
	return journal.JoinKey(parts)
}

// Referred returns, for values of a reference's column, the keys of the rows that they refer to; a value that refers to nothing is
// left out.
func Referred(ctx context.Context, q sqldb.DB, ref *schema.Ref, values []string) (map[string]*string, error) {
	return referred(ref, values, func(t *schema.Table, rows []journal.Row) (map[journal.Row]string, error) { return Of(ctx, q, t, rows) })
}

func referred(ref *schema.Ref, values []string, of func(*schema.Table, []journal.Row) (map[journal.Row]string, error)) (map[string]*string, error) {
	out := make(map[string]*string, len(values))
	if ref.ByName() {
		for _, v := range values {
			key := journal.JoinKey([]*string{&v})
			out[v] = &key
		}
		return out, nil
	}
	rows := make(map[string]journal.Row, len(values))
	var look []journal.Row
	for _, v := range values {
		if _, seen := rows[v]; seen {
			continue
		}
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			rows[v] = journal.Row{Int: n}
			look = append(look, rows[v])
		}
	}
	found, err := of(ref.To, look)
	if err != nil {
		return nil, err
	}
	for v, r := range rows {
		if key := found[r]; key != "" {
			out[v] = &key
		}
	}
	return out, nil
}

// ByUUID returns which local rows have these keys, for a table whose key is a uuid: of several the first. The keys in the answer are
// canonical.
func ByUUID(ctx context.Context, q sqldb.DB, t *schema.Table, uuids []string) (map[string]journal.Row, error) {
	out := map[string]journal.Row{}
	err := eachByUUID(ctx, q, t, uuids, func(uuid string, r journal.Row) {
		key := journal.Canonical(t, uuid)
		if before, twice := out[key]; !twice || Compare(r, before) < 0 {
			out[key] = r
		}
	})
	return out, err
}

// eachByUUID hands on all local rows that have these uuids, each with its own as it is here.
func eachByUUID(ctx context.Context, q sqldb.DB, t *schema.Table, uuids []string, f func(uuid string, r journal.Row)) error {
	c := t.KeyColumns[0]
	query := "SELECT " + journal.Identity(t, "") + ", " + schema.Quote(c.Name) + " FROM " + schema.Quote(t.Name) + " WHERE " + schema.Quote(c.Name) + " IN ("
	var forms []string
	for _, u := range uuids {
		forms = append(forms, c.Spellings(u)...)
	}
	for some := range slices.Chunk(forms, rowsAtOnce) {
		b := []byte(query)
		for i, u := range some {
			if i > 0 {
				b = append(b, ',')
			}
			b = c.AppendLiteral(b, []byte(u))
		}
		err := sqldb.Each(ctx, q, string(append(b, ')')), func(r []sql.RawBytes) error {
			f(string(r[2]), journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])})
			return nil
		})
		if err != nil {
			return fmt.Errorf("look for rows of %s: %w", t.Name, err)
		}
	}
	return nil
}

// Portable returns a value of this database as conflict records have it, so that it means the same everywhere: of a reference to a row
// whose key is one value, that key. Conditional references, and those to rows whose keys have several parts, stay as they are.
func Portable(ctx context.Context, q sqldb.DB, c *schema.Column, value *string) (*string, error) {
	if value == nil || c.Ref == nil || c.Ref.When != nil || c.Ref.ByName() {
		return value, nil
	}
	root := c.Ref.To.Root
	if root.Integer == nil || len(root.KeyColumns) != 1 || root.KeyColumns[0].Ref != nil {
		return value, nil
	}
	query := fmt.Sprintf("SELECT %s FROM %s WHERE %s = %d", schema.Quote(root.KeyColumns[0].Name), schema.Quote(root.Name), schema.Quote(root.Integer.Name), sqldb.Int([]byte(*value)))
	err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		s := journal.Canonical(root, string(r[0]))
		value = &s
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read keys of %s: %w", root.Name, err)
	}
	return value, nil
}
