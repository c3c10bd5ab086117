package apply

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

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
	state   entryState
	lacks   bool // a part that must be there is NULL: it is no row's key
}

// rare is what only few entries have.
type rare struct {
	refs  []uint32 // parts of the key that are keys themselves, parallel to the key columns; 0 for the others
	local string   // local key of a row without an integer
	name  []byte   // of a row that is referred to by name: its name as it is here
}

// entryState is what was found out about an entry.
type entryState uint8

const (
	unknown entryState = iota // it was not looked for
	here
	nowhere // not here so far; the batch may still bring it
)

// canonical is the key in the form in which the journal keeps it.
func (e *entry) canonical() string { return journal.Canonical(e.root.Table, e.key) }

func (e *entry) refs() []uint32 {
	if e.rare == nil {
		return nil
	}
	return e.rare.refs
}

func (e *entry) name() []byte {
	if e.rare == nil {
		return nil
	}
	return e.rare.name
}

// found notes which row here the entry is.
func (e *entry) found(row journal.Row, name [][]byte) {
	e.state, e.integer = here, row.Int
	if e.root.Integer != nil {
		return
	}
	if e.rare == nil {
		e.rare = &rare{}
	}
	e.rare.local = row.Key
	if len(name) == 1 {
		e.rare.name = bytes.Clone(name[0])
	}
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

// dictionary is a list of entries in pages: growing it copies nothing.
type dictionary struct {
	pages [][]entry
	n     int
}

const (
	dictShift = 12
	dictPage  = 1 << dictShift
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

func (d *dictionary) reset() { d.pages, d.n = nil, 0 }

// at returns the entry of an index.
func (d *dictionary) at(i uint32) *entry {
	i -= batch.FirstRef
	return &d.pages[i>>dictShift][i&(dictPage-1)]
}

// addKeys takes keys into the dictionary.
func (v *resolver) addKeys(i *batch.KeysItem) error {
	t := v.sent[i.Table]
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
	for n := range i.N {
		if err := v.addKey(root, i.Parts, n, parts); err != nil {
			return err
		}
	}
	return nil
}

// addKey takes in the nth key. parts is room for its parts.
func (v *resolver) addKey(root *localTable, values []batch.Values, n int, parts []*string) error {
	e := entry{root: root}
	for p, of := range values {
		parts[p] = nil
		if of.Refs == nil {
			if b := of.Bytes[n]; b != nil {
				s := string(b)
				parts[p] = &s
			}
			continue
		}
		if e.rare == nil {
			e.rare = &rare{refs: make([]uint32, len(values))}
		}
		if r := of.Refs[n]; r >= batch.FirstRef {
			if root != nil {
				if err := v.checkTarget(root.KeyColumns[p], r); err != nil {
					return err
				}
			}
			e.rare.refs[p] = r
			parts[p] = &v.keys.at(r).key
			e.lacks = e.lacks || v.keys.at(r).lacks
		}
	}
	e.key = journal.JoinKey(parts)
	if root != nil && root.Key != schema.KeyAll {
		e.lacks = e.lacks || slices.Contains(parts, nil)
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
		for _, t := range c.Ref.When.Targets {
			if t.Root == root.Root {
				return nil
			}
		}
	}
	return fmt.Errorf("%w: %s.%s refers to a row of %s", batch.ErrCorrupt, c.Table.Name, c.Name, root.Name)
}
