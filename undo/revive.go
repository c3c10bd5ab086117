package undo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/undo/rules"
)

// revived is a row that the peer deleted.
type revived struct {
	t       *table
	key     string
	content journal.Content
	at      journal.Row
	done    bool
}

// findDeleted finds the rows that the peer deleted and that are still so.
func (u *undoing) findDeleted(ctx context.Context) error {
	byID := map[uint16]*table{}
	for _, t := range u.tables {
		byID[t.journal.ID] = t
	}
	last, bytes := map[name]journal.Deleted{}, 0
	err := journal.DeletedBy(ctx, u.q, u.since.Peer, u.since.First, math.MaxInt64, u.j.Authors, func(tbl uint16, d journal.Deleted) error {
		t := byID[tbl]
		if t == nil {
			return nil
		}
		for _, v := range d.Content {
			if v.Text != nil {
				bytes += len(*v.Text)
			}
		}
		if last[name{t.Name, d.Key}] = d; len(last) > maxRows || bytes > maxBytes {
			return errors.New("so much was deleted since then that it cannot be held at once: choose a later time")
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, t := range u.tables {
		var keys []string
		for n := range last {
			if n.table == t.Name {
				keys = append(keys, n.key)
			}
		}
		slices.Sort(keys)
		dead, err := journal.Tombstones(ctx, u.q, t.journal.ID, keys, u.j.Authors)
		if err != nil {
			return err
		}
		for _, key := range keys {
			d := last[name{t.Name, key}]
			if dead[key].Stamp != d.Stamp { // it is back, or somebody else has deleted it since
				continue
			}
			t.deleted = append(t.deleted, &revived{t: t, key: key, content: d.Content})
		}
	}
	return nil
}

// insertDeleted inserts the rows again that can be whole.
func (u *undoing) insertDeleted(ctx context.Context) error {
	todo, err := u.whole(ctx)
	if err != nil {
		return err
	}
	set := map[name]*revived{}
	for _, r := range todo {
		set[name{r.t.Name, r.key}] = r
	}
	before := len(u.refused)
	for _, r := range todo {
		err := u.insert(ctx, r, set)
		if reason := u.notTaken(err); reason != "" {
			u.refused[name{r.t.Name, r.key}] = reason
		} else if err != nil {
			return err
		}
	}
	if len(u.refused) > before {
		return errRefused
	}
	return u.fill(ctx, todo)
}

// whole returns the rows that can be inserted again, referred tables before referring ones, and notes the others.
func (u *undoing) whole(ctx context.Context) (todo []*revived, err error) {
	var all []*revived
	place, why := map[name]int{}, map[int]string{}
	for _, t := range u.tables {
		for _, r := range t.deleted {
			if reason, ok := u.refused[name{t.Name, r.key}]; ok {
				t.note(&t.report.Missing, r.key, "is not inserted again: "+reason)
				continue
			}
			if _, here, err := u.find.row(ctx, t.Table, r.key); here || err != nil {
				if err != nil {
					return nil, err
				}
				continue
			}
			place[name{t.Name, r.key}] = len(all)
			all = append(all, r)
		}
	}
	var needs [][2]int
	for i, r := range all {
		for _, column := range slices.Sorted(maps.Keys(r.content)) {
			v := r.content[column]
			to := u.j.Catalogue.Table(v.Table)
			if v.Text == nil || to == nil {
				continue
			}
			if k, ok := place[name{to.Name, *v.Text}]; ok {
				needs = append(needs, [2]int{k, i})
			} else if _, here, err := u.find.row(ctx, to, *v.Text); err != nil {
				return nil, err
			} else if !here {
				needs = append(needs, [2]int{-1, i})
				why[i] = fmt.Sprintf("its %s refers to a row of %s that is not here (%s)", column, to.Name, journal.PrintableKey(to, *v.Text))
			}
		}
	}
	for i, not := range rules.NotWhole(len(all), needs) {
		if r := all[i]; !not {
			todo = append(todo, r)
		} else if reason := why[i]; reason != "" {
			r.t.note(&r.t.report.Missing, r.key, "is not inserted again: "+reason)
		} else {
			r.t.note(&r.t.report.Missing, r.key, "is not inserted again: it refers to a row that is not either")
		}
	}
	return todo, nil
}

// insert inserts a row. A reference to one that comes later is filled in afterwards.
func (u *undoing) insert(ctx context.Context, r *revived, set map[name]*revived) error {
	t := r.t.Table
	var columns, values []byte
	put := func(c *schema.Column, v []byte) {
		if columns != nil {
			columns, values = append(columns, ','), append(values, ',')
		}
		columns, values = append(columns, schema.Quote(c.Name)...), c.AppendLiteral(values, v)
	}
	integer := int64(0)
	for _, column := range slices.Sorted(maps.Keys(r.content)) {
		c := t.Column(column)
		if c == nil || c.Generated || c == t.Integer && c.Ref == nil {
			continue
		}
		v, err := u.local(ctx, c, r.content[column], set)
		if err != nil {
			return err
		}
		if c == t.Integer {
			integer = sqldb.Int(v)
		}
		put(c, v)
	}
	if t.Integer != nil && t.Integer.Ref == nil && t.Integer != t.AutoIncrement { // the server gives none
		if err := u.each(ctx, "SELECT COALESCE(MAX("+schema.Quote(t.Integer.Name)+"), 0) + 1 FROM "+schema.Quote(t.Name), func(v []sql.RawBytes) { integer = sqldb.Int(v[0]) }); err != nil {
			return err
		}
		put(t.Integer, strconv.AppendInt(nil, integer, 10))
	}
	res, err := u.q.ExecContext(ctx, fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", schema.Quote(t.Name), columns, values))
	if err != nil {
		return err
	}
	if integer == 0 && t.Integer != nil {
		if integer, err = res.LastInsertId(); err != nil {
			return err
		}
	}
	if r.done = true; t.Integer != nil {
		r.at = journal.Row{Int: integer}
		u.find.add(t, r.key, r.at)
	}
	r.t.note(&r.t.report.Inserted, r.key, "is inserted again")
	return nil
}

// local is a value as it is here. A row that it refers to and that is to be inserted later leaves NULL, or 0 where there is no NULL.
func (u *undoing) local(ctx context.Context, c *schema.Column, v journal.Value, set map[name]*revived) ([]byte, error) {
	if v.Text == nil {
		return nil, nil
	}
	to := u.j.Catalogue.Table(v.Table)
	if c.Ref == nil || to == nil {
		return []byte(*v.Text), nil
	}
	if later := set[name{to.Name, *v.Text}]; later != nil && !later.done && !c.Ref.ByName() {
		if c.Nullable {
			return nil, nil
		}
		return []byte("0"), nil
	}
	if c.Ref.ByName() {
		return []byte(*v.Text), nil
	}
	value, ok, err := u.find.value(ctx, c.Ref, to, *v.Text)
	if err == nil && !ok {
		err = errChanged // it was here a moment ago
	}
	return value, err
}

// fill fills in references to rows that came later.
func (u *undoing) fill(ctx context.Context, rows []*revived) error {
	for _, r := range rows {
		t := r.t.Table
		if t.Integer == nil {
			continue
		}
		set := "" // all references of the row that may have had to wait
		for column, v := range r.content {
			c, to := t.Column(column), u.j.Catalogue.Table(v.Table)
			if c == nil || c.Ref == nil || to == nil || v.Text == nil || c == t.Integer || !c.Ref.Patched() {
				continue
			}
			value, err := u.local(ctx, c, v, nil)
			if err != nil {
				return err
			}
			if set != "" {
				set += ", "
			}
			set += schema.Quote(c.Name) + " = " + string(c.AppendLiteral(nil, value))
		}
		if set == "" {
			continue
		}
		err := sqldb.Exec(ctx, u.q, fmt.Sprintf("UPDATE %s SET %s%s WHERE %s = %d", schema.Quote(t.Name), set, untouched(t, set), schema.Quote(t.Integer.Name), r.at.Int))
		if err != nil {
			return fmt.Errorf("update %s: %w", t.Name, withoutText(err))
		}
	}
	return nil
}

// notTaken returns why a table does not take a row; "" if the error is about something else.
func (u *undoing) notTaken(err error) string {
	switch n := sqldb.ErrorNumber(err); {
	case n == sqldb.ErrNone || n == sqldb.ErrServerGone || n == sqldb.ErrServerLost || sqldb.IsLack(err):
		return ""
	case n == sqldb.ErrDuplicateEntry:
		return "another row here has the same value where only one may"
	default:
		return fmt.Sprintf("the table does not take it (server error %d)", n)
	}
}

// withoutText is a server's error without its text, which may hold values of a patient's.
func withoutText(err error) error {
	if n := sqldb.ErrorNumber(err); n != 0 && !sqldb.IsLockConflict(err) {
		return fmt.Errorf("server error %d", n)
	}
	return err
}

func (u *undoing) each(ctx context.Context, query string, f func([]sql.RawBytes)) error {
	return sqldb.Each(ctx, u.q, query, func(r []sql.RawBytes) error { f(r); return nil })
}
