// Package share divides what peers lack into what is made once for several of them, and what is made for one. It is pure: entries of rows come in,
// and intervals of epochs and lists of rows go out.
//
// The unit is the epoch of the node that sends. A row belongs to its highest epoch, and a peer lacks the rows whose highest epoch is above what it
// has acknowledged. Epochs are divided as a tree: [0,2^n), its halves, their halves. An interval of which no row involves the peer (see
// merge.Row.Involves) holds the same for it as for any other peer of which that is so: its rows are made once. A peer is sent a few such intervals
// for each level of the tree, and each row is made once for each level at most, however many the peers are.
//
// It promises: the intervals and the rest hold each row above the base once, whatever the entries are, and no row of an interval involves the peer.
// In the order that it gives no row stands before a row that it refers to and that the peer lacks.
package share

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/omsync/omsync/merge"
)

// Row names a row of this database.
type Row struct {
	Table uint16
	ID    int64
}

// Entry is what counts of a row that changed.
type Entry struct {
	Row
	Epoch    uint64       // the highest in which something of it came here, over 0
	Born     uint64       // that of its existence
	Involves []merge.Peer // see merge.Row.Involves
	Alone    bool         // it goes in a part that is made for one peer, whatever the peer is
}

// Interval is a run of epochs, from the first one to before the second.
type Interval struct{ From, To uint64 }

// Limits say of how many rows an interval is worth its own.
type Limits struct{ Least, Most int }

// Window is the entries above some epoch.
type Window struct {
	entries []Entry // by epoch, table and id
	at      map[Row]int
}

// NewWindow takes the entries in, each row once, in any order. It keeps the slice.
func NewWindow(entries []Entry) *Window {
	slices.SortFunc(entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Table, b.Table), cmp.Compare(a.ID, b.ID))
	})
	w := &Window{entries: entries, at: make(map[Row]int, len(entries))}
	for i, e := range entries {
		w.at[e.Row] = i
	}
	return w
}

// Len returns how many entries there are.
func (w *Window) Len() int { return len(w.entries) }

// in returns the entries of an interval.
func (w *Window) in(i Interval) []Entry {
	from := func(epoch uint64) int {
		n, _ := slices.BinarySearchFunc(w.entries, epoch, func(e Entry, epoch uint64) int { return cmp.Compare(e.Epoch, epoch) })
		return n
	}
	return w.entries[from(i.From):from(i.To)]
}

// Divide returns intervals between the epoch that a peer has acknowledged and the last one, in rising order, of which no row involves the peer.
// None of them goes beyond upto: what an interval holds changes then only if rows of it change.
func (w *Window) Divide(base, upto uint64, p merge.Peer, l Limits) (out []Interval) {
	if upto >= 1<<62 {
		return nil
	}
	var visit func(from, size uint64)
	visit = func(from, size uint64) {
		i := Interval{from, from + size}
		if i.To <= base+1 || from > upto {
			return
		}
		n, involved := 0, false
		for _, e := range w.in(i) {
			if !e.Alone {
				n++
				involved = involved || slices.Contains(e.Involves, p)
			}
		}
		switch {
		case n < l.Least:
		case from > base && i.To <= upto+1 && !involved && n <= l.Most:
			out = append(out, i)
		case size > 1:
			visit(from, size/2)
			visit(from+size/2, size/2)
		}
	}
	visit(0, 1<<bits.Len64(upto))
	return out
}

// Rows returns the rows that an interval has, in the order of their tables and ids.
func (w *Window) Rows(i Interval) (out []Row) {
	for _, e := range w.in(i) {
		if !e.Alone {
			out = append(out, e.Row)
		}
	}
	slices.SortFunc(out, compare)
	return out
}

func compare(a, b Row) int { return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.ID, b.ID)) }

// Sum is a hash of the rows that an interval has, and of their epochs.
func (w *Window) Sum(i Interval) [sha256.Size]byte {
	var b []byte
	for _, e := range w.in(i) {
		if !e.Alone {
			b = binary.BigEndian.AppendUint16(b, e.Table)
			b = binary.BigEndian.AppendUint64(b, uint64(e.ID))
			b = binary.BigEndian.AppendUint64(b, e.Epoch)
			b = binary.BigEndian.AppendUint64(b, e.Born)
		}
	}
	return sha256.Sum256(b)
}

// File is how a file is put together: rows that go ahead of all intervals, the intervals in their order, and the rest.
type File struct {
	Ahead, Rest []Row // in the order of their tables and ids
}

// Arrange returns what a file has beside its intervals, to a peer that has acknowledged base. refers returns the rows that rows of one interval refer
// to, outside of it, by references that cannot be filled in later; refersFrom those that rows refer to which go ahead. A row that is referred to from
// an interval, is new to the peer and comes later goes ahead, with those that it refers to itself; if it is an interval's, it comes twice.
func (w *Window) Arrange(base uint64, list []Interval, refers func(i int) []Row, refersFrom func([]Row) ([]Row, error)) (f File, err error) {
	ahead := map[Row]bool{}
	var fresh []Row
	add := func(r Row, later func(place int) bool) {
		i, ok := w.at[r]
		if !ok || w.entries[i].Born <= base || ahead[r] || !later(w.place(list, &w.entries[i])) {
			return
		}
		ahead[r] = true
		fresh = append(fresh, r)
	}
	for i := range list {
		for _, r := range refers(i) {
			add(r, func(place int) bool { return place > i })
		}
	}
	for len(fresh) > 0 {
		f.Ahead = append(f.Ahead, fresh...)
		some := fresh
		fresh = nil
		referred, err := refersFrom(some)
		if err != nil {
			return f, err
		}
		for _, r := range referred {
			add(r, func(int) bool { return true })
		}
	}
	for i := range w.entries {
		if e := &w.entries[i]; e.Epoch > base && w.place(list, e) == len(list) && !ahead[e.Row] {
			f.Rest = append(f.Rest, e.Row)
		}
	}
	slices.SortFunc(f.Ahead, compare)
	slices.SortFunc(f.Rest, compare)
	return f, nil
}

// place returns in which interval an entry is; their number, if it is in none.
func (w *Window) place(list []Interval, e *Entry) int {
	i, _ := slices.BinarySearchFunc(list, e.Epoch, func(i Interval, epoch uint64) int {
		if i.To <= epoch {
			return -1
		}
		return 1
	})
	if e.Alone || i == len(list) || e.Epoch < list[i].From {
		return len(list)
	}
	return i
}
