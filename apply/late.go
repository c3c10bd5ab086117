package apply

import (
	"database/sql"
	"fmt"
	"slices"
	"strconv"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// lateRow is a row that could not be written because another still held one of its unique values.
type lateRow struct {
	l *local
	*row
	update bool
}

// writeLate writes the rows that were put off. By now the batch has brought everything else; what still holds a value that
// only one may have is another of these (two names swapped): they let go of theirs first.
func (x *run) writeLate() error {
	late := x.late
	x.late, x.last = nil, true
	for i, r := range late {
		if r.update {
			if err := x.park(r, i); err != nil {
				return err
			}
		}
	}
	for _, updates := range []bool{false, true} {
		for _, r := range late {
			if r.update != updates {
				continue
			}
			r.entry = 0 // the dictionary may be another one by now
			q := &writes{l: r.l}
			if updates {
				q.update = []*row{r.row}
			} else {
				q.insert = []*row{r.row}
			}
			if err := x.write(q); err != nil {
				return err
			}
		}
	}
	return nil
}

// park gives the columns of a row's unique indexes values that nothing else has, for the time being.
func (x *run) park(r lateRow, n int) error {
	b := []byte("UPDATE " + schema.Quote(r.l.Name) + " SET ")
	start := len(b)
	var done []*schema.Column
	for _, index := range r.l.Unique {
		for _, c := range index {
			if at, ok := r.l.at[c]; !ok || !r.changed[at] || slices.Contains(done, c) {
				continue
			}
			done = append(done, c)
			if len(b) > start {
				b = append(b, ", "...)
			}
			b = append(b, schema.Quote(c.Name)+" = "...)
			switch {
			case c.Nullable:
				b = append(b, "NULL"...)
			case c.Charset != "":
				b = schema.AppendString(b, []byte(parked(n, int(c.Length))))
			default:
				b = strconv.AppendInt(b, int64(-1-n), 10)
			}
		}
	}
	if len(b) == start {
		return nil
	}
	b, err := r.l.whereRow(append(b, " WHERE "...), r.at)
	if err != nil {
		return err
	}
	if _, err := x.c.ExecContext(x.ctx, string(b)); err != nil {
		return x.refused(r.l, r.row, err)
	}
	return nil
}

// parked is a text that no application writes, of at most so many characters.
func parked(n, length int) string {
	s := fmt.Sprintf("~%x~%x", n, journal.Random())
	return s[:min(len(s), max(length, 1))]
}

// patch is a reference to be filled in once the row that it points to is here.
type patch struct {
	l      *local
	at     journal.Row
	key    string
	column *schema.Column
	root   *local
	to     string
}

// patch fills in references to rows that came later in the batch. Those whose row is still nowhere wait for the next call,
// and the last one is an error: a reference is never left empty in place of one that was not found.
func (x *run) patch(last bool) error {
	patches := x.patches
	x.patches = nil
	for part := range slices.Chunk(patches, 1000) {
		x.dict.reset()
		idx := make([]uint32, len(part))
		for i, p := range part {
			x.dict.add(entry{root: p.root, key: p.to})
			idx[i] = uint32(i) + batch.FirstRef
		}
		if err := x.resolve(idx); err != nil {
			return err
		}
		ready := map[*schema.Column][]int{}
		var order []*schema.Column
		for i, p := range part {
			ok, err := x.arrived(p, idx[i])
			if err != nil {
				return err
			}
			switch {
			case ok:
				if ready[p.column] == nil {
					order = append(order, p.column)
				}
				ready[p.column] = append(ready[p.column], i)
			case last:
				return x.missing(p.l, p.key, p.column, p.root, p.to)
			default:
				x.patches = append(x.patches, p)
			}
		}
		for _, c := range order {
			if err := x.fill(c, part, idx, ready[c]); err != nil {
				return err
			}
		}
	}
	return nil
}

// arrived says whether the row that a patch points to is here.
func (x *run) arrived(p patch, i uint32) (bool, error) {
	if _, ok := x.value(p.column.Ref, i); !ok {
		return false, nil
	}
	if p.column.Ref.When != nil || p.column.Ref.To.Root == p.column.Ref.To {
		return true, nil
	}
	to := x.local(p.column.Ref.To)
	n := x.entry(i).num
	if err := x.check(to, []int64{n}); err != nil {
		return false, err
	}
	return x.present[to][n], nil
}

// fill writes one column of many rows.
func (x *run) fill(c *schema.Column, patches []patch, idx []uint32, which []int) error {
	l := patches[which[0]].l
	integers := l.Integer != nil && c.Charset == ""
	if !integers {
		for _, i := range which {
			v, _ := x.value(c.Ref, idx[i])
			b := c.AppendLiteral([]byte("UPDATE "+schema.Quote(l.Name)+" SET "+schema.Quote(c.Name)+" = "), v)
			b, err := l.whereRow(append(b, " WHERE "...), patches[i].at)
			if err != nil {
				return err
			}
			if _, err := x.c.ExecContext(x.ctx, string(b)); err != nil {
				return fmt.Errorf("fill in %s.%s: %w", l.Name, c.Name, err)
			}
		}
		return nil
	}
	b := []byte("UPDATE (SELECT ")
	for n, i := range which {
		v, _ := x.value(c.Ref, idx[i])
		if n > 0 {
			b = append(b, " UNION ALL SELECT "...)
		}
		b = strconv.AppendInt(b, patches[i].at.Int, 10)
		if n == 0 {
			b = append(b, " id"...)
		}
		b = append(append(b, ", "...), v...)
		if n == 0 {
			b = append(b, " v"...)
		}
	}
	b = fmt.Appendf(b, ") d STRAIGHT_JOIN %s t%s ON t.%s = d.id SET t.%s = d.v", schema.Quote(l.Name), l.byInteger(), schema.Quote(l.Integer.Name), schema.Quote(c.Name))
	if _, err := x.c.ExecContext(x.ctx, string(b)); err != nil {
		return fmt.Errorf("fill in %s.%s: %w", l.Name, c.Name, err)
	}
	return nil
}

// saveDefaults writes the default versions that this import gave to tables that were empty.
func (x *run) saveDefaults() error {
	for _, l := range x.locals {
		if l.standard == nil {
			continue
		}
		l.jt.Default = *l.standard
		if err := journal.SaveTable(x.ctx, x.c, l.jt, x.j.Authors); err != nil {
			return err
		}
	}
	return nil
}

// one reads a single number.
func (x *run) one(query string) (n int64, err error) {
	err = journal.Each(x.ctx, x.c, query, func(r []sql.RawBytes) error { n = journal.Int(r[0]); return nil })
	return n, err
}
