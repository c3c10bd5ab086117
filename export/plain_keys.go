package export

import (
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// asRead takes the rows' keys into a dictionary as they were read, without making texts of them, and returns their indexes; nil if they are not to be
// taken as they are.
func (p *plan) asRead(d *dictionary, t *table, rows *portion) ([]uint32, error) {
	switch {
	case t.Integer == nil || d.short != nil: // short keys are made of texts
	case t.Key == schema.KeyParent:
		return d.inherited(t.Table, rows.rows), nil
	case t.Key == schema.KeyUUID && !p.aliases.Any(t.meta.ID) && plainKeys(rows.key[0]):
		return d.addPlain(t.Table, rows.rows, rows.key[0])
	}
	return nil, nil
}

// addPlain is addRows for rows that have integers, and keys of one text as they were read.
func (d *dictionary) addPlain(t *schema.Table, rows []journal.Row, keys [][]byte) ([]uint32, error) {
	byInteger, out := d.byInteger.of(t), make([]uint32, len(rows))
	var missing [][]byte
	var at []int
	for i, r := range rows {
		if out[i] = byInteger.get(r.Int); out[i] < batch.FirstRef {
			if missing == nil { // mostly all are
				missing, at = make([][]byte, 0, len(rows)-i), make([]int, 0, len(rows)-i)
			}
			missing, at = append(missing, keys[i]), append(at, i)
		}
	}
	if len(missing) == 0 {
		return out, nil
	}
	n, err := d.number(t)
	if err != nil {
		return nil, err
	}
	first, err := d.w.Keys(n, []batch.Values{{Bytes: missing}})
	if err != nil {
		return nil, err
	}
	for j, i := range at {
		out[i] = first + uint32(j)
		byInteger.set(rows[i].Int, out[i])
	}
	return out, nil
}

// inherited returns the indexes of rows that have the keys of others, which the dictionary holds all; nil if it does not.
func (d *dictionary) inherited(t *schema.Table, rows []journal.Row) []uint32 {
	byInteger, parent, out := d.byInteger.of(t.Root), t.KeyColumns[0].Ref.To, make([]uint32, len(rows))
	for i, r := range rows {
		if out[i] = byInteger.get(r.Int); out[i] < batch.FirstRef || parent != t.Root && d.exists.of(parent).get(r.Int) != present {
			return nil
		}
	}
	exists := d.exists.of(t)
	for _, r := range rows {
		exists.set(r.Int, present)
	}
	return out
}

// plainKeys reports whether values are keys as they are: none is NULL, empty or very long.
func plainKeys(values [][]byte) bool {
	for _, v := range values {
		if len(v) == 0 || len(v) > batch.MaxKey/2 {
			return false
		}
	}
	return true
}
