package rotation

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// file is what goes from one node to the other: what it says of keys, and of its sender's epochs.
type file struct {
	from       int
	h          Header
	base, upto int
	ack        int    // of the receiver's epochs
	ackHistory uint64 // and history
	earlier    []uint64
	at         int // its number among all
}

// node is one of the two, with what a restore of its database or its home folder takes back.
type node struct {
	database
	home
	had     []uint64        // histories
	earlier map[uint64]bool // histories of the other's that no longer count
	added   int64
}

type database struct {
	stored  string // the other's card
	history uint64
	applied int    // the other's epochs
	acked   int    // of its own by the other
	theirs  uint64 // the other's history
	epoch   int
}

type home struct {
	own  []Key
	peer Peer
}

func (h home) copy() home {
	h.own, h.peer.Has, h.peer.Former = slices.Clone(h.own), slices.Clone(h.peer.Has), slices.Clone(h.peer.Former)
	return h
}

// world is two nodes, and all files that were made and may still come.
type world struct {
	t       *rapid.T
	nodes   [2]*node
	files   []file
	count   int // files, histories and keys so far
	before  [2]struct{ home }
	past    [2]database
	refused bool // a file that held something new was refused
}

func newWorld(t *rapid.T) *world {
	w := &world{t: t}
	for i := range w.nodes {
		w.nodes[i] = &node{earlier: map[uint64]bool{}}
		w.nodes[i].own = []Key{{Card: fmt.Sprint("first", i)}}
		w.nodes[i].history = w.number()
		w.nodes[i].added = 1
	}
	for i, n := range w.nodes {
		n.stored, n.theirs = w.nodes[1-i].own[0].Card, w.nodes[1-i].history
		w.backup(i)
	}
	return w
}

func (w *world) number() uint64 {
	w.count++
	return uint64(w.count)
}

func (w *world) backup(i int) {
	w.past[i] = w.nodes[i].database
	w.before[i].home = w.nodes[i].home.copy()
}

func (w *world) rotate(i int) {
	at := w.number()
	w.nodes[i].own = append([]Key{{fmt.Sprint("key", at), int64(at) + 1}}, w.nodes[i].own...)
}

func (w *world) send(i int) file {
	n := w.nodes[i]
	n.peer = n.peer.Meet(n.stored)
	choice := Choose(n.own, n.peer.Has, n.added)
	f := file{from: i, base: n.acked, upto: n.epoch, ack: n.applied, ackHistory: n.theirs, earlier: slices.Clone(n.had), at: int(w.number())}
	f.h = Header{Signed: n.own[choice.Sign].Card, Has: []string{n.peer.Present}, History: n.history, Epoch: uint64(n.epoch), Time: int64(f.at)}
	if n.peer.Next != "" {
		f.h.Has = append(f.h.Has, n.peer.Next)
	}
	if choice.Name >= 0 {
		f.h.Next = n.own[choice.Name].Card
	}
	w.files = append(w.files, f)
	return f
}

// deliver has a file read. It reports whether it was taken.
func (w *world) deliver(f file) bool {
	n := w.nodes[1-f.from]
	n.peer = n.peer.Meet(n.stored)
	news := !n.earlier[f.h.History] && f.upto > n.applied
	if !n.peer.Takes(f.h.Signed, nobody) {
		w.refused = w.refused || news
		return false
	}
	h := f.h
	switch {
	case n.earlier[h.History]:
		h.Counts = Nothing
	case h.History != n.theirs && !slices.Contains(f.earlier, n.theirs): // a stranger
		h.Counts = Nothing
	case h.History != n.theirs:
		for _, e := range f.earlier {
			n.earlier[e] = true
		}
		n.theirs, n.acked, n.applied = h.History, 0, min(n.applied, f.base)
		fallthrough
	default:
		h.Counts = Said
		if f.ackHistory == n.history {
			n.acked = max(n.acked, f.ack)
		}
		if f.base <= n.applied {
			h.Counts, n.applied = All, max(n.applied, f.upto)
		}
	}
	n.peer = n.peer.Hear(h, nobody)
	n.stored = n.peer.Present
	return true
}

// settle has the two exchange files until each has the other's newest card, which must not take long.
func (w *world) settle() {
	for range 6 + 3*max(len(w.nodes[0].own), len(w.nodes[1].own)) {
		for i := range w.nodes {
			w.nodes[i].epoch++
			w.deliver(w.send(i))
		}
	}
	for i, n := range w.nodes {
		other := w.nodes[1-i]
		if n.peer.Present != other.own[0].Card || n.peer.Next != "" {
			w.t.Fatalf("node %d takes %+v, and the newest card is %s; the other takes %+v and is at %+v, this is at %+v with %v", i, n.peer, other.own[0].Card, other.peer, other.database, n.database, n.own)
		}
		if n.applied < other.epoch-1 {
			w.t.Fatalf("node %d has applied %d of %d: %+v %v %v, the other %+v %v %v", i, n.applied, other.epoch, n.database, n.had, n.earlier, other.database, other.had, other.earlier)
		}
	}
}

// restore puts a database, or a home folder, or both back, unless nodes may not hear of each other then: people must help where keys are lost, or
// where both nodes have had new ones that the other does not know.
func (w *world) restore(i int, db, folder bool) {
	n, other := w.nodes[i], w.nodes[1-i]
	was, kept, had := n.database, n.home.copy(), n.had
	if db {
		n.database = w.past[i]
		n.had = append(n.had, was.history)
		n.history = w.number()
	}
	if folder {
		n.home = w.before[i].copy()
	}
	knows := n.peer.Meet(n.stored)
	hears := knows.Present == other.own[0].Card
	heard := slices.Contains(knows.Has, n.own[0].Card) && other.peer.Present == n.own[0].Card
	if len(n.own) != len(kept.own) || !hears && !heard {
		n.database, n.home, n.had = was, kept, had
	}
}

// Whatever is lost, late and repeated, whoever rotates and is restored: the two end with each other's newest cards.
func TestRotations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		restored := false
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			i := rapid.IntRange(0, 1).Draw(t, "node")
			switch rapid.SampledFrom([]string{"rotate", "edit", "send", "send", "deliver", "deliver", "deliver", "exchange", "backup", "restore"}).Draw(t, "step") {
			case "rotate":
				w.rotate(i)
			case "edit":
				w.nodes[i].epoch++
			case "send":
				w.send(i)
			case "deliver":
				if len(w.files) > 0 {
					w.deliver(w.files[rapid.IntRange(0, len(w.files)-1).Draw(t, "file")])
				}
			case "exchange":
				w.deliver(w.send(i))
				w.deliver(w.send(1 - i))
			case "backup":
				w.backup(i)
			case "restore":
				db := rapid.Bool().Draw(t, "database")
				w.restore(i, db, !db || rapid.Bool().Draw(t, "home"))
				restored = true
			}
		}
		if w.refused && !restored {
			t.Fatal("a file that held something new was refused")
		}
		w.settle()
	})
}

// A thief has all the keys that a node has left behind, and what files it ever made. He signs what he likes with them, once the other node knows
// better: nothing of it is taken, and no card that he names.
func TestThiefOfFormerKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(1, 5).Draw(t, "rotations") {
			w.rotate(0)
			w.settle()
		}
		before := w.nodes[1].peer
		for range rapid.IntRange(1, 10).Draw(t, "files") {
			f := file{from: 0, upto: 1 << 20, h: Header{Signed: rapid.SampledFrom(w.nodes[0].own[1:]).Draw(t, "key").Card, Next: "thief", Has: []string{"x"},
				History: rapid.SampledFrom([]uint64{w.nodes[0].history, 1 << 40}).Draw(t, "history"), Epoch: 1 << 20, Time: 1 << 40}}
			if rapid.Bool().Draw(t, "old file") {
				f = rapid.SampledFrom(w.files).Draw(t, "which")
			}
			if taken := w.deliver(f); taken && f.h.Next == "thief" {
				t.Fatalf("taken: %+v", f)
			}
		}
		if got := w.nodes[1].peer; got.Present != before.Present || got.Next != before.Next {
			t.Fatalf("it has %+v", got)
		}
		w.settle()
	})
}
