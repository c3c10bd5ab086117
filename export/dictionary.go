package export

import (
	"fmt"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// dictionary hands out the indexes under which a batch holds the keys of rows: each key is written once, when a row or a reference first
// needs it. Integers are looked up in pages, so that a full load's references cost four bytes a row.
type dictionary struct {
	plan    *plan
	w       keyWriter
	short   *batch.Writer            // the same, if it names rows that the peer has by the beginning of their keys; nil: it does not
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
