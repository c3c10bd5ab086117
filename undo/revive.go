package undo

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/undo/rules"
)

// revived is a row that the peer deleted.
type revived struct {
	t    *table
	key  string
	id   uint64          // of what is kept of it
	held journal.Content // or what it is to hold
	at   journal.Row
	done bool
}

// copies is what is kept of a row that the peer deleted.
type copies struct {
	id   uint64      // the one to put in place
	last merge.Stamp // of the last deletion
}

// findDeleted finds the rows that the peer deleted: those that are still so, and those that it sent anew.
func (u *undoing) findDeleted(ctx context.Context) error {
	byID, kept, n := map[uint16]*table{}, map[*table]map[string]copies{}, 0
	for _, t := range u.tables {
		byID[t.journal.ID], kept[t] = t, map[string]copies{}
	}
	err := journal.DeletedBy(ctx, u.q, u.since.Peer, u.since.First, math.MaxInt64, u.j.Authors, func(d journal.DeletedKey) error {
		t := byID[d.Table]
		if t == nil {
			return nil
		}
		c, known := kept[t][d.Key]
		if !known || u.since.LaterCopy(d.AddedBy) {
			c.id = d.ID
		}
		if !known {
			n++
		}
		if c.last = d.Stamp; n > maxRows {
			return fmt.Errorf("more than %d rows were deleted since then: take back some tables first (--table), or choose a later time", maxRows)
		}
		kept[t][d.Key] = c
		return nil
	})
	if err != nil {
		return err
	}
	for _, t := range u.tables {
		keys := slices.Sorted(maps.Keys(kept[t]))
		dead, err := journal.Tombstones(ctx, u.q, t.journal.ID, keys, u.j.Authors)
		if err != nil {
			return err
		}
		alive := map[string]uint64{}
		for _, key := range keys {
			switch d, ok := dead[key]; {
			case ok && d.Stamp == kept[t][key].last: // if not, somebody else has deleted it since
				t.deleted = append(t.deleted, &revived{t: t, key: key, id: kept[t][key].id})
			case !ok:
				alive[key] = kept[t][key].id
			}
		}
		if err := u.findReturned(ctx, t, alive); err != nil {
			return err
		}
	}
	return nil
}

// eachContent hands to f what is kept of rows, those of a table one after the other, and holds a bounded part of it.
func (u *undoing) eachContent(ctx context.Context, rows []*revived, f func(*revived, journal.Content) error) error {
	for len(rows) > 0 {
		n, byKey := 0, map[string]*revived{}
		var ids []uint64
		if rows[0].held != nil {
			if err := f(rows[0], rows[0].held); err != nil {
				return err
			}
			rows = rows[1:]
			continue
		}
		for n < min(len(rows), atOnce) && rows[n].t == rows[0].t && rows[n].held == nil {
			byKey[rows[n].key] = rows[n]
			ids = append(ids, rows[n].id)
			n++
		}
		err := journal.DeletedByID(ctx, u.q, ids, u.j.Authors, func(d journal.Deleted) error {
			r := byKey[d.Key]
			delete(byKey, d.Key)
			return f(r, d.Content)
		})
		if err != nil {
			return err
		}
		if len(byKey) > 0 {
			return errChanged // an import beside this forgot what was too old
		}
		rows = rows[n:]
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
	err = u.eachContent(ctx, todo, func(r *revived, content journal.Content) error {
		err := u.insert(ctx, r, content, set)
		if reason := u.notTaken(err); reason != "" {
			u.refused[name{r.t.Name, r.key}] = reason
			return nil
		}
		return err
	})
	if err != nil {
		return err
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
	err = u.eachContent(ctx, all, func(r *revived, content journal.Content) error {
		i := place[name{r.t.Name, r.key}]
		for _, column := range slices.Sorted(maps.Keys(content)) {
			v := content[column]
			to := u.j.Catalogue.Table(v.Table)
			if v.Text == nil || to == nil {
				continue
			}
			if k, ok := place[name{to.Name, *v.Text}]; ok {
				needs = append(needs, [2]int{k, i})
			} else if _, here, err := u.find.row(ctx, to, *v.Text); err != nil {
				return err
			} else if !here {
				needs = append(needs, [2]int{-1, i})
				why[i] = fmt.Sprintf("its %s refers to a row of %s that is not here (%s)", column, to.Name, journal.PrintableKey(to, *v.Text))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
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
func (u *undoing) insert(ctx context.Context, r *revived, content journal.Content, set map[name]*revived) error {
	t := r.t.Table
	var columns, values []byte
	put := func(c *schema.Column, v []byte) {
		if columns != nil {
			columns, values = append(columns, ','), append(values, ',')
		}
		columns, values = append(columns, schema.Quote(c.Name)...), c.AppendLiteral(values, v)
	}
	integer := int64(0)
	for _, column := range slices.Sorted(maps.Keys(content)) {
		c := t.Column(column)
		if c == nil || c.Generated || c == t.Integer && c.Ref == nil {
			continue
		}
		v, err := u.local(ctx, c, content[column], set)
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
	rows = slices.DeleteFunc(rows, func(r *revived) bool { return r.t.Integer == nil })
	return u.eachContent(ctx, rows, func(r *revived, content journal.Content) error {
		t, set := r.t.Table, "" // all references of the row that may have had to wait
		for column, v := range content {
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
			return nil
		}
		err := sqldb.Exec(ctx, u.q, fmt.Sprintf("UPDATE %s SET %s%s WHERE %s = %d", schema.Quote(t.Name), set, untouched(t, set), schema.Quote(t.Integer.Name), r.at.Int))
		if err != nil {
			return fmt.Errorf("update %s: %w", t.Name, withoutText(err))
		}
		return nil
	})
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
