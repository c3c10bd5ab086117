package apply

import (
	"bytes"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
)

// entry is a key of the batch's dictionary, and the row here that it was found to be. There are hundreds of thousands.
type entry struct {
	root  *local // nil: the table is not here
	key   string // as the sender has it
	num   int64  // the row's integer here
	more  *more  // nil for most
	state uint8
	lacks bool // a part that must be there is NULL: it is no row's key
}

// more is what only few entries have.
type more struct {
	refs  []uint32 // parts of the key that are keys themselves, parallel to the key columns; 0 for the others
	local string   // local key of a row without an integer
	name  []byte   // of a row that is referred to by name: its name as it is here
}

const (
	unknown uint8 = iota
	here
	nowhere // not here so far; the batch may still bring it
)

// canonical is the key in the form in which the journal keeps it.
func (e *entry) canonical() string { return journal.Canonical(e.root.Table, e.key) }

func (e *entry) refs() []uint32 {
	if e.more == nil {
		return nil
	}
	return e.more.refs
}

func (e *entry) name() []byte {
	if e.more == nil {
		return nil
	}
	return e.more.name
}

// settle notes which row here the entry is.
func (e *entry) settle(row journal.Row, name [][]byte) {
	e.state, e.num = here, row.Int
	if e.root.Integer != nil {
		return
	}
	if e.more == nil {
		e.more = &more{}
	}
	e.more.local = row.Key
	if len(name) == 1 {
		e.more.name = bytes.Clone(name[0])
	}
}

// dictionary is a list of entries in pages: growing it copies nothing.
type dictionary struct {
	pages [][]entry
	n     int
}

const dictPage = 1 << 12

func (d *dictionary) add(e entry) {
	if d.n>>12 == len(d.pages) {
		d.pages = append(d.pages, make([]entry, dictPage))
	}
	d.pages[d.n>>12][d.n&(dictPage-1)] = e
	d.n++
}

func (d *dictionary) reset() { d.pages, d.n = nil, 0 }

// at answers the entry of an index.
func (d *dictionary) at(i uint32) *entry {
	i -= batch.FirstRef
	return &d.pages[i>>12][i&(dictPage-1)]
}
