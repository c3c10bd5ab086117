package apply

import (
	"cmp"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

func (x *run) entry(i uint32) *entry { return x.dict.at(i) }

// learn takes keys into the dictionary.
func (x *run) learn(i *batch.KeysItem) error {
	t := x.numbers[i.Table]
	root := t.keys
	if root != nil {
		if root.Root != root.Table {
			return fmt.Errorf("%w: keys of %s are keys of %s", batch.ErrCorrupt, t.Name, t.Root)
		}
		for p, c := range root.KeyColumns {
			if err := checkPlain(c, i.Parts[p]); err != nil {
				return err
			}
		}
	}
	parts := make([]*string, len(i.Parts))
	for n := 0; n < i.N; n++ {
		e := entry{root: root}
		for p, v := range i.Parts {
			parts[p] = nil
			if v.Refs != nil {
				if e.more == nil {
					e.more = &more{refs: make([]uint32, len(i.Parts))}
				}
				if r := v.Refs[n]; r >= batch.FirstRef {
					if root != nil {
						if err := x.checkTarget(root.KeyColumns[p], r); err != nil {
							return err
						}
					}
					e.more.refs[p] = r
					parts[p] = &x.entry(r).key
					e.lacks = e.lacks || x.entry(r).lacks
				}
			} else if b := v.Bytes[n]; b != nil {
				s := string(b)
				parts[p] = &s
			}
		}
		e.key = journal.JoinKey(parts)
		if root != nil && root.Key != schema.KeyAll {
			e.lacks = e.lacks || slices.Contains(parts, nil)
		}
		x.dict.add(e)
	}
	return nil
}

// checkKeys makes sure that rows of a table have keys of its kind, whole ones: a row whose key is NULL stays where it is.
func (x *run) checkKeys(l *local, idx []uint32) error {
	for _, i := range idx {
		if root := x.entry(i).root; root == nil || root.Table != l.Root {
			return fmt.Errorf("%w: a row of %s has the key of something else", batch.ErrCorrupt, l.Name)
		}
		if x.entry(i).lacks {
			return fmt.Errorf("%w: a part of a key of %s is NULL", batch.ErrCorrupt, l.Name)
		}
	}
	return nil
}

// checkPlain makes sure that what refers to a row always has a key for a value: a plain number would be some other row here.
func checkPlain(c *schema.Column, v batch.Values) error {
	if c.Ref != nil && c.Ref.When == nil && slices.ContainsFunc(v.Bytes, func(b []byte) bool { return b != nil }) {
		return fmt.Errorf("%w: %s.%s holds a plain value where a reference is due", batch.ErrCorrupt, c.Table.Name, c.Name)
	}
	return nil
}

// checkTarget makes sure that a reference is to a row of a table that the column may refer to: the number of another
// table's row would be some row here too.
func (x *run) checkTarget(c *schema.Column, r uint32) error {
	if x.entry(r).lacks {
		return fmt.Errorf("%w: %s.%s refers to a row by a key of which a part is NULL", batch.ErrCorrupt, c.Table.Name, c.Name)
	}
	root := x.entry(r).root
	if root == nil || c.Ref == nil || c.Ref.When == nil && c.Ref.To.Root == root.Root {
		return nil
	}
	if c.Ref.When != nil {
		for _, t := range c.Ref.When.Targets {
			if t.Root == root.Root {
				return nil
			}
		}
	}
	return fmt.Errorf("%w: %s.%s refers to a row of %s", batch.ErrCorrupt, c.Table.Name, c.Name, root.Name)
}

// resolve finds the local rows of dictionary entries, locked against deletion to the commit.
func (x *run) resolve(idx []uint32) error {
	var roots []*local
	todo := map[*local][]uint32{}
	for _, i := range idx {
		if e := x.entry(i); e.state == unknown {
			if e.root == nil {
				e.state = nowhere
				continue
			}
			e.state = nowhere
			if todo[e.root] == nil {
				roots = append(roots, e.root)
			}
			todo[e.root] = append(todo[e.root], i)
		}
	}
	for _, l := range roots {
		if err := x.touch(l); err != nil {
			return err
		}
		if l.virgin && !l.filled {
			continue
		}
		var columns []*schema.Column
		if len(l.KeyColumns) == 1 && l.KeyColumns[0].Ref == nil {
			columns = l.KeyColumns
		}
		found, err := x.find(l, todo[l], "LOCK IN SHARE MODE", columns)
		if err != nil {
			return err
		}
		for n, f := range found {
			x.entry(todo[l][n]).settle(f.row, f.values)
		}
	}
	return nil
}

// shared is what a row has in common with the ancestor whose key it has: the integer, or the name where there is none.
type shared struct {
	num  int64
	name string
}

// shared is what the entry's row, which is here, shares with those that have its key.
func (e *entry) shared() shared {
	if e.root.Integer == nil {
		return shared{name: string(e.name())}
	}
	return shared{num: e.num}
}

func (s shared) value(l *local) []byte {
	if l.Root.Integer == nil {
		return []byte(s.name)
	}
	return strconv.AppendInt(nil, s.num, 10)
}

// check finds out whether rows that share their ancestor's key are there, locked to the commit.
func (x *run) check(l *local, rows []shared) error {
	known := x.present[l]
	if known == nil {
		known = map[shared]bool{}
		x.present[l] = known
	}
	if err := x.touch(l); err != nil {
		return err
	}
	look := slices.DeleteFunc(slices.Clone(rows), func(r shared) bool { return known[r] })
	if l.virgin && !l.filled || len(look) == 0 {
		return nil
	}
	slices.SortFunc(look, func(a, b shared) int { return cmp.Or(cmp.Compare(a.num, b.num), strings.Compare(a.name, b.name)) })
	look = slices.Compact(look)
	values := make([][][]byte, len(look))
	for i, r := range look {
		values[i] = [][]byte{r.value(l)}
	}
	return x.lookUp(l, l.KeyColumns, values, "LOCK IN SHARE MODE", nil, func(n int, _ found) { known[look[n]] = true })
}

// found is a row that a key was found to be.
type found struct {
	row    journal.Row
	values [][]byte // of the columns asked for
}

// find looks for the rows of a table that have these keys, and locks them. The answer is by place in idx. For a table
// that shares its ancestor's key, the ancestors must have been resolved.
func (x *run) find(l *local, idx []uint32, lock string, columns []*schema.Column) (map[int]found, error) {
	out := map[int]found{}
	if err := x.resolveParts(idx); err != nil {
		return nil, err
	}
	keyColumns := l.KeyColumns
	if l.Key == schema.KeyUUID && !l.KeyIndexed {
		return out, x.findUnindexed(l, idx, lock, columns, out)
	}
	var at []int
	var values [][][]byte
	for n, i := range idx {
		if v, ok := x.keyValues(l, i); ok {
			at, values = append(at, n), append(values, v)
		}
	}
	return out, x.lookUp(l, keyColumns, values, lock, columns, func(n int, f found) {
		if _, twice := out[at[n]]; twice && l.Key != schema.KeyAll {
			x.note("%s has more than one row with the key %s: the first is taken", l.Name, printable(l.Table, x.entry(idx[at[n]]).key))
			return
		}
		out[at[n]] = f
	})
}

// resolveParts resolves the keys that keys are made of.
func (x *run) resolveParts(idx []uint32) error {
	var parts []uint32
	for _, i := range idx {
		for _, r := range x.entry(i).refs() {
			if r != 0 {
				parts = append(parts, r)
			}
		}
	}
	if parts == nil {
		return nil
	}
	return x.resolve(parts)
}

// keyValues are the values that the key columns of a table's row have here; false if a row that they refer to is not.
func (x *run) keyValues(l *local, i uint32) ([][]byte, bool) {
	e := x.entry(i)
	if l != e.root && l.Root == e.root.Table { // patient's key column has the integer of the person
		if e.state != here {
			return nil, false
		}
		return [][]byte{e.shared().value(l)}, true
	}
	parts, ok := journal.SplitKey(e.key, len(l.KeyColumns))
	if !ok {
		return nil, false
	}
	out := make([][]byte, len(parts))
	for p, c := range l.KeyColumns {
		switch {
		case parts[p] == nil:
		case c.Ref != nil:
			v, ok := x.value(c.Ref, e.refs()[p])
			if !ok {
				return nil, false
			}
			out[p] = v
		default:
			out[p] = []byte(*parts[p])
		}
	}
	return out, true
}

// value is what a reference to an entry's row holds here; false if the row is not here.
func (x *run) value(ref *schema.Ref, i uint32) ([]byte, bool) {
	e := x.entry(i)
	if e.state != here {
		return nil, false
	}
	if ref.When == nil && (ref.To.Integer == nil || ref.ToColumn != ref.To.Integer) {
		return e.name(), e.name() != nil
	}
	return strconv.AppendInt(nil, e.num, 10), true
}

// byInteger makes a statement look for rows by their integers.
func (l *local) byInteger() string { return l.ForceIndex([]*schema.Column{l.Integer}) }

// lookUp joins values with a table on some of its columns: the shape that uses the index and locks what it finds alone.
func (x *run) lookUp(l *local, on []*schema.Column, values [][][]byte, lock string, columns []*schema.Column, f func(int, found)) error {
	for start := 0; start < len(values); {
		b := []byte("SELECT d.n, " + journal.Identity(l.Table, "t."))
		for _, c := range columns {
			b = append(append(b, ", "...), c.Select("t.")...)
		}
		b = append(b, " FROM ("...)
		end := start
		for ; end < len(values) && end-start < 1000 && len(b) < x.packet; end++ {
			if end == start {
				b = append(b, "SELECT "...)
			} else {
				b = append(b, " UNION ALL SELECT "...)
			}
			b = strconv.AppendInt(b, int64(end), 10)
			if end == start {
				b = append(b, " n"...)
			}
			for p, c := range on {
				b = c.AppendLiteral(append(b, ", "...), values[end][p])
				if end == start {
					b = fmt.Appendf(b, " a%d", p)
				}
			}
		}
		b = append(b, ") d STRAIGHT_JOIN "+schema.Quote(l.Name)+" t"+l.ForceIndex(on)+" ON "...)
		for p, c := range on {
			if p > 0 {
				b = append(b, " AND "...)
			}
			same := "="
			if c.Nullable {
				same = "<=>"
			}
			b = fmt.Appendf(b, "t.%s %s %s", schema.Quote(c.Name), same, comparable(c, fmt.Sprintf("d.a%d", p)))
		}
		b = append(append(b, ' '), lock...)
		err := sqldb.Each(x.ctx, x.c, string(b), func(r []sql.RawBytes) error {
			f(int(sqldb.Int(r[0])), read(r[1:]))
			return nil
		})
		if err != nil {
			return fmt.Errorf("look for rows of %s: %w", l.Name, err)
		}
		start = end
	}
	return nil
}

// read takes a row's local identity and values out of a result.
func read(r []sql.RawBytes) found {
	f := found{row: journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])}, values: make([][]byte, len(r)-2)}
	size := 0
	for _, v := range r[2:] {
		size += len(v)
	}
	arena := make([]byte, 0, size)
	for i, v := range r[2:] {
		if v != nil {
			start := len(arena)
			arena = append(arena, v...)
			f.values[i] = arena[start:len(arena):len(arena)]
		}
	}
	return f
}

// comparable is a text of the session's character set as the column's own index can be searched for it.
func comparable(c *schema.Column, v string) string {
	if c.Collation == "" || c.Charset == "binary" {
		return v
	}
	charset, _, _ := strings.Cut(c.Collation, "_")
	return "CONVERT(" + v + " USING " + charset + ") COLLATE " + c.Collation
}

// findUnindexed finds rows by a uuid that no index holds (users): a plain read of the table, which locks nothing, and
// then the rows themselves. Locking a scan would stop the application.
func (x *run) findUnindexed(l *local, idx []uint32, lock string, columns []*schema.Column, out map[int]found) error {
	want := map[string][]int{}
	for n, i := range idx {
		k := x.entry(i).canonical()
		want[k] = append(want[k], n)
	}
	var rows []journal.Row
	at := map[journal.Row][]int{}
	err := sqldb.Each(x.ctx, x.c, "SELECT "+journal.Identity(l.Table, "")+", "+schema.Quote(l.KeyColumns[0].Name)+" FROM "+schema.Quote(l.Name), func(r []sql.RawBytes) error {
		if r[2] == nil {
			return nil
		}
		if ns := want[journal.Canonical(l.Table, string(r[2]))]; ns != nil {
			row := journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])}
			rows, at[row] = append(rows, row), ns
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for rows of %s: %w", l.Name, err)
	}
	return x.readRows(l, rows, lock, columns, func(f found) {
		for _, n := range at[f.row] {
			if _, twice := out[n]; twice {
				x.note("%s has more than one row with the key %s: the first is taken", l.Name, printable(l.Table, x.entry(idx[n]).key))
				return
			}
			out[n] = f
		}
	})
}

// readRows reads rows by their local identity, and locks them.
func (x *run) readRows(l *local, rows []journal.Row, lock string, columns []*schema.Column, f func(found)) error {
	on := []*schema.Column{l.Integer}
	if l.Integer == nil {
		on = l.LocalColumns
	}
	values := make([][][]byte, 0, len(rows))
	for _, r := range rows {
		v, err := l.localValues(r)
		if err != nil {
			return fmt.Errorf("read %s: %w", l.Name, err)
		}
		values = append(values, v)
	}
	return x.lookUp(l, on, values, lock, columns, func(_ int, got found) { f(got) })
}

// localValues are the values of the columns by which a row is known here.
func (l *local) localValues(r journal.Row) ([][]byte, error) {
	if l.Integer != nil {
		return [][]byte{strconv.AppendInt(nil, r.Int, 10)}, nil
	}
	return schema.ParseLocalKey(l.Table, r.Key)
}

// touch is called before anything is looked up in a table or written to it: it finds out whether there is anything to be
// looked up at all.
func (x *run) touch(l *local) error {
	if l.touched {
		return nil
	}
	l.touched = true
	if l.jt == nil {
		return nil
	}
	var err error
	if l.deaths, err = journal.AnyTombstones(x.ctx, x.c, l.jt.ID); err != nil {
		return err
	}
	if !x.defaults || l.jt.Default.Mask != 0 || l.deaths {
		return nil
	}
	any := false
	for _, q := range []string{
		"SELECT 1 FROM " + schema.Quote(l.Name) + " LIMIT 1",
		fmt.Sprintf("SELECT 1 FROM omsync_version WHERE table_id = %d LIMIT 1", l.jt.ID),
		fmt.Sprintf("SELECT 1 FROM omsync_capture WHERE table_id = %d LIMIT 1", l.jt.ID),
	} {
		if err := sqldb.Each(x.ctx, x.c, q, func([]sql.RawBytes) error { any = true; return nil }); err != nil {
			return fmt.Errorf("look into %s: %w", l.Name, err)
		}
	}
	l.virgin = !any
	return nil
}
