package clinic

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/schema"
)

// choose finds the accounts that are taken, and all accounts and people to whom rows that are taken refer: as they will be here after
// the first exchange, so that nothing differs then.
func (w *writer) choose(ctx context.Context) error {
	w.taken = map[*schema.Table]map[int64]bool{}
	accounts := w.table(w.wants.Account)
	if accounts == nil || accounts.Integer == nil {
		return fmt.Errorf("the profile names %q as the table of accounts, and there is no such table with a number for each row", w.wants.Account)
	}
	for _, name := range append([]string{w.wants.Account}, w.wants.People...) {
		if t := w.table(name); t != nil && t.Integer != nil {
			w.taken[t] = map[int64]bool{}
		}
	}
	for _, t := range w.Catalogue.Tables {
		if c := w.with(t); c != nil && w.taken[c.Ref.To] == nil && c.Ref.To.Integer != nil {
			w.taken[c.Ref.To] = map[int64]bool{} // filled when its rows are written
		}
	}
	if err := w.findAccounts(ctx, accounts); err != nil {
		return err
	}
	for before := -1; before != w.size(); {
		before = w.size()
		for _, t := range w.Catalogue.Tables {
			if err := w.follow(ctx, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// table returns the table of a name in the profile, or nil.
func (w *writer) table(name string) *schema.Table { return w.Catalogue.Named(name) }

func (w *writer) size() (n int) {
	for _, ids := range w.taken {
		n += len(ids)
	}
	return n
}

// findAccounts finds the one who is to log in, and the others that the application needs, as far as they are there.
func (w *writer) findAccounts(ctx context.Context, t *schema.Table) error {
	first := w.First
	if first == "" {
		first = w.wants.First
	}
	for i, name := range append([]string{first}, w.wants.Also...) {
		var ids []int64
		retired := false
		err := w.each(ctx, w.accountQuery(t, name), func(r []sql.RawBytes) error {
			ids, retired = append(ids, sqldb.Int(r[0])), sqldb.Int(r[1]) != 0
			return nil
		})
		switch {
		case err != nil:
			return err
		case i > 0: // the application may have none of that name
		case len(ids) == 0:
			return failure.Hinted(fmt.Errorf("nobody in %s logs in as %q", t.Name, first), "say with --admin who is the administrator")
		case len(ids) > 1:
			return failure.Hinted(fmt.Errorf("%d rows of %s log in as %q", len(ids), t.Name, first), "omsync doctor names them; give the others other names")
		case retired:
			return failure.Hinted(fmt.Errorf("%q in %s is retired: nobody could log in", first, t.Name), "say with --admin who is the administrator")
		default:
			w.first = ids[0]
		}
		for _, id := range ids {
			w.taken[t][id] = true
		}
	}
	return nil
}

// accountQuery asks for the rows that log in by a name, and whether each is retired.
func (w *writer) accountQuery(t *schema.Table, name string) string {
	retired, where := "0", []string{}
	if c := t.Column(w.wants.Retired); c != nil {
		retired = schema.Quote(c.Name)
	}
	for _, column := range w.wants.Names {
		if c := t.Column(column); c != nil {
			where = append(where, schema.Quote(c.Name)+" = "+string(sqldb.AppendString(nil, []byte(name))))
		}
	}
	if len(where) == 0 {
		where = []string{"0"}
	}
	return fmt.Sprintf("SELECT %s, %s FROM %s WHERE %s", schema.Quote(t.Integer.Name), retired, schema.Quote(t.Name), strings.Join(where, " OR "))
}

// follow takes the accounts and people to whom rows of t refer that are taken, of tables that are exchanged. In the others a reference
// may be another than the hub's.
func (w *writer) follow(ctx context.Context, t *schema.Table) error {
	where, ok := w.where(t)
	if !ok || !t.Replicated {
		return nil
	}
	for _, c := range t.Columns {
		if c.Ref == nil || c.Ref.When != nil || !w.isAccountOrPerson(c.Ref.To) || c.Ref.ByName() {
			continue
		}
		to, column := w.taken[c.Ref.To], schema.Quote(c.Name)
		err := w.each(ctx, fmt.Sprintf("SELECT DISTINCT %[1]s FROM %[2]s WHERE %[1]s IS NOT NULL AND (%[3]s)", column, schema.Quote(t.Name), where), func(r []sql.RawBytes) error {
			to[sqldb.Int(r[0])] = true
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// where returns the condition under which rows of a table may be taken. Not ok: none is.
func (w *writer) where(t *schema.Table) (condition string, ok bool) {
	if w.isAccountOrPerson(t) {
		return in(schema.Quote(t.Integer.Name), w.taken[t]), true
	}
	if c := w.with(t); c != nil {
		return in(schema.Quote(c.Name), w.taken[c.Ref.To]), true
	}
	return "1", w.wants.Whole(t.Name) || w.only(t) != nil
}

// with returns the column by which rows of a table belong to rows that are taken, or nil.
func (w *writer) with(t *schema.Table) *schema.Column {
	for table, name := range w.wants.With {
		if c := t.Column(name); strings.EqualFold(table, t.Name) && c != nil && c.Ref != nil && c.Ref.To != nil {
			return c
		}
	}
	return nil
}

func (w *writer) isAccountOrPerson(t *schema.Table) bool {
	return t.Integer != nil && slices.ContainsFunc(append([]string{w.wants.Account}, w.wants.People...), func(name string) bool { return strings.EqualFold(name, t.Name) })
}

// only returns what the profile says of some rows of a table, or nil.
func (w *writer) only(t *schema.Table) *schema.NewClinicRows {
	for table, r := range w.wants.Only {
		if strings.EqualFold(table, t.Name) && t.Column(r.Column) != nil {
			return &r
		}
	}
	return nil
}

// in returns the condition that a column has one of the values.
func in(column string, ids map[int64]bool) string {
	if len(ids) == 0 {
		return "0"
	}
	var list []string
	for id := range ids {
		list = append(list, fmt.Sprint(id))
	}
	slices.Sort(list)
	return column + " IN (" + strings.Join(list, ",") + ")"
}
