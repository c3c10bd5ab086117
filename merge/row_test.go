package merge_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/merge"
)

func TestStamperIsAbove(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := merge.Stamper{Self: "h", Epoch: 9}
		prev := genRow(t, "before")
		at := rapid.Int64Range(-3, 8).Draw(t, "clock")
		columns := genMask(t, "columns").Columns()
		made := func(v merge.Version) bool {
			return v.Author == "h" && v.Epoch == 9 && v.From == 0 && v.Time >= max(at, 1)
		}

		in := m.Insert(prev, columns, at)
		for bit := 0; bit <= wide; bit++ {
			v, ok := versionOf(in, bit)
			switch {
			case ok != (bit == 0 || columns.Has(bitAt(bit))):
				t.Fatalf("insert: bit %d has a version: %v", bit, ok)
			case !ok:
			case !made(v) || v.Time <= prev.Dead.Time:
				t.Fatalf("insert: %v over %+v", v, prev)
			}
			if p, ok := versionOf(prev, bit); ok && v.Author != "" && v.Time <= p.Time {
				t.Fatalf("insert: %v over %v", v, p)
			}
		}
		if !prev.Alive {
			return
		}
		edited, removed, touched := m.Edit(prev, columns, at), m.Delete(prev, at), m.Touch(prev)
		born, _ := versionOf(prev, 0)
		for bit := 0; bit <= wide; bit++ {
			p, had := versionOf(prev, bit)
			v, has := versionOf(edited, bit)
			switch {
			case !columns.Has(bitAt(bit)):
				if v != p || had != has {
					t.Fatalf("edit: bit %d is %v, was %v", bit, v, p)
				}
			case !made(v) || had && v.Time <= p.Time || !had && v.Time <= born.Time:
				t.Fatalf("edit: bit %d is %v, was %v", bit, v, p)
			}
			if had && removed.Dead.Time <= p.Time {
				t.Fatalf("delete: %v over %v", removed.Dead, p)
			}
			if v, has := versionOf(touched, bit); has != had || had && (v.Time != p.Time+1 || v.Author != "h" || v.From != 0 || v.Epoch != 9) {
				t.Fatalf("touch: bit %d is %v, was %v", bit, v, p)
			}
		}
		if !made(removed.Dead) || removed.Alive || len(removed.Groups) > 0 {
			t.Fatalf("delete: %+v", removed)
		}
	})
}

func TestFound(t *testing.T) {
	got := merge.Stamper{Self: "h", Epoch: 1}.Found(merge.Bits(6))
	if want := live(merge.Group{Mask: merge.Bits(7), Version: version(0, "h", 1, 0)}); !sameRow(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestTouchLeavesTheDead(t *testing.T) {
	dead := merge.Row{Known: true, Dead: version(5, "a", 3, 1)}
	if got := (merge.Stamper{Self: "h", Epoch: 9}).Touch(dead); !sameRow(got, dead) {
		t.Errorf("%+v", got)
	}
}

func TestNormalise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		row := live(genGroups(t, "row")...)
		var scattered []merge.Group // one group a bit, in any order
		for bit := 0; bit <= wide; bit++ {
			if v, ok := versionOf(row, bit); ok {
				scattered = append(scattered, merge.Group{Mask: merge.Bit(bitAt(bit)), Version: v}, merge.Group{})
			}
		}
		scattered = rapid.Permutation(scattered).Draw(t, "scattered")
		before := slices.Clone(scattered)
		if got := merge.Normalise(scattered); !slices.Equal(got, row.Groups) {
			t.Fatalf("%v, want %v", got, row.Groups)
		}
		if !slices.Equal(before, scattered) {
			t.Fatal("changed its argument")
		}
	})
}

// What is told to a peer is every version of the row, and a row lacks nothing once all of it is below the base or from the peer.
func TestOutgoingAndNewerThan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		row := genRow(t, "row")
		base, p := rapid.Uint64Range(0, 6).Draw(t, "base"), merge.Peer(rapid.IntRange(1, 2).Draw(t, "peer"))
		groups, dead := row.Outgoing(p)
		lacks := false
		told := func(v merge.Version, s merge.Sent) {
			want := merge.Sent{Stamp: v.Stamp, Epoch: v.Epoch}
			if v.From == p {
				want.Epoch = 0
			}
			if s != want {
				t.Fatalf("told %v of %v", s, v)
			}
			lacks = lacks || v.Epoch > base && v.From != p
		}
		if !row.Alive {
			told(row.Dead, dead)
		}
		for bit := 0; bit <= wide; bit++ {
			v, has := versionOf(row, bit)
			s, said := sentOf(groups, bit)
			if has != said {
				t.Fatalf("bit %d", bit)
			}
			if has {
				told(v, s)
			}
		}
		for i, g := range groups {
			for _, other := range groups[:i] {
				if g.Sent == other.Sent {
					t.Fatalf("told %v twice", g)
				}
			}
		}
		if row.NewerThan(base, p) != lacks {
			t.Fatalf("lacks: %v", !lacks)
		}
	})
	if (merge.Row{}).NewerThan(0, 1) {
		t.Error("a row that is not known is sent")
	}
}

func TestAgainAndReclaim(t *testing.T) {
	row := live(merge.Group{Mask: merge.Bits(1), Version: version(5, "a", 3, 1)}, merge.Group{Mask: merge.Bits(2), Version: version(5, "a", 4, 1)},
		merge.Group{Mask: merge.Bits(4), Version: version(6, "b", 4, 2)}, merge.Group{Mask: merge.Bits(8), Version: version(7, "h", 5, 0)})
	dead := merge.Row{Known: true, Dead: version(5, "a", 4, 1)}
	tests := []struct {
		name      string
		got, want merge.Row
	}{
		{"again", row.Resend(9), live(merge.Group{Mask: merge.Bits(3), Version: version(5, "a", 9, 1)}, merge.Group{Mask: merge.Bits(4), Version: version(6, "b", 9, 2)}, merge.Group{Mask: merge.Bits(8), Version: version(7, "h", 9, 0)})},
		{"again, dead", dead.Resend(9), merge.Row{Known: true, Dead: version(5, "a", 9, 1)}},
		{"again to one peer", row.Again(5), live(merge.Group{Mask: merge.Bits(3), Version: version(5, "a", 5, 1)}, merge.Group{Mask: merge.Bits(4), Version: version(6, "b", 5, 2)}, merge.Group{Mask: merge.Bits(8), Version: version(7, "h", 5, 0)})},
		{"again to one peer, and what is newer", row.Again(4), live(merge.Group{Mask: merge.Bits(3), Version: version(5, "a", 4, 1)}, merge.Group{Mask: merge.Bits(4), Version: version(6, "b", 4, 2)}, merge.Group{Mask: merge.Bits(8), Version: version(7, "h", 5, 0)})},
		{"again to one peer, dead", dead.Again(9), merge.Row{Known: true, Dead: version(5, "a", 9, 1)}},
		{"reclaim what came later", row.Reclaim(1, 3, 9), live(merge.Group{Mask: merge.Bits(1), Version: by(version(5, "a", 3, 1), 1)}, merge.Group{Mask: merge.Bits(2), Version: version(5, "a", 9, 0)},
			merge.Group{Mask: merge.Bits(4), Version: version(6, "b", 4, 2)}, merge.Group{Mask: merge.Bits(8), Version: version(7, "h", 5, 0)})},
		{"reclaim a deletion", dead.Reclaim(1, 3, 9), merge.Row{Known: true, Dead: version(5, "a", 9, 0)}},
		{"not one from before", dead.Reclaim(1, 4, 9), dead},
		{"nor another's", dead.Reclaim(2, 0, 9), dead},
	}
	for _, tt := range tests {
		if !sameRow(tt.got, tt.want) {
			t.Errorf("%s: %+v, want %+v", tt.name, tt.got, tt.want)
		}
	}
	if row.Groups[1].Epoch != 4 {
		t.Error("changed its argument")
	}
}
