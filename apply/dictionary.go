package apply

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// entry is a key of the batch's dictionary, and the row here that it was found to be. There are hundreds of thousands.
type entry struct {
	root    *localTable // nil: the table is not here
	key     string      // as the sender has it
	integer int64       // of the row here
	rare    *rare       // nil for most
	refs    refs
	state   entryState
	lacks   bool // a part that must be there is NULL: it is no row's key
	aliased bool // the sender has another key for the row: see own
	asked   bool // something referred to the row, and it was here
}

// rare is what only entries have without an integer, or of a table to which others refer by name, once their row was found.
type rare struct {
	local string // its local key
	name  string // of a row that is referred to by name: its name as it is here
	named bool
	far   string // of a row whose table is not here: the table; all such entries of an item share this
}

// far returns the table of a row whose table is not here, "" if it is not known.
func (e *entry) far() string {
	if e.root != nil || e.rare == nil {
		return ""
	}
	return e.rare.far
}

// refs says where a dictionary keeps the parts of a key that are keys themselves. Without any, it is zero.
type refs struct {
	page uint32
	at   uint16
	n    uint16
}

// entryState is what was found out about an entry.
type entryState uint8

const (
	unknown entryState = iota // it was not looked for
	here
	nowhere // not here so far; the batch may still bring it
	coming  // nor, but its row is in the block under way
	written // nor, but the server is at work on an INSERT of its row
)

// canonical is the key in the form in which the journal keeps it.
func (e *entry) canonical() string { return journal.Canonical(e.root.Table, e.key) }

func (e *entry) name() []byte {
	if e.rare == nil || !e.rare.named {
		return nil
	}
	return []byte(e.rare.name)
}

// maxFound is how many bytes of local keys and names the dictionary holds beside the keys. Where each is about as long as its key, it
// is not reached, however many keys there are.
const maxFound = batch.MaxDictBytes

// shared returns a text, which is the entry's key itself where they are equal: nearly always. What is not counts as held.
func (d *dictionary) shared(e *entry, s string) string {
	if s == e.key {
		return e.key
	}
	d.found += len(s)
	return s
}

// note notes which row here an entry is.
func (d *dictionary) note(e *entry, row journal.Row, name [][]byte) error {
	e.state, e.integer = here, row.Int
	if e.root.Integer != nil && !e.root.byName {
		return nil
	}
	if e.rare == nil {
		e.rare = &rare{}
		d.found += 64
	}
	for _, before := range []string{e.rare.local, e.rare.name} {
		if before != e.key {
			d.found -= len(before)
		}
	}
	e.rare.local = d.shared(e, row.Key)
	if len(name) == 1 {
		e.rare.name, e.rare.named = d.shared(e, string(name[0])), name[0] != nil
	}
	if d.found > maxFound {
		return batch.Excess("its keys are of rows whose names have more than %d bytes", maxFound)
	}
	return nil
}

// inherited is what a row has in common with the ancestor whose key it has: the integer, or the name where there is none.
type inherited struct {
	integer int64
	name    string
}

// inherited returns what the entry's row, which is here, shares with those that have its key.
func (e *entry) inherited() inherited {
	if e.root.Integer == nil {
		return inherited{name: string(e.name())}
	}
	return inherited{integer: e.integer}
}

func (s inherited) value(l *localTable) []byte {
	if l.Root.Integer == nil {
		return []byte(s.name)
	}
	return strconv.AppendInt(nil, s.integer, 10)
}

// dictionary is a list of entries in pages: growing it copies nothing, and emptying it frees what they hold and not the pages. A
// batch may empty it very often.
type dictionary struct {
	pages   [][]entry
	n       int
	parts   [][]uint32         // pages of the parts that are keys
	targets map[uint32]*target // of entries, as they were asked for
	found   int                // bytes of what was found of the rows here
	kept    kept
}

// kept are rows that entries of before the dictionary was emptied were found to be and that something referred to: what comes next refers to
// most of them again. They are locked, or of this import.
type kept struct {
	integers map[*localTable]map[string]int64 // of root tables, by key
	size     int                              // bytes of it, about
}

// maxKept is how many bytes of rows are kept, and keptCost what one takes beside its key.
const maxKept, keptCost = 12 << 20, 64

// keep takes in an entry.
func (k *kept) keep(e *entry) {
	if !e.asked || e.state != here || e.rare != nil || e.refs.n > 0 || k.size > maxKept {
		return
	}
	of := k.integers[e.root]
	if of == nil {
		if k.integers == nil {
			k.integers = map[*localTable]map[string]int64{}
		}
		of = map[string]int64{}
		k.integers[e.root] = of
	}
	if _, ok := of[e.key]; !ok {
		k.size += keptCost + len(e.key)
	}
	of[e.key] = e.integer
}

const (
	dictShift = 12
	dictPage  = 1 << dictShift
	partsPage = 1 << 14 // a key has batch.MaxColumns parts at most
)

// add returns the index of the new entry.
func (d *dictionary) add(e entry) uint32 {
	if d.n>>dictShift == len(d.pages) {
		d.pages = append(d.pages, make([]entry, dictPage))
	}
	d.pages[d.n>>dictShift][d.n&(dictPage-1)] = e
	d.n++
	return uint32(d.n-1) + batch.FirstRef
}

// reset empties the dictionary, and keeps what is likely to be asked for again.
func (d *dictionary) reset() {
	for i := 0; i < d.n; i += dictPage {
		page := d.pages[i>>dictShift][:min(dictPage, d.n-i)]
		for n := range page {
			d.kept.keep(&page[n])
		}
		clear(page)
	}
	d.n, d.found = 0, 0
	if len(d.parts) > 0 {
		d.parts = d.parts[:1]
		d.parts[0] = d.parts[0][:0]
	}
	clear(d.targets)
}

// keep takes in the parts of a key that are keys, parallel to its columns.
func (d *dictionary) keep(parts []uint32) refs {
	last := len(d.parts) - 1
	if last < 0 || len(d.parts[last])+len(parts) > partsPage {
		d.parts = append(d.parts, make([]uint32, 0, partsPage))
		last++
	}
	at := len(d.parts[last])
	d.parts[last] = append(d.parts[last], parts...)
	return refs{uint32(last), uint16(at), uint16(len(parts))}
}

// refs returns the parts of an entry's key that are keys themselves, parallel to the key columns, 0 for the others; nil if none is.
func (d *dictionary) refs(e *entry) []uint32 {
	if e.refs.n == 0 {
		return nil
	}
	return d.parts[e.refs.page][e.refs.at : e.refs.at+e.refs.n]
}

// at returns the entry of an index.
func (d *dictionary) at(i uint32) *entry {
	i -= batch.FirstRef
	return &d.pages[i>>dictShift][i&(dictPage-1)]
}

// addKeys takes keys into the dictionary.
func (v *resolver) addKeys(i *batch.KeysItem) error {
	t := v.sent[i.Table]
	root := t.keys
	var values []batch.Values // of the parts, in the order here
	if root != nil {
		if root.Root != root.Table {
			return fmt.Errorf("%w: keys of %s are keys of %s", batch.ErrCorrupt, t.Name, t.Root)
		}
		values = make([]batch.Values, len(i.Parts))
		for p, c := range root.KeyColumns {
			values[p] = i.Parts[t.keyAt[p]]
			if err := checkPlain(c, values[p]); err != nil {
				return err
			}
		}
	}
	if root == nil {
		v.addFarKeys(t, i)
		return nil
	}
	parts, refs := make([]*string, len(i.Parts)), make([]uint32, len(i.Parts))
	first := uint32(v.keys.n) + batch.FirstRef
	for n := range i.N {
		if err := v.addKey(root, values, n, parts, refs); err != nil {
			return err
		}
	}
	return v.reserveFrom(first)
}

// addFarKeys takes in keys of a table that is not here: what refers to such rows waits for the table, and holds the key until then. A key of
// several parts, or one that is another row's, is none that a column refers to: nothing will ask for more than that it is there.
func (v *resolver) addFarKeys(t *sentTable, i *batch.KeysItem) {
	table := &rare{far: t.Root}
	for n := range i.N {
		e := entry{rare: table}
		if len(i.Parts) == 1 && i.Parts[0].Refs == nil {
			if b := i.Parts[0].Bytes[n]; b != nil {
				key := string(b)
				e.key = journal.JoinKey([]*string{&key})
			}
		}
		v.keys.add(e)
	}
}

// addKey takes in the nth key. parts and refs are room for its parts.
func (v *resolver) addKey(root *localTable, values []batch.Values, n int, parts []*string, refs []uint32) error {
	e := entry{root: root}
	composed := false
	for p, of := range values {
		parts[p], refs[p] = nil, 0
		if of.Refs == nil {
			if b := of.Bytes[n]; b != nil {
				s := string(b)
				parts[p] = &s
			}
			continue
		}
		composed = true
		if r := of.Refs[n]; r >= batch.FirstRef {
			if err := v.checkTarget(root.KeyColumns[p], r); err != nil {
				return corruptKey(root, err)
			}
			refs[p] = r
			parts[p] = &v.keys.at(r).key
			e.lacks = e.lacks || v.keys.at(r).lacks
		}
	}
	if composed {
		e.refs = v.keys.keep(refs)
	}
	e.key = journal.JoinKey(parts)
	if root.Key != schema.KeyAll {
		e.lacks = e.lacks || slices.Contains(parts, nil)
	}
	if !e.lacks {
		e.key, e.aliased = v.own(root, e.key)
		if n, ok := v.keys.kept.integers[root][e.key]; ok {
			e.state, e.integer = here, n
		}
	}
	v.keys.add(e)
	return nil
}

// checkKeys makes sure that rows of a table have keys of its kind, whole ones: a row whose key is NULL stays where it is.
func (v *resolver) checkKeys(l *localTable, keys []uint32) error {
	for _, i := range keys {
		e := v.keys.at(i)
		if e.root == nil || e.root.Table != l.Root {
			return fmt.Errorf("%w: a row of %s has the key of something else", batch.ErrCorrupt, l.Name)
		}
		if e.lacks {
			return fmt.Errorf("%w: a part of a key of %s is NULL", batch.ErrCorrupt, l.Name)
		}
		if len(e.key) > batch.MaxKey/utf8.UTFMax && len(e.canonical()) > batch.MaxKey { // letters of other scripts may be longer in lower case
			return batch.Excess("a key of %s has more than %d bytes in lower case", l.Name, batch.MaxKey)
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
func (v *resolver) checkTarget(c *schema.Column, r uint32) error {
	e := v.keys.at(r)
	if e.lacks {
		return fmt.Errorf("%w: %s.%s refers to a row by a key of which a part is NULL", batch.ErrCorrupt, c.Table.Name, c.Name)
	}
	root := e.root
	if root == nil || c.Ref == nil || c.Ref.When == nil && c.Ref.To.Root == root.Root {
		return nil
	}
	if c.Ref.When != nil {
		for _, t := range c.Ref.Targets() {
			if t.Root == root.Root {
				return nil
			}
		}
	}
	return &otherTable{c, root}
}

// corruptKey is the error of a key that is made of keys which its columns cannot have.
func corruptKey(l *localTable, err error) error {
	var other *otherTable
	if errors.As(err, &other) {
		return fmt.Errorf("%w: a key of %s is made of one of %s", batch.ErrCorrupt, l.Name, other.there.Name)
	}
	return err
}

// otherTable means that a column refers to another table at the sender: the two sides have different versions of the schema.
type otherTable struct {
	column *schema.Column
	there  *localTable
}

func (e *otherTable) Error() string {
	return fmt.Sprintf("the schemas differ: its %s refers to %s at the sender, and here it does not: the row is applied once both sides have the same version of the application",
		e.column.Name, e.there.Name)
}
