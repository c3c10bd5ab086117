package harmonise

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/match"
	"github.com/omsync/omsync/schema"
)

// MaxBytes bounds what is held of one side, in bytes of keys and values.
const MaxBytes = 512 << 20

// errTooMuch means that a side is too much to compare.
var errTooMuch = errors.New("it holds more than 512 MiB to compare: let the peer make a file for matching alone (omsync export --match), with a profile that has fewer natural keys")

// raw is what was read of one side, by table.
type raw struct {
	tables map[*schema.Table]*rawTable
	bytes  int
}

// rawTable is rows as they were read. Columns are the database's own, in the order of the plan.
type rawTable struct {
	columns map[*schema.Column]int // place of a column's values; a column that the source does not have is not there
	rows    []rawRow
	byKey   map[string]int // place of a row; nil unless rows may come again
}

// rawRow is the key and the values of a row: nil is NULL, and of references the keys of what they refer to.
type rawRow struct {
	key    string
	values []*string
}

func newRaw() *raw { return &raw{tables: map[*schema.Table]*rawTable{}} }

// add takes a row; one that came before is replaced if the table says that this may be.
func (r *raw) add(t *rawTable, row rawRow) error {
	r.bytes += len(row.key) + 64
	for _, v := range row.values {
		r.bytes += 8
		if v != nil {
			r.bytes += len(*v) + 16
		}
	}
	if r.bytes > MaxBytes {
		return errTooMuch
	}
	if t.byKey != nil {
		if at, again := t.byKey[row.key]; again {
			t.rows[at] = row
			return nil
		}
		t.byKey[row.key] = len(t.rows)
	}
	t.rows = append(t.rows, row)
	return nil
}

// value returns the value of a row's column, and whether the source has it.
func (t *rawTable) value(row *rawRow, c *schema.Column) (*string, bool) {
	at, ok := t.columns[c]
	if !ok {
		return nil, false
	}
	return row.values[at], true
}

// has reports whether the source has these columns.
func (t *rawTable) has(columns ...*schema.Column) bool {
	return !slices.ContainsFunc(columns, func(c *schema.Column) bool { _, ok := t.columns[c]; return !ok })
}

// side makes what is compared of what was read. What a source does not have makes no keys.
func (p *Plan) side(node string, r *raw) *match.Side {
	s := &match.Side{Node: node}
	labels := map[*schema.Table]map[string]string{} // by root
	for _, t := range p.tables {
		source := r.tables[t]
		if source == nil {
			continue
		}
		out := &match.Table{Name: t.Name, Root: t.Root.Name, Sends: p.sends[t], Rows: make([]match.Row, len(source.rows))}
		place := make(map[string]int, len(source.rows))
		for i := range source.rows {
			out.Rows[i].Key = source.rows[i].key
			place[source.rows[i].key] = i
		}
		p.addComposed(t, out)
		for _, k := range p.keys[t] {
			p.addNatural(r, k, out, place)
		}
		for _, columns := range p.unique[t] {
			addUnique(source, columns, out)
		}
		p.addLabels(r, t, out, place, labels)
		s.Tables = append(s.Tables, out)
	}
	return s
}

// roots returns for each column the root of the table that it refers to.
func roots(columns []*schema.Column) []string {
	out := make([]string, len(columns))
	for i, c := range columns {
		if c.Ref != nil && c.Ref.When == nil {
			out[i] = c.Ref.To.Root.Name
		}
	}
	return out
}

// addComposed takes apart keys that are made of the keys of other rows.
func (p *Plan) addComposed(t *schema.Table, out *match.Table) {
	if t.Root != t || !slices.ContainsFunc(t.KeyColumns, func(c *schema.Column) bool { return c.Ref != nil }) {
		return
	}
	out.KeyRefs = roots(t.KeyColumns)
	for i := range out.Rows {
		if parts, ok := journal.SplitKey(out.Rows[i].Key, len(t.KeyColumns)); ok {
			out.Rows[i].KeyParts = parts
		}
	}
}

// maxNatural is how many natural keys of one kind a row has at most. A concept has some ten names and mappings.
const maxNatural = 200

// addNatural adds a natural key to the rows of a table.
func (p *Plan) addNatural(r *raw, k *schema.NaturalKey, out *match.Table, place map[string]int) {
	of := r.tables[k.Of]
	if of == nil || !of.has(k.Columns...) || k.By != nil && k.By.Ref != nil && !of.has(k.By) {
		return
	}
	out.Keys = append(out.Keys, match.Key{Name: k.Name, Refs: roots(k.Columns), Only: k.Only, Certain: k.Certain, Supports: k.Supports})
	for i := range out.Rows {
		out.Rows[i].Natural = append(out.Rows[i].Natural, nil)
	}
	n := len(out.Keys) - 1
	of.belonging(k, func(owner string, row *rawRow) {
		if at, ok := place[owner]; ok && len(out.Rows[at].Natural[n]) < maxNatural {
			out.Rows[at].Natural[n] = append(out.Rows[at].Natural[n], of.parts(row, k.Columns))
		}
	})
}

func (t *rawTable) parts(row *rawRow, columns []*schema.Column) match.Parts {
	out := make(match.Parts, len(columns))
	for i, c := range columns {
		out[i], _ = t.value(row, c)
	}
	return out
}

// belonging calls f for each row that counts for a natural key, with the key of the row that it belongs to.
func (t *rawTable) belonging(k *schema.NaturalKey, f func(owner string, row *rawRow)) {
	for i := range t.rows {
		row, owner := &t.rows[i], t.rows[i].key
		if k.By != nil && k.By.Ref != nil {
			v, _ := t.value(row, k.By)
			if v == nil {
				continue
			}
			owner = *v
		}
		if slices.ContainsFunc(k.Where, func(f schema.Fixed) bool {
			v, known := t.value(row, f.Column)
			return known && (v == nil || *v != f.Value)
		}) {
			continue
		}
		f(owner, row)
	}
}

func addUnique(source *rawTable, columns []*schema.Column, out *match.Table) {
	if !source.has(columns...) {
		return
	}
	var names []string
	for _, c := range columns {
		names = append(names, c.Name)
	}
	out.Unique = append(out.Unique, match.Key{Name: strings.Join(names, " and "), Refs: roots(columns)})
	for i := range out.Rows {
		out.Rows[i].Unique = append(out.Rows[i].Unique, source.parts(&source.rows[i], columns))
	}
}

// addLabels says by what people know the rows. Of several rows that belong to one, the first counts.
func (p *Plan) addLabels(r *raw, t *schema.Table, out *match.Table, place map[string]int, labels map[*schema.Table]map[string]string) {
	if labels[t.Root] == nil {
		labels[t.Root] = map[string]string{}
	}
	known := labels[t.Root]
	if k := p.labels[t]; k != nil && r.tables[k.Of] != nil {
		of := r.tables[k.Of]
		of.belonging(k, func(owner string, row *rawRow) {
			at, ok := place[owner]
			if !ok || out.Rows[at].Label != "" {
				return
			}
			var words []string
			for _, c := range k.Columns {
				v, _ := of.value(row, c)
				switch {
				case v == nil:
				case c.Ref != nil && c.Ref.When == nil:
					if s := labels[c.Ref.To.Root][*v]; s != "" && !slices.Contains(words, s) {
						words = append(words, s)
					}
				case strings.TrimSpace(*v) != "" && !slices.Contains(words, *v):
					words = append(words, strings.TrimSpace(*v))
				}
			}
			out.Rows[at].Label = match.Label(strings.Join(words, " "))
		})
	}
	for i := range out.Rows {
		row := &out.Rows[i]
		if row.Label == "" && len(t.KeyColumns) == 1 && !t.KeyColumns[0].UUIDColumn && t.KeyColumns[0].Ref == nil {
			row.Label = match.Label(row.Key) // a name
		}
		known[row.Key] = cmp.Or(known[row.Key], row.Label)
		row.Label = cmp.Or(row.Label, known[row.Key])
	}
}
