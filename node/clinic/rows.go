package clinic

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/schema"
)

// maxStatement is about how many bytes a statement with rows has, far below what any server takes.
const maxStatement = 256 << 10

// rows writes the rows that are taken: last those that belong to others of them.
func (w *writer) rows(ctx context.Context) error {
	for _, last := range []bool{false, true} {
		for _, t := range w.Catalogue.Tables {
			if (w.with(t) != nil) == last {
				if err := w.tableRows(ctx, t); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// taker decides about the rows of one table and writes them.
type taker struct {
	*writer
	t       *schema.Table
	columns []*schema.Column
	only    *schema.NewClinicRows
	filter  *schema.RowFilter
	set     map[string]string
	secret  *schema.SecretColumns

	hashed, salt string
	statement    []byte // under way
	left         int64
}

// tableRows writes the rows of a table that are taken.
func (w *writer) tableRows(ctx context.Context, t *schema.Table) error {
	where, ok := w.where(t)
	if !ok {
		return nil
	}
	k := &taker{writer: w, t: t, only: w.only(t), filter: w.Profile.RowFilter(t.Name), secret: w.Profile.Secret(t.Name)}
	for table, set := range w.wants.Set {
		if strings.EqualFold(table, t.Name) {
			k.set = set
		}
	}
	if strings.EqualFold(t.Name, w.wants.Account) {
		k.hashed, k.salt = hash(w.Password)
	}
	var list []string
	for _, c := range t.Columns {
		if !c.Generated {
			k.columns, list = append(k.columns, c), append(list, c.Select(""))
		}
	}
	if err := w.each(ctx, "SELECT "+strings.Join(list, ", ")+" FROM "+schema.Quote(t.Name)+" WHERE "+where, k.row); err != nil {
		return err
	}
	k.flush()
	if k.left > 0 {
		w.written.Left = append(w.written.Left, Left{t.Name, k.left})
	}
	return nil
}

// row writes a row, if it is taken.
func (k *taker) row(r []sql.RawBytes) error {
	if !k.takes(r) {
		k.left++
		return nil
	}
	var id int64
	if k.t.Integer != nil {
		id = sqldb.Int(k.value(r, k.t.Integer))
		if ids := k.taken[k.t]; ids != nil {
			ids[id] = true
		}
	}
	if len(k.statement) == 0 {
		var names []string
		for _, c := range k.columns {
			names = append(names, schema.Quote(c.Name))
		}
		k.statement = fmt.Appendf(k.statement, "\nINSERT INTO %s (%s) VALUES", schema.Quote(k.t.Name), strings.Join(names, ", "))
	} else {
		k.statement = append(k.statement, ',')
	}
	k.statement = append(k.statement, "\n("...)
	for i, c := range k.columns {
		if i > 0 {
			k.statement = append(k.statement, ", "...)
		}
		v, err := k.valueThere(c, r[i], id)
		if err != nil {
			return err
		}
		k.statement = c.AppendLiteral(k.statement, v)
	}
	k.statement = append(k.statement, ')')
	k.writer.written.Rows++
	if len(k.statement) > maxStatement {
		k.flush()
	}
	return nil
}

// flush writes the statement that is under way.
func (k *taker) flush() {
	if len(k.statement) > 0 {
		k.out.Write(append(k.statement, ";\n"...))
		k.statement = k.statement[:0]
	}
}

// value returns the row's value of a column.
func (k *taker) value(r []sql.RawBytes, c *schema.Column) []byte {
	return r[slices.Index(k.columns, c)]
}

// takes reports whether a row is taken: not those that hold the number of a row of which nobody knows whether it will have that number.
func (k *taker) takes(r []sql.RawBytes) bool {
	if k.only != nil && !k.only.Takes(string(k.value(r, k.t.Column(k.only.Column))), k.filter) {
		return false
	}
	for i, c := range k.columns {
		if c.Ref == nil || c.Ref.When == nil || len(r[i]) == 0 || strings.Trim(string(r[i]), "0123456789") != "" {
			continue
		}
		if w := c.Ref.When; w.Via != nil || w.Target(string(k.value(r, w.LookupColumn))) != nil {
			return false
		}
	}
	return true
}

// valueThere returns the value that a row has at the new site: without secrets, and without a reference to a row that is not taken.
func (k *taker) valueThere(c *schema.Column, v []byte, id int64) ([]byte, error) {
	for name, value := range k.set {
		if strings.EqualFold(name, c.Name) {
			if value == "" && c.Nullable {
				return nil, nil
			}
			return []byte(value), nil
		}
	}
	if strings.EqualFold(k.t.Name, k.wants.Account) && id == k.first {
		switch {
		case strings.EqualFold(c.Name, k.wants.Password):
			return []byte(k.hashed), nil
		case strings.EqualFold(c.Name, k.wants.Salt):
			return []byte(k.salt), nil
		}
	}
	if k.secret != nil && slices.ContainsFunc(k.secret.Columns, func(s string) bool { return strings.EqualFold(s, c.Name) }) {
		if c.Nullable {
			return nil, nil
		}
		return []byte{}, nil
	}
	return k.reference(c, v)
}

// reference returns the value of a column that may refer to a row. Where that row is not taken, it is NULL, or the one who can log in.
func (k *taker) reference(c *schema.Column, v []byte) ([]byte, error) {
	if v == nil || c.Ref == nil || c.Ref.When != nil || k.wants.Whole(c.Ref.To.Name) || !c.Ref.ByName() && k.taken[c.Ref.To][sqldb.Int(v)] {
		return v, nil
	}
	switch {
	case c.Nullable:
		return nil, nil
	case strings.EqualFold(c.Ref.To.Name, k.wants.Account) && !c.Ref.ByName():
		return fmt.Append(nil, k.first), nil
	}
	return nil, &failure.Failure{Err: errors.New("a row of " + k.t.Name + " that a new clinic needs refers by " + c.Name + " to " + c.Ref.To.Name + ", of which it gets no rows"),
		Hint: "name " + c.Ref.To.Name + " under rows in the section [new_clinic] of a profile file"}
}
