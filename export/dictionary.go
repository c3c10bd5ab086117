package export

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// dictionary hands out the indexes under which a batch holds the keys of rows: each key is written once, when a row or a reference first
// needs it. Integers are looked up in pages, so that a full load's references cost four bytes a row.
type dictionary struct {
	plan    *plan
	w       keyWriter
	numbers map[*schema.Table]uint32 // of the tables described so far

	// What follows is forgotten when the dictionary is emptied.
	byInteger pages                               // root table: a row's integer → index, or batch.RefNowhere
	exists    pages                               // a table that shares its ancestor's key: whether it has a row of this integer
	byKey     map[*schema.Table]map[string]uint32 // root table: key → index, where no integer is known
}

// What exists holds.
const (
	unknown uint32 = iota
	present
	absent
)

func newDictionary(p *plan, w keyWriter) *dictionary {
	d := &dictionary{plan: p, w: w, numbers: map[*schema.Table]uint32{}}
	d.forget()
	return d
}

func (d *dictionary) forget() {
	d.byInteger, d.exists, d.byKey = pages{}, pages{}, map[*schema.Table]map[string]uint32{}
}

// dictLimit is how many keys a batch holds before a block, and dictBytes how many bytes of them: the receiver keeps them in
// memory. The format allows more.
const dictLimit, dictBytes = 400_000, batch.MaxDictBytes / 2

// makeRoom empties the dictionary when it is large, or so many more entries might be too many.
func (d *dictionary) makeRoom(n int) error {
	if d.w.DictLen() <= dictLimit && d.w.DictLen()+n <= batch.MaxDict && d.w.DictBytes() <= dictBytes {
		return nil
	}
	d.forget()
	return d.w.ResetDict()
}

// makeRoomBeside is makeRoom before a block whose values have so many bytes: the receiver holds both.
func (d *dictionary) makeRoomBeside(bytes, n int) error {
	if bytes > batch.MaxHeld-batch.MaxDictBytes && d.w.DictLen() > 0 {
		d.forget()
		return d.w.ResetDict()
	}
	return d.makeRoom(n)
}

// number returns a table's number in the batch, which it describes the table to first if need be.
func (d *dictionary) number(t *schema.Table) (uint32, error) {
	if n, ok := d.numbers[t]; ok {
		return n, nil
	}
	described := batch.Table{Name: t.Name, Root: t.Root.Name}
	for _, c := range t.KeyColumns {
		described.Key = append(described.Key, batch.Column{Name: c.Name, Kind: kind(c), Ref: c.Ref != nil})
	}
	if sent := d.plan.known[t]; sent != nil { // otherwise only references to its rows go
		for _, c := range sent.columns {
			described.Columns = append(described.Columns, batch.Column{Name: c.Name, Kind: kind(c), Ref: c.Ref != nil && !c.Ref.Beside, Slot: d.plan.slot(sent.meta, c)})
		}
		for _, c := range beside(sent) {
			described.Columns = append(described.Columns, batch.Column{Name: c.Name + batch.BesideSuffix, Ref: true})
		}
		if sent.sendsIntegers() {
			described.Columns = append(described.Columns, batch.Column{Name: batch.IntegerColumn, Kind: batch.KindInt})
		}
		for _, name := range sent.policies {
			described.Columns = append(described.Columns, batch.Column{Name: name})
		}
		if d.plan.saysPublic(t) {
			described.Columns = append(described.Columns, batch.Column{Name: batch.PublicColumn})
		}
	}
	n, err := d.w.Table(described)
	if err != nil {
		return 0, fmt.Errorf("describe the table %s: %w", t.Name, err)
	}
	d.numbers[t] = n
	return n, nil
}

// slot returns the column's bit, 0 if it has none. To a peer that knows of 63 bits, columns that have higher ones share the last.
func (p *plan) slot(meta *journal.Table, c *schema.Column) uint16 {
	bit := meta.Bit(c.Name)
	if p.match { // versions of columns are not sent
		return 0
	}
	if !p.manyColumns {
		bit = min(bit, merge.SharedBit)
	}
	return uint16(bit)
}

// kind hints at how a column's values pack.
func kind(c *schema.Column) batch.Kind {
	switch c.Type {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "year":
		return batch.KindInt
	case "decimal", "double", "float":
		return batch.KindDecimal
	case "datetime", "timestamp":
		return batch.KindDateTime
	case "date":
		return batch.KindDate
	case "char", "varchar", "text", "tinytext", "mediumtext", "longtext", "enum", "set", "json":
		if c.UUIDColumn {
			return batch.KindUUID
		}
		return batch.KindText
	}
	return batch.KindBytes
}

// indexes returns the indexes of keys of a table's rows, which it adds where they are missing.
func (d *dictionary) indexes(t *schema.Table, keys []string) ([]uint32, error) {
	known := d.byKey[t.Root]
	if known == nil {
		known = map[string]uint32{}
		d.byKey[t.Root] = known
	}
	var missing []string
	for _, key := range keys {
		if _, ok := known[key]; !ok {
			known[key] = 0
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		first, err := d.add(t.Root, missing)
		if err != nil {
			return nil, err
		}
		for i, key := range missing {
			known[key] = first + uint32(i)
		}
	}
	out := make([]uint32, len(keys))
	for i, key := range keys {
		out[i] = known[key]
	}
	return out, nil
}

// names returns a column of references that hold the names which are their rows' keys.
func (d *dictionary) names(t *schema.Table, values [][]byte) (batch.Values, error) {
	out := batch.Values{Refs: make([]uint32, len(values))}
	for i, v := range values {
		if v == nil {
			continue
		}
		name := string(v)
		key := journal.JoinKey([]*string{&name})
		if !d.plan.sendsKey(t, key, "references to rows") {
			out.Refs[i] = batch.RefNowhere
			continue
		}
		index, err := d.indexes(t, []string{key})
		if err != nil {
			return out, err
		}
		out.Refs[i] = index[0]
	}
	return out, nil
}

// add writes keys of a root table's rows and returns the index of the first; those of the others follow it.
func (d *dictionary) add(root *schema.Table, keys []string) (uint32, error) {
	n, err := d.number(root)
	if err != nil {
		return 0, err
	}
	parts := make([][]*string, len(keys))
	for i, key := range keys {
		var ok bool
		key = d.plan.theirs(root, key)
		if parts[i], ok = journal.SplitKey(key, len(root.KeyColumns)); !ok {
			return 0, fmt.Errorf("the journal holds a key of %s that has not %d parts", root.Name, len(root.KeyColumns))
		}
	}
	values := make([]batch.Values, len(root.KeyColumns))
	for p, c := range root.KeyColumns {
		if values[p], err = d.keyColumn(c, p, parts); err != nil {
			return 0, err
		}
	}
	return d.w.Keys(n, values)
}

// keyColumn returns one column of keys, given as their parts.
func (d *dictionary) keyColumn(c *schema.Column, p int, parts [][]*string) (batch.Values, error) {
	if c.Ref == nil {
		out := batch.Values{Bytes: make([][]byte, len(parts))}
		for i := range parts {
			if s := parts[i][p]; s != nil {
				out.Bytes[i] = []byte(*s)
			}
		}
		return out, nil
	}
	out := batch.Values{Refs: make([]uint32, len(parts))}
	var keys []string
	var at []int
	for i := range parts {
		if s := parts[i][p]; s != nil {
			keys, at = append(keys, *s), append(at, i)
		}
	}
	indexes, err := d.indexes(c.Ref.To, keys)
	if err != nil {
		return out, err
	}
	for j, i := range at {
		out.Refs[i] = indexes[j]
	}
	return out, nil
}

// addRows returns the indexes of rows that were just read, and takes their keys into the dictionary. A row with the key "" has none: 0.
func (d *dictionary) addRows(t *schema.Table, rows []journal.Row, keys []string) ([]uint32, error) {
	if t.Integer == nil {
		return d.addNamed(t, keys)
	}
	byInteger := d.byInteger.of(t.Root)
	var missing []string
	var at []int
	for i, r := range rows {
		if keys[i] != "" && byInteger.get(r.Int) < batch.FirstRef {
			missing, at = append(missing, keys[i]), append(at, i)
		}
	}
	if len(missing) > 0 {
		first, err := d.add(t.Root, missing)
		if err != nil {
			return nil, err
		}
		for j, i := range at {
			byInteger.set(rows[i].Int, first+uint32(j))
		}
	}
	out := make([]uint32, len(rows))
	for i, r := range rows {
		if keys[i] != "" {
			out[i] = byInteger.get(r.Int)
			if t != t.Root {
				d.exists.of(t).set(r.Int, present)
			}
		}
	}
	return out, nil
}

// addNamed is addRows for a table whose rows have no integers.
func (d *dictionary) addNamed(t *schema.Table, keys []string) ([]uint32, error) {
	indexes, err := d.indexes(t, slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return key == "" }))
	if err != nil {
		return nil, err
	}
	out := make([]uint32, len(keys))
	for i, key := range keys {
		if key != "" {
			out[i], indexes = indexes[0], indexes[1:]
		}
	}
	return out, nil
}

// addReferred takes in the keys of the rows that references hold, where it does not have them; nil is NULL. What finds no row is nowhere: such rows
// exist, from times when foreign keys were off, and must not stop an export.
func (d *dictionary) addReferred(ctx context.Context, t *schema.Table, integers [][]byte) error {
	numbers := make([]int64, 0, len(integers))
	for _, v := range integers {
		if v == nil {
			continue
		}
		if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			numbers = append(numbers, n)
		}
	}
	unread, unchecked := d.unknownRows(t, numbers)
	if len(unread)+len(unchecked) == 0 {
		return nil
	}
	return d.plan.ask(func() error { return d.takeIn(ctx, t, unread, unchecked) })
}

// takeIn takes in what unknownRows returned.
func (d *dictionary) takeIn(ctx context.Context, t *schema.Table, unread, unchecked []journal.Row) error {
	found, err := rowkey.Of(ctx, d.plan.snap, t, unread)
	if err != nil {
		return err
	}
	var rows []journal.Row
	var keys []string
	for _, r := range unread {
		switch key := found[r]; {
		case key != "" && d.plan.sendsKey(t, key, "references to rows"):
			rows, keys = append(rows, r), append(keys, key)
		case t == t.Root:
			d.byInteger.of(t).set(r.Int, batch.RefNowhere)
		default:
			d.exists.of(t).set(r.Int, absent)
		}
	}
	if _, err := d.addRows(t, rows, keys); err != nil {
		return err
	}
	if found, err = rowkey.Of(ctx, d.plan.snap, t, unchecked); err != nil {
		return err
	}
	for _, r := range unchecked {
		state := absent
		if found[r] != "" {
			state = present
		}
		d.exists.of(t).set(r.Int, state)
	}
	return nil
}

// unknownRows returns which of a table's rows, by their integers, the dictionary does not know, and of which it knows the ancestor's key
// and not whether they exist.
func (d *dictionary) unknownRows(t *schema.Table, integers []int64) (unread, unchecked []journal.Row) {
	l := d.lookup(t)
	var seen map[int64]bool
	for _, n := range integers {
		known := l.byInteger.get(n) != 0
		settled := known
		if l.exists != nil {
			settled = l.exists.get(n) != unknown
		}
		if settled || seen[n] {
			continue
		}
		if seen == nil {
			seen = map[int64]bool{}
		}
		seen[n] = true
		if known {
			unchecked = append(unchecked, journal.Row{Int: n})
		} else {
			unread = append(unread, journal.Row{Int: n})
		}
	}
	return unread, unchecked
}

// lookup finds what references to rows of one table go as.
type lookup struct {
	byInteger *paged
	exists    *paged // nil: the table has keys of its own
}

func (d *dictionary) lookup(t *schema.Table) lookup {
	l := lookup{byInteger: d.byInteger.of(t.Root)}
	if t != t.Root {
		l.exists = d.exists.of(t)
	}
	return l
}

// index returns what a reference to the row of an integer goes as, once takeIn was told of it.
func (l lookup) index(n int64) uint32 {
	if l.exists != nil && l.exists.get(n) != present {
		return batch.RefNowhere
	}
	if i := l.byInteger.get(n); i != 0 {
		return i
	}
	return batch.RefNowhere
}

// index returns what a reference's value goes as, once addReferred was told of it.
func (d *dictionary) index(t *schema.Table, integer []byte) uint32 {
	n, err := strconv.ParseInt(string(integer), 10, 64)
	if err != nil {
		return batch.RefNowhere
	}
	return d.lookup(t).index(n)
}
