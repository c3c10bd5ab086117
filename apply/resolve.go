package apply

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/omsync/omsync/apply/reserve"
	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// resolver knows which row here is meant by what a batch says: its dictionary of keys, the tables as the batch describes them and
// as they are here, and what was found of their rows. Every row that it finds is locked to the commit.
type resolver struct {
	j       *journal.Journal
	s       *session
	reserve *reserve.Import
	peer    *journal.Peer // the sender
	stamper merge.Stamper // of what the application changed and no seal has stamped yet
	notes   *notes
	mask    func(word uint64) merge.Mask // what a mask of the batch means, in its slots

	sent      map[uint32]*sentTable  // by number in the batch
	local     map[string]*localTable // by name
	exchanged []*localTable          // those of them that are exchanged, as they came up
	keys      dictionary
	aside     *asides                  // rows that cannot be applied, nor come back
	waiting   map[uint16]*waitingTable // tables of which versions of the sender's rows wait
	aliases   *journal.Aliases
	present   map[*localTable]map[inherited]bool // rows that have their ancestor's key

	carries    bool               // see merge.Import.Carries
	scoped     bool               // the rules of scopes look at each row
	newAliases []journal.Alias    // not stored yet
	stayedAway map[rowName]string // why rows that were deleted here did not come back
}

func newResolver(l *peerLink) *resolver {
	return &resolver{j: l.j, s: l.s, reserve: l.reserve, peer: l.peer, stamper: merge.Stamper{Self: l.j.Self, Epoch: l.epoch.Epoch}, notes: l.notes, aliases: l.aliases,
		mask: merge.Bits, sent: map[uint32]*sentTable{}, waiting: map[uint16]*waitingTable{}, local: map[string]*localTable{}, present: map[*localTable]map[inherited]bool{}, stayedAway: map[rowName]string{}}
}

// resolve finds the rows of dictionary entries here, locked against deletion.
func (v *resolver) resolve(ctx context.Context, keys []uint32) error {
	var roots []*localTable
	todo := map[*localTable][]uint32{}
	for _, i := range keys {
		e := v.keys.at(i)
		if e.state == written {
			if err := v.s.finish(ctx); err != nil {
				return err
			}
		}
		if e.state != unknown {
			continue
		}
		e.state = nowhere
		if e.root == nil {
			continue
		}
		if todo[e.root] == nil {
			roots = append(roots, e.root)
		}
		todo[e.root] = append(todo[e.root], i)
	}
	for _, l := range roots {
		if err := v.touch(ctx, l); err != nil {
			return err
		}
		if l.isEmpty() {
			continue
		}
		var columns []*schema.Column
		if len(l.KeyColumns) == 1 {
			columns = l.KeyColumns
		}
		rows, err := v.find(ctx, l, todo[l], lockShared, columns)
		if err != nil {
			return err
		}
		for n, f := range rows {
			if err := v.keys.note(v.keys.at(todo[l][n]), f.row, f.values); err != nil {
				return err
			}
		}
	}
	return nil
}

// resolveParts resolves the keys that keys are made of.
func (v *resolver) resolveParts(ctx context.Context, keys []uint32) error {
	var parts []uint32
	for _, i := range keys {
		for _, r := range v.keys.refs(v.keys.at(i)) {
			if r != 0 {
				parts = append(parts, r)
			}
		}
	}
	if parts == nil {
		return nil
	}
	return v.resolve(ctx, parts)
}

// find looks for the rows of a table that have these keys, and locks them. The answer is by place in keys. For a table
// that shares its ancestor's key, the ancestors must have been resolved.
func (v *resolver) find(ctx context.Context, l *localTable, keys []uint32, lock lock, columns []*schema.Column) (map[int]found, error) {
	out := map[int]found{}
	if err := v.resolveParts(ctx, keys); err != nil {
		return nil, err
	}
	if l.Key == schema.KeyUUID && !l.KeyIndexed {
		return out, v.findUnindexed(ctx, l, keys, lock, columns, out)
	}
	at, values := v.wanted(l, keys)
	return out, v.lookUp(ctx, l, l.KeyColumns, values, lock, columns, func(n int, f found) { v.takeFound(l, keys, at, values, out, n, f) })
}

// wanted returns the values of the key columns that rows with these keys may have, and for each the place in keys.
func (v *resolver) wanted(l *localTable, keys []uint32) (at []int, values [][][]byte) {
	at, values = make([]int, 0, len(keys)), make([][][]byte, 0, len(keys))
	byUUID := l.Key == schema.KeyUUID && l.Root == l.Table
	cells, room := make([][]byte, 0, len(keys)), []byte(nil)
	for n, i := range keys {
		if byUUID { // nearly always
			if key, ok := journal.KeyPart(v.keys.at(i).key); ok {
				for _, s := range l.KeyColumns[0].Spellings(key) {
					room, cells = appendCell(room, cells, s)
					at, values = append(at, n), append(values, cells[len(cells)-1:len(cells):len(cells)])
				}
				continue
			}
		}
		if k, ok := v.keyValues(l, i); ok {
			at, values = append(at, n), append(values, k)
		}
	}
	return at, values
}

// cellRoom is how many bytes of short texts have room together.
const cellRoom = 16 << 10

// appendCell puts a text into room that texts share, and what is there of it behind cells.
func appendCell(room []byte, cells [][]byte, s string) ([]byte, [][]byte) {
	if len(s) > cap(room)-len(room) {
		room = make([]byte, 0, max(len(s), cellRoom))
	}
	room = append(room, s...)
	return room, append(cells, room[len(room)-len(s):len(room):len(room)])
}

// takeFound notes the row that was found by the nth value of wanted.
func (v *resolver) takeFound(l *localTable, keys []uint32, at []int, values [][][]byte, out map[int]found, n int, f found) {
	if !l.isRow(values[n], f.row) {
		return
	}
	if before, twice := out[at[n]]; twice && l.Key != schema.KeyAll {
		v.noteTwice(l, keys[at[n]])
		if rowkey.Compare(before.row, f.row) < 0 {
			return
		}
	}
	out[at[n]] = f
}

// isRow reports whether a row that was found is the one with these key values. Where all columns together are the key, a collation takes
// other rows for equal, which differ in small letters and capitals, say: these are rows of their own.
func (l *localTable) isRow(key [][]byte, found journal.Row) bool {
	return l.Key != schema.KeyAll || len(l.LocalColumns) != len(l.KeyColumns) || found.Key == schema.LocalKey(l.Table, key)
}

func (v *resolver) noteTwice(l *localTable, key uint32) {
	v.notes.add("%s has more than one row with the key %s: the first is taken", l.Name, printable(l.Table, v.keys.at(key).key))
}

// keyValues returns the values that the key columns of a table's row have here; false if a row that they refer to is not.
func (v *resolver) keyValues(l *localTable, i uint32) ([][]byte, bool) {
	e := v.keys.at(i)
	if l != e.root && l.Root == e.root.Table { // patient's key column has the integer of the person
		if e.state != here {
			return nil, false
		}
		return [][]byte{e.inherited().value(l)}, true
	}
	parts, ok := journal.SplitKey(e.key, len(l.KeyColumns))
	if !ok {
		return nil, false
	}
	out := make([][]byte, len(parts))
	for p, c := range l.KeyColumns {
		switch {
		case parts[p] == nil:
		case c.Ref != nil:
			value, ok := v.value(c.Ref, v.keys.refs(e)[p])
			if !ok {
				return nil, false
			}
			out[p] = value
		default:
			out[p] = []byte(*parts[p])
		}
	}
	return out, true
}

// value returns what a reference to an entry's row holds here; false if the row is not here.
func (v *resolver) value(ref *schema.Ref, i uint32) ([]byte, bool) {
	_, value, ok := v.appendValue(make([]byte, 0, 20), ref, i)
	return value, ok
}

// appendValue is value, which it puts into room that values share.
func (v *resolver) appendValue(room []byte, ref *schema.Ref, i uint32) (_, value []byte, ok bool) {
	e := v.keys.at(i)
	if e.state != here {
		return room, nil, false
	}
	if ref.ByName() {
		return room, e.name(), e.name() != nil
	}
	const most = 20 // digits, and a sign
	if cap(room)-len(room) < most {
		room = make([]byte, 0, cellRoom/4)
	}
	at := len(room)
	room = strconv.AppendInt(room, e.integer, 10)
	return room, room[at:len(room):len(room)], true
}

// check finds out whether rows that share their ancestor's key are there, locked.
func (v *resolver) check(ctx context.Context, l *localTable, rows []inherited) error {
	known := v.present[l]
	if known == nil {
		known = map[inherited]bool{}
		v.present[l] = known
	}
	if err := v.touch(ctx, l); err != nil {
		return err
	}
	look := slices.DeleteFunc(slices.Clone(rows), func(r inherited) bool { return known[r] })
	if l.isEmpty() || len(look) == 0 {
		return nil
	}
	slices.SortFunc(look, func(a, b inherited) int {
		return cmp.Or(cmp.Compare(a.integer, b.integer), strings.Compare(a.name, b.name))
	})
	look = slices.Compact(look)
	values := make([][][]byte, len(look))
	for i, r := range look {
		values[i] = [][]byte{r.value(l)}
	}
	return v.lookUp(ctx, l, l.KeyColumns, values, lockShared, nil, func(n int, _ found) { known[look[n]] = true })
}

// exists notes that a row which shares its ancestor's key is there.
func (v *resolver) exists(l *localTable, row inherited) {
	if v.present[l] == nil {
		v.present[l] = map[inherited]bool{}
	}
	v.present[l][row] = true
}

// identify notes which row here a key of the table is. values are those of all its written columns.
func (v *resolver) identify(l *localTable, key uint32, row journal.Row, values [][]byte) error {
	e := v.keys.at(key)
	if l != e.root {
		v.exists(l, e.inherited())
		return nil
	}
	var name [][]byte
	if len(l.KeyColumns) == 1 {
		name = [][]byte{values[l.place[l.KeyColumns[0]]]}
	}
	return v.keys.note(e, row, name)
}
