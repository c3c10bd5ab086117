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
	"github.com/omsync/omsync/node/clinic/rules"
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

// taker writes the rows of one table.
type taker struct {
	*writer
	rules     *rules.Rules
	t         *schema.Table
	columns   []*schema.Column
	statement []byte // under way
	left      int64
}

// tableRows writes the rows of a table that are taken.
func (w *writer) tableRows(ctx context.Context, t *schema.Table) error {
	where, ok := w.where(t)
	if !ok {
		return nil
	}
	k := &taker{writer: w, t: t, rules: w.tableRules(t)}
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

// tableRules returns the rules for the rows of a table.
func (w *writer) tableRules(t *schema.Table) *rules.Rules {
	r := &rules.Rules{Wants: w.wants, Table: t.Name, Only: w.only(t), Filter: w.Profile.RowFilter(t.Name), Secret: w.Profile.Secret(t.Name), First: w.first,
		Taken: func(t *schema.Table, id int64) bool { return w.taken[t][id] }}
	for table, set := range w.wants.Set {
		if strings.EqualFold(table, t.Name) {
			r.Set = set
		}
	}
	if strings.EqualFold(t.Name, w.wants.Account) {
		r.Password, r.Salt = hash(w.Password)
	}
	return r
}

// row writes a row, if it is taken.
func (k *taker) row(r []sql.RawBytes) error {
	value := func(c *schema.Column) []byte { return r[slices.Index(k.columns, c)] }
	if !k.rules.Takes(k.columns, value) {
		k.left++
		return nil
	}
	var id int64
	if k.t.Integer != nil {
		id = sqldb.Int(value(k.t.Integer))
		if ids := k.taken[k.t]; ids != nil {
			ids[id] = true
		}
	}
	k.open()
	for i, c := range k.columns {
		if i > 0 {
			k.statement = append(k.statement, ", "...)
		}
		v, err := k.rules.Value(c, r[i], id)
		var lacks *rules.NotTaken
		if errors.As(err, &lacks) {
			return failure.Hinted(err, "name %s under rows in the section [new_clinic] of a profile file", lacks.To)
		}
		k.statement = c.AppendLiteral(k.statement, v)
	}
	k.statement = append(k.statement, ')')
	k.written.Rows++
	if len(k.statement) > maxStatement {
		k.flush()
	}
	return nil
}

// open begins a row in the statement, and the statement if there is none.
func (k *taker) open() {
	if len(k.statement) > 0 {
		k.statement = append(k.statement, ",\n("...)
		return
	}
	var names []string
	for _, c := range k.columns {
		names = append(names, schema.Quote(c.Name))
	}
	k.statement = fmt.Appendf(k.statement, "\nINSERT INTO %s (%s) VALUES\n(", schema.Quote(k.t.Name), strings.Join(names, ", "))
}

// flush writes the statement that is under way.
func (k *taker) flush() {
	if len(k.statement) > 0 {
		k.out.Write(append(k.statement, ";\n"...))
		k.statement = k.statement[:0]
	}
}
