package apply

import (
	"database/sql"
	"fmt"
	"slices"
	"strconv"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// lateRow is a row that could not be written because another still held one of its unique values.
type lateRow struct {
	l *local
	*row
	update bool
}

// putOff leaves a row for the end of the batch. One that is here lets go of its unique values now: others wait for them, and
// perhaps rows whose keys are made of those others' (two names are swapped, and a new patient takes a third).
func (x *run) putOff(r lateRow) error {
	x.late = append(x.late, r)
	if !r.update {
		return nil
	}
	return x.park(r, len(x.late))
}

// writeLate writes the rows that were put off. By now the batch has brought everything else, and whatever held a value that
// only one may have and is to be changed has let go of it.
func (x *run) writeLate() error {
	late := x.late
	x.late, x.last = nil, true
	for _, updates := range []bool{false, true} {
		for _, r := range late {
			if r.update != updates {
				continue
			}
			r.entry = 0 // the dictionary is another one by now
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
				b = sqldb.AppendString(b, []byte(parked(n, int(c.Length))))
			case c.Type == "date" || c.Type == "datetime" || c.Type == "timestamp":
				b = fmt.Appendf(b, "'1971-01-01' + INTERVAL %d DAY", n)
			case c.Type == "binary" || c.Type == "varbinary":
				b = sqldb.Binary(b, parked(n, int(c.Length)))
			case c.Unsigned:
				b = strconv.AppendInt(b, highest[c.Type]-int64(n), 10)
			default:
				b = strconv.AppendInt(b, int64(-1-n), 10)
			}
		}
	}
	if len(b) == start {
		return nil
	}
	b, err := r.l.whereRow(append(append(b, r.l.unmoved("")...), " WHERE "...), r.at)
	if err != nil {
		return err
	}
	if _, err := x.c.ExecContext(x.ctx, string(b)); err != nil {
		return x.refused(r.l, r.row, err)
	}
	return nil
}

// highest is the highest number of an unsigned integer type; of a BIGINT one that is high enough.
var highest = map[string]int64{"tinyint": 255, "smallint": 65535, "mediumint": 1<<24 - 1, "int": 1<<32 - 1, "bigint": 1<<63 - 1, "decimal": 9}

// parked is a text that no application writes, of at most so many characters.
func parked(n, length int) string {
	s := fmt.Sprintf("%x~%x", n, journal.Random())
	if length > 20 {
		s = "~" + s
	}
	return s[:min(len(s), max(length, 1))]
}

// patch is a reference to be filled in once the row that it points to is here.
type patch struct {
	l      *local
	at     journal.Row
	key    string
	column *schema.Column
	to     target
}

// target is a row that is referred to, as it can be found again once the dictionary is another one.
type target struct {
	root  *local
	key   string
	parts []*target // of a key that is made of other rows' keys; nil for its other parts
}

// target takes an entry out of the dictionary.
func (x *run) target(i uint32) target {
	e := x.entry(i)
	t := target{root: e.root, key: e.key}
	for p, r := range e.refs() {
		if r != 0 {
			if t.parts == nil {
				t.parts = make([]*target, len(e.refs()))
			}
			part := x.target(r)
			t.parts[p] = &part
		}
	}
	return t
}

// relearn takes it back in, and answers its index.
func (x *run) relearn(t *target) uint32 {
	e := entry{root: t.root, key: t.key}
	for p, part := range t.parts {
		if part != nil {
			if e.more == nil {
				e.more = &more{refs: make([]uint32, len(t.parts))}
			}
			e.more.refs[p] = x.relearn(part)
		}
	}
	x.dict.add(e)
	return uint32(x.dict.n-1) + batch.FirstRef
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
			idx[i] = x.relearn(&p.to)
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
				return x.missing(p.l, p.key, p.column, p.to.root, p.to.key)
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
	row := x.entry(i).shared()
	if err := x.check(to, []shared{row}); err != nil {
		return false, err
	}
	return x.present[to][row], nil
}

// fill writes one column of many rows.
func (x *run) fill(c *schema.Column, patches []patch, idx []uint32, which []int) error {
	l := patches[which[0]].l
	if l.Integer == nil || c.Ref.When != nil || c.Ref.ToColumn != c.Ref.To.Integer { // what refers by name holds the sender's text
		for _, i := range which {
			v, _ := x.value(c.Ref, idx[i])
			b := c.AppendLiteral([]byte("UPDATE "+schema.Quote(l.Name)+" SET "+schema.Quote(c.Name)+" = "), v)
			b, err := l.whereRow(append(append(b, l.unmoved("")...), " WHERE "...), patches[i].at)
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
		b = c.AppendLiteral(append(b, ", "...), v)
		if n == 0 {
			b = append(b, " v"...)
		}
	}
	b = fmt.Appendf(b, ") d STRAIGHT_JOIN %s t%s ON t.%s = d.id SET t.%s = d.v%s", schema.Quote(l.Name), l.byInteger(), schema.Quote(l.Integer.Name), schema.Quote(c.Name), l.unmoved("t."))
	if _, err := x.c.ExecContext(x.ctx, string(b)); err != nil {
		return fmt.Errorf("fill in %s.%s: %w", l.Name, c.Name, err)
	}
	return nil
}

// unmoved keeps columns as they are that the server would set to the present time with every UPDATE.
func (l *local) unmoved(prefix string) string {
	s := ""
	for _, c := range l.Columns {
		if c.AutoUpdate {
			s += ", " + prefix + schema.Quote(c.Name) + " = " + prefix + schema.Quote(c.Name)
		}
	}
	return s
}

// saveDefaults writes the default versions that this import gave to tables that were empty.
func (x *run) saveDefaults() error {
	for _, l := range x.locals {
		if l.standard == nil {
			continue
		}
		l.jt.Default = *l.standard
		if err := journal.SaveDefault(x.ctx, x.c, l.jt, x.j.Authors); err != nil {
			return err
		}
	}
	return nil
}

// one reads a single number.
func (x *run) one(query string) (n int64, err error) {
	err = sqldb.Each(x.ctx, x.c, query, func(r []sql.RawBytes) error { n = sqldb.Int(r[0]); return nil })
	return n, err
}
