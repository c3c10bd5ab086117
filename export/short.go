package export

import (
	"context"
	"strings"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// unnamed is rows of a root table that are not in the dictionary yet: known is what they are known by; nil: it is read where it is needed.
type unnamed struct {
	rows  []journal.Row
	keys  []string
	known []merge.Row
}

// shortened is which of some keys are named by their beginnings.
type shortened struct {
	uuids, texts, rest []int // places of the keys
	width              int   // bytes of each of uuids
}

// shorten settles which keys of rows of a root table go as their beginnings: those of rows that the peer surely has, where no other row here begins in
// the same way.
func (d *dictionary) shorten(ctx context.Context, root *schema.Table, missing unnamed) (s shortened, err error) {
	t := d.plan.known[root]
	var had []bool
	if d.short != nil && t != nil && rowkey.MayBegin(root) && d.short.ShortLen()+len(missing.keys) <= batch.MaxShortKeys {
		if had, err = d.had(ctx, t, missing); err != nil {
			return s, err
		}
	}
	if had == nil {
		had = make([]bool, len(missing.keys))
	}
	canonical := make([][]byte, len(missing.keys))
	uuids := 0
	for i, key := range missing.keys {
		if had[i] && d.plan.theirs(root, key) == key && sameSpelling(root.KeyColumns[0], key) {
			canonical[i] = []byte(journal.Canonical(root, key))
			if _, ok := batch.ShortName(canonical[i], batch.ShortWidth(1)); ok {
				uuids++
			}
		}
	}
	s.width = batch.ShortWidth(uuids)
	names := beginnings{rows: map[string]int{}}
	of := make([]string, len(canonical))
	for i, key := range canonical {
		prefix, ok := batch.ShortName(key, s.width)
		if !ok {
			prefix, ok = batch.ShortName(key, 0)
		}
		if ok {
			of[i] = string(prefix)
			names.Add(prefix)
		}
	}
	if err := names.count(ctx, d.plan, root); err != nil {
		return s, err
	}
	for i, key := range canonical {
		_, isUUID := batch.ShortName(key, s.width)
		switch {
		case of[i] == "" || names.rows[of[i]] != 1:
			s.rest = append(s.rest, i)
		case isUUID:
			s.uuids = append(s.uuids, i)
		default:
			s.texts = append(s.texts, i)
		}
	}
	return s, nil
}

// sameSpelling reports whether a key is found by what it is in small letters: whoever tells small letters from capitals looks for all small ones and all
// capitals.
func sameSpelling(c *schema.Column, key string) bool {
	return !c.TellsCase() || key == strings.ToLower(key) || key == strings.ToUpper(key)
}

// had returns which of some rows the peer surely has; nil: none.
func (d *dictionary) had(ctx context.Context, t *table, missing unnamed) ([]bool, error) {
	p, rows, known := d.plan, missing.rows, missing.known
	if t.lost || t.owed != 0 || !t.rules.NamesShort(t.filters != nil || p.filtered(t.Table)) {
		return nil, nil
	}
	if known == nil {
		var versions entries
		err := p.ask(func() (err error) {
			versions, err = journal.Versions(ctx, p.snap, t.meta.ID, rows, p.j.Authors)
			return err
		})
		if err != nil {
			return nil, err
		}
		sealed := p.snap.Sealed(t.Table)
		known = make([]merge.Row, len(rows))
		for i, row := range rows {
			known[i] = knownBy(sealed.Groups(row, versions[row]), t.meta.Default)
		}
	}
	var out []bool
	for i, row := range rows {
		if !p.peer.Link.SurelyHas(known[i], p.peer.ID, t.rules.SendsRow(known[i], false)) || p.unsent.has(t.Table, row) {
			continue
		}
		if out == nil {
			out = make([]bool, len(rows))
		}
		out[i] = true
	}
	return out, nil
}

// beginnings counts the rows here whose keys begin in some ways.
type beginnings struct {
	rowkey.Beginnings
	rows map[string]int // by beginning
}

// count counts the rows of a table. Where far too many begin so, as keys that count up do, none of the beginnings is of one row.
func (b *beginnings) count(ctx context.Context, p *plan, t *schema.Table) error {
	if len(b.Texts) == 0 {
		return nil
	}
	whole := false
	err := p.ask(func() (err error) {
		whole, err = rowkey.Beginning(ctx, p.snap, t, b.Texts, rowkey.Limit(len(b.Texts)), func(key string) {
			b.Each(key, func(text string) { b.rows[text]++ })
		})
		return err
	})
	if !whole {
		clear(b.rows)
	}
	return err
}

// addMissing writes keys of a root table's rows and returns the index of each.
func (d *dictionary) addMissing(ctx context.Context, root *schema.Table, missing unnamed) ([]uint32, error) {
	s, err := d.shorten(ctx, root, missing)
	if err != nil {
		return nil, err
	}
	out := make([]uint32, len(missing.keys))
	if len(s.rest) > 0 {
		rest := make([]string, len(s.rest))
		for n, i := range s.rest {
			rest[n] = missing.keys[i]
		}
		first, err := d.add(root, rest)
		if err != nil {
			return nil, err
		}
		numberFrom(out, s.rest, first)
	}
	if err := d.addShort(root, missing.keys, s.uuids, s.width, out); err != nil {
		return nil, err
	}
	return out, d.addShort(root, missing.keys, s.texts, 0, out)
}

// addShort writes the beginnings of those keys that have these places, and puts the index of each into out.
func (d *dictionary) addShort(root *schema.Table, keys []string, at []int, width int, out []uint32) error {
	if len(at) == 0 {
		return nil
	}
	table, err := d.number(root)
	if err != nil {
		return err
	}
	whole := make([][]byte, len(at))
	for n, i := range at {
		whole[n] = []byte(journal.Canonical(root, keys[i]))
	}
	first, err := d.short.ShortKeys(table, whole, width)
	numberFrom(out, at, first)
	return err
}

// numberFrom gives places indexes that count from first.
func numberFrom(out []uint32, at []int, first uint32) {
	for n, i := range at {
		out[i] = first + uint32(n)
	}
}
