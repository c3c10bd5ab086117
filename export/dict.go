package export

import (
	"context"
	"fmt"
	"strconv"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// dictionary hands out the indexes under which a batch holds the keys of rows: each key is written once, when a row or
// a reference first needs it. Integers are looked up in pages, so that a full load's references cost four bytes a row.
type dictionary struct {
	j      *journal.Journal
	q      sqldb.DB
	w      *batch.Writer
	tables map[*schema.Table]uint32            // numbers of the tables described so far
	ints   map[*schema.Table]*paged            // root table: local integer → index
	exists map[*schema.Table]*paged            // a table that shares its ancestor's key: integers that are rows of it
	named  map[*schema.Table]map[string]uint32 // key → index, where no integer is known
	send   func(*schema.Table) []*schema.Column
}

func newDictionary(j *journal.Journal, q sqldb.DB, w *batch.Writer, send func(*schema.Table) []*schema.Column) *dictionary {
	d := &dictionary{j: j, q: q, w: w, tables: map[*schema.Table]uint32{}, send: send}
	d.forget()
	return d
}

func (d *dictionary) forget() {
	d.ints, d.exists, d.named = map[*schema.Table]*paged{}, map[*schema.Table]*paged{}, map[*schema.Table]map[string]uint32{}
}

// dictLimit is how many keys a batch holds at once: the receiver keeps them in memory. The format allows more.
const dictLimit = 400_000

// room empties the dictionary when so many more entries might be too many.
func (d *dictionary) room(n int) error {
	if d.w.DictLen()+n <= dictLimit {
		return nil
	}
	d.forget()
	return d.w.ResetDict()
}

// table describes a table to the batch, once.
func (d *dictionary) table(t *schema.Table) (uint32, error) {
	if n, ok := d.tables[t]; ok {
		return n, nil
	}
	bt := batch.Table{Name: t.Name, Root: t.Root.Name}
	for _, c := range t.KeyColumns {
		bt.Key = append(bt.Key, batch.Column{Name: c.Name, Kind: kind(c), Ref: c.Ref != nil})
	}
	jt := d.j.Tables[t.Name]
	var columns []*schema.Column
	if jt != nil { // otherwise it does not travel, and what does only refers to its rows
		columns = d.send(t)
	}
	for _, c := range columns {
		bit := uint8(0)
		for _, jc := range jt.Columns {
			if jc.Name == c.Name {
				bit = jc.Bit
			}
		}
		bt.Columns = append(bt.Columns, batch.Column{Name: c.Name, Kind: kind(c), Ref: c.Ref != nil, Slot: bit})
	}
	n, err := d.w.Table(bt)
	if err != nil {
		return 0, fmt.Errorf("describe the table %s: %w", t.Name, err)
	}
	d.tables[t] = n
	return n, nil
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

// byKeys answers the indexes of keys of a table's rows.
func (d *dictionary) byKeys(t *schema.Table, ks []string) ([]uint32, error) {
	root := t.Root
	known := d.named[root]
	if known == nil {
		known = map[string]uint32{}
		d.named[root] = known
	}
	var missing []string
	for _, k := range ks {
		if _, ok := known[k]; !ok {
			known[k] = 0
			missing = append(missing, k)
		}
	}
	if len(missing) > 0 {
		first, err := d.add(root, missing)
		if err != nil {
			return nil, err
		}
		for i, k := range missing {
			known[k] = first + uint32(i)
		}
	}
	out := make([]uint32, len(ks))
	for i, k := range ks {
		out[i] = known[k]
	}
	return out, nil
}

// add writes keys of a root table's rows and answers the index of the first.
func (d *dictionary) add(root *schema.Table, ks []string) (uint32, error) {
	n, err := d.table(root)
	if err != nil {
		return 0, err
	}
	split := make([][]*string, len(ks))
	for i, k := range ks {
		parts, ok := journal.SplitKey(k, len(root.KeyColumns))
		if !ok {
			return 0, fmt.Errorf("the journal holds a key of %s that has not %d parts", root.Name, len(root.KeyColumns))
		}
		split[i] = parts
	}
	values := make([]batch.Values, len(root.KeyColumns))
	for p, c := range root.KeyColumns {
		if c.Ref == nil {
			values[p].Bytes = make([][]byte, len(ks))
			for i := range ks {
				if s := split[i][p]; s != nil {
					values[p].Bytes[i] = []byte(*s)
				}
			}
			continue
		}
		values[p].Refs = make([]uint32, len(ks))
		var of []string
		var at []int
		for i := range ks {
			if s := split[i][p]; s != nil {
				of, at = append(of, *s), append(at, i)
			}
		}
		refs, err := d.byKeys(c.Ref.To, of)
		if err != nil {
			return 0, err
		}
		for j, i := range at {
			values[p].Refs[i] = refs[j]
		}
	}
	return d.w.Keys(n, values)
}

// own answers the indexes of rows that were just read, and takes their keys into the dictionary. A row with the key ""
// has none: 0.
func (d *dictionary) own(t *schema.Table, rows []journal.Row, ks []string) ([]uint32, error) {
	if t.Integer == nil {
		return d.byKeys(t, ks)
	}
	ints := d.page(d.ints, t.Root)
	var missing []string
	var at []int
	for i, r := range rows {
		if ks[i] != "" && ints.get(r.Int) < batch.FirstRef {
			missing, at = append(missing, ks[i]), append(at, i)
		}
	}
	if len(missing) > 0 {
		first, err := d.add(t.Root, missing)
		if err != nil {
			return nil, err
		}
		for j, i := range at {
			ints.set(rows[i].Int, first+uint32(j))
		}
	}
	out := make([]uint32, len(rows))
	for i, r := range rows {
		if ks[i] != "" {
			out[i] = ints.get(r.Int)
			if t != t.Root {
				d.page(d.exists, t).set(r.Int, 1)
			}
		}
	}
	return out, nil
}

func (d *dictionary) page(of map[*schema.Table]*paged, t *schema.Table) *paged {
	p := of[t]
	if p == nil {
		p = &paged{pages: map[int64]*[pageSize]uint32{}}
		of[t] = p
	}
	return p
}

// learn looks up the keys of the rows that references hold, where the dictionary does not have them. What finds no row
// is nowhere: such rows exist, from times when foreign keys were off, and must not stop an export.
func (d *dictionary) learn(ctx context.Context, t *schema.Table, values []string) error {
	ints := d.page(d.ints, t.Root)
	var look, check []journal.Row
	seen := map[int64]bool{}
	for _, v := range values {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || seen[n] {
			continue
		}
		seen[n] = true
		if ints.get(n) == 0 {
			look = append(look, journal.Row{Int: n})
		} else if t != t.Root && d.page(d.exists, t).get(n) == 0 {
			check = append(check, journal.Row{Int: n})
		}
	}
	found, err := rowkey.Of(ctx, d.q, t, look)
	if err != nil {
		return err
	}
	var rows []journal.Row
	var ks []string
	for _, r := range look {
		if k := found[r]; k != "" {
			rows, ks = append(rows, r), append(ks, k)
		} else if t == t.Root {
			ints.set(r.Int, batch.RefNowhere)
		} else {
			d.page(d.exists, t).set(r.Int, 2)
		}
	}
	if _, err := d.own(t, rows, ks); err != nil {
		return err
	}
	found, err = rowkey.Of(ctx, d.q, t, check)
	if err != nil {
		return err
	}
	for _, r := range check {
		yes := uint32(2)
		if found[r] != "" {
			yes = 1
		}
		d.page(d.exists, t).set(r.Int, yes)
	}
	return nil
}

// index answers what a reference's value travels as, once learn was told of it.
func (d *dictionary) index(t *schema.Table, value []byte) uint32 {
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return batch.RefNowhere
	}
	if t != t.Root && d.page(d.exists, t).get(n) != 1 {
		return batch.RefNowhere
	}
	if i := d.page(d.ints, t.Root).get(n); i != 0 {
		return i
	}
	return batch.RefNowhere
}

// paged is a sparse array: local integers come in runs.
type paged struct{ pages map[int64]*[pageSize]uint32 }

const pageSize = 1 << 12

func (p *paged) get(i int64) uint32 {
	if pg := p.pages[i>>12]; pg != nil {
		return pg[i&(pageSize-1)]
	}
	return 0
}

func (p *paged) set(i int64, v uint32) {
	pg := p.pages[i>>12]
	if pg == nil {
		pg = new([pageSize]uint32)
		p.pages[i>>12] = pg
	}
	pg[i&(pageSize-1)] = v
}
