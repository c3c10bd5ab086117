package export

import (
	"context"
	"slices"
	"strconv"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// addRows returns the indexes of rows that were just read, and takes their keys into the dictionary. A row with the key "" has none: 0. known is what
// the rows are known by; nil: that is read where it is needed.
func (d *dictionary) addRows(ctx context.Context, t *schema.Table, rows []journal.Row, keys []string, known []merge.Row) ([]uint32, error) {
	if t.Integer == nil {
		return d.addNamed(t, keys)
	}
	byInteger := d.byInteger.of(t.Root)
	var missing unnamed
	for i, r := range rows {
		if keys[i] != "" && byInteger.get(r.Int) < batch.FirstRef {
			missing.rows, missing.keys = append(missing.rows, r), append(missing.keys, keys[i])
			if known != nil && t == t.Root {
				missing.known = append(missing.known, known[i])
			}
		}
	}
	if len(missing.keys) > 0 {
		indexes, err := d.addMissing(ctx, t.Root, missing)
		if err != nil {
			return nil, err
		}
		for i, r := range missing.rows {
			byInteger.set(r.Int, indexes[i])
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
	return d.takeIn(ctx, t, unread, unchecked)
}

// takeIn takes in what unknownRows returned.
func (d *dictionary) takeIn(ctx context.Context, t *schema.Table, unread, unchecked []journal.Row) error {
	if len(unread)+len(unchecked) == 0 {
		return nil
	}
	found, err := d.keysOf(ctx, t, unread)
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
	if _, err := d.addRows(ctx, t, rows, keys, nil); err != nil {
		return err
	}
	if found, err = d.keysOf(ctx, t, unchecked); err != nil {
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

// keysOf returns the keys of some rows: see [rowkey.Of].
func (d *dictionary) keysOf(ctx context.Context, t *schema.Table, rows []journal.Row) (keys map[journal.Row]string, err error) {
	if len(rows) == 0 {
		return nil, nil
	}
	err = d.plan.ask(func() error {
		keys, err = rowkey.Of(ctx, d.plan.snap, t, rows)
		return err
	})
	return keys, err
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
