package share_test

import (
	"slices"
	"testing"

	"github.com/omsync/omsync/export/share"
	"github.com/omsync/omsync/merge"
	"pgregory.net/rapid"
)

// some draws entries of a few rows and epochs.
func some(t *rapid.T, upto uint64) (out []share.Entry) {
	for id := range rapid.Int64Range(0, 40).Draw(t, "rows") {
		e := share.Entry{Row: share.Row{Table: uint16(id % 3), ID: id}, Epoch: rapid.Uint64Range(1, upto).Draw(t, "epoch"), Alone: rapid.IntRange(0, 9).Draw(t, "alone") == 0}
		e.Born = rapid.Uint64Range(1, e.Epoch).Draw(t, "born")
		for p := range merge.Peer(4) {
			if rapid.IntRange(0, 9).Draw(t, "involves") == 0 {
				e.Involves = append(e.Involves, p+1)
			}
		}
		out = append(out, e)
	}
	return out
}

// TestDivide holds intervals against each row by itself, and the order of a file against each reference.
func TestDivide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		upto := rapid.Uint64Range(1, 40).Draw(t, "upto")
		base := rapid.Uint64Range(0, upto).Draw(t, "base")
		entries := some(t, upto)
		refers := map[share.Row][]share.Row{}
		for _, e := range entries {
			for range rapid.IntRange(0, 2).Draw(t, "references") {
				refers[e.Row] = append(refers[e.Row], share.Row{Table: uint16(rapid.Int64Range(0, 2).Draw(t, "table")), ID: rapid.Int64Range(0, 40).Draw(t, "id")})
			}
		}
		w := share.NewWindow(slices.Clone(entries))
		l := share.Limits{Least: rapid.IntRange(1, 4).Draw(t, "least"), Most: rapid.IntRange(4, 40).Draw(t, "most")}
		const peer = merge.Peer(2)
		list := w.Divide(base, upto, peer, l)
		last := base
		section := map[share.Row]int{}
		for n, i := range list {
			size := i.To - i.From
			if i.From <= last || i.To > upto+1 || size&(size-1) != 0 || i.From%size != 0 {
				t.Fatalf("%v after %d, of %d to %d", i, last, base, upto)
			}
			last = i.To - 1
			rows := w.Rows(i)
			if len(rows) < l.Least || len(rows) > l.Most {
				t.Fatalf("%v has %d rows", i, len(rows))
			}
			for _, r := range rows {
				section[r] = n
			}
		}
		outside := func(n int) (out []share.Row) {
			for _, r := range w.Rows(list[n]) {
				for _, to := range refers[r] {
					if at, ok := section[to]; !ok || at != n {
						out = append(out, to)
					}
				}
			}
			return out
		}
		file, err := w.Arrange(base, list, outside, func(rows []share.Row) (out []share.Row, err error) {
			for _, r := range rows {
				out = append(out, refers[r]...)
			}
			return out, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		// Where rows come first: ahead, in an interval, in the rest. Rows that come together are in the order of their references, as in any file.
		first := map[share.Row]int{}
		times := map[share.Row]int{}
		for n, rows := range slices.Concat([][]share.Row{file.Ahead}, each(w, list), [][]share.Row{file.Rest}) {
			for _, r := range rows {
				if times[r]++; times[r] == 1 {
					first[r] = n
				}
			}
		}
		born := map[share.Row]uint64{}
		for _, e := range entries {
			born[e.Row] = e.Born
			n, in := section[e.Row]
			switch _, comes := first[e.Row]; {
			case e.Born <= base && slices.Contains(file.Ahead, e.Row):
				t.Fatalf("%+v goes ahead, base %d", e, base)
			case comes != (e.Epoch > base):
				t.Fatalf("%+v, base %d: comes %v", e, base, comes)
			case in && (e.Alone || slices.Contains(e.Involves, peer) || e.Epoch < list[n].From || e.Epoch >= list[n].To):
				t.Fatalf("%+v is in %v", e, list[n])
			case times[e.Row] > 1 && (!in || !slices.Contains(file.Ahead, e.Row) || times[e.Row] > 2):
				t.Fatalf("%+v comes %d times", e, times[e.Row])
			}
		}
		for from, at := range first {
			for _, to := range refers[from] {
				if there, comes := first[to]; comes && born[to] > base && there > at {
					t.Fatalf("%v refers to %v, which comes later; %v, ahead %v", from, to, list, file.Ahead)
				}
			}
		}
	})
}

func each(w *share.Window, list []share.Interval) (out [][]share.Row) {
	for _, i := range list {
		out = append(out, w.Rows(i))
	}
	return out
}

// TestFew has many peers whose epochs are their own: each is sent few intervals, and few rows are left over.
func TestFew(t *testing.T) {
	const peers, rows = 200, 21
	var entries []share.Entry
	for p := range peers {
		for n := range rows {
			entries = append(entries, share.Entry{Row: share.Row{Table: uint16(n), ID: int64(p)}, Epoch: uint64(p + 5), Born: uint64(p + 5), Involves: []merge.Peer{merge.Peer(p + 1)}})
		}
	}
	w := share.NewWindow(entries)
	intervals := map[share.Interval]bool{}
	for p := range merge.Peer(peers) {
		list := w.Divide(4, peers+4, p+1, share.Limits{Least: 64, Most: 4096})
		n := 0
		for _, i := range list {
			intervals[i] = true
			n += len(w.Rows(i))
		}
		if rest := (peers-1)*rows - n; len(list) > 13 || rest > 8*rows {
			t.Errorf("peer %d is sent %d intervals, and %d rows besides", p+1, len(list), rest)
		}
	}
	made := 0
	for i := range intervals {
		made += len(w.Rows(i))
	}
	if made > 7*peers*rows {
		t.Errorf("%d rows are made, of %d", made, peers*rows)
	}
}

// TestSum tells intervals apart by their rows and epochs.
func TestSum(t *testing.T) {
	all := share.Interval{From: 0, To: 8}
	sum := func(entries ...share.Entry) [32]byte { return share.NewWindow(entries).Sum(all) }
	a, b := share.Entry{Row: share.Row{Table: 1, ID: 2}, Epoch: 3, Born: 3}, share.Entry{Row: share.Row{Table: 1, ID: 3}, Epoch: 4, Born: 3}
	if sum(a, b) != sum(b, a) {
		t.Error("the order of entries counts")
	}
	other := a
	other.Epoch = 4
	third := a
	third.ID = 7
	alone := b
	alone.Alone = true
	seen := map[[32]byte]bool{sum(a, b): true, sum(a): true, sum(other, b): true, sum(third, b): true, sum(): true}
	if len(seen) != 5 || sum(a, alone) != sum(a) {
		t.Error("intervals of other rows, or other epochs, have one sum")
	}
}
