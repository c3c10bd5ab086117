package features_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/features"
)

func known(names ...string) features.Known {
	var out features.Known
	for _, n := range names {
		out = append(out, features.Feature{Name: n, Since: "0.9.0"})
	}
	return out
}

func TestWritable(t *testing.T) {
	for _, c := range []struct {
		name      string
		own       []string
		heard     features.Heard
		want, off []string
	}{
		{"a peer that has said nothing", []string{"a", "b"}, features.Heard{}, nil, []string{"a", "b"}},
		{"a peer of before", []string{"a", "b"}, features.Heard{History: 1, Time: 1}, nil, []string{"a", "b"}},
		{"the same program", []string{"b", "a"}, features.Heard{Reads: []string{"a", "b"}, History: 1}, []string{"a", "b"}, nil},
		{"an older program", []string{"a", "b"}, features.Heard{Reads: []string{"a"}, History: 1}, []string{"a"}, []string{"b"}},
		{"a newer program", []string{"a"}, features.Heard{Reads: []string{"a", "b"}, History: 1}, []string{"a"}, nil},
		{"nothing to be off", nil, features.Heard{Reads: []string{"a"}, History: 1}, nil, nil},
	} {
		if got := known(c.own...).Writable(c.heard).Names(); !slices.Equal(got, c.want) {
			t.Errorf("%s: may write %q, want %q", c.name, got, c.want)
		}
		if got := known(c.own...).Off(c.heard); !slices.Equal(got, c.off) {
			t.Errorf("%s: off %q, want %q", c.name, got, c.off)
		}
	}
}

func TestMayScope(t *testing.T) {
	own := known("a", features.Scopes, features.Identifiers)
	for _, c := range []struct {
		heard features.Heard
		want  bool
	}{{features.Heard{}, true}, {features.Heard{History: 1}, false}, {features.Heard{History: 1, Reads: []string{"a"}}, false}, {features.Heard{History: 1, Reads: []string{features.Scopes}}, true}} {
		if got := own.MayScope(c.heard); got != c.want {
			t.Errorf("%+v: %v", c.heard, got)
		}
	}
	if got := own.Needed(false, false).Names(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("where no scope is, %q are of use", got)
	}
}

func TestHear(t *testing.T) {
	at := func(history, epoch uint64, time int64, reads ...string) features.Heard {
		return features.Heard{Reads: reads, History: history, Epoch: epoch, Time: time}
	}
	for _, c := range []struct {
		name    string
		was, by features.Heard
		retired bool
		want    features.Heard
	}{
		{"the first header", features.Heard{}, at(1, 5, 50, "a"), false, at(1, 5, 50, "a")},
		{"a later epoch", at(1, 5, 50), at(1, 6, 60, "a"), false, at(1, 6, 60, "a")},
		{"a later epoch by a clock that was set back", at(1, 5, 50), at(1, 6, 10, "a"), false, at(1, 6, 10, "a")},
		{"no new epoch, and later", at(1, 5, 50, "a"), at(1, 5, 60, "b"), false, at(1, 5, 60, "b")},
		{"the same header again", at(1, 5, 50, "a"), at(1, 5, 50, "a"), false, at(1, 5, 50, "a")},
		{"a late header that named less", at(1, 5, 50, "a", "b"), at(1, 4, 40, "a"), false, at(1, 5, 50, "a")},
		{"a late header that named more", at(1, 5, 50, "a"), at(1, 4, 40, "a", "b"), false, at(1, 5, 50, "a")},
		{"a late header of the same epoch", at(1, 5, 50, "a"), at(1, 5, 40, "a", "b"), false, at(1, 5, 50, "a")},
		{"a downgrade", at(1, 5, 50, "a"), at(1, 6, 60), false, at(1, 6, 60)},
		{"a new history, whose epochs begin again lower", at(1, 5, 50, "a"), at(2, 1, 10, "b"), false, at(2, 1, 10, "b")},
		{"a history that the peer has left", at(2, 5, 50, "a"), at(1, 9, 90, "a", "b"), true, at(2, 5, 50, "a")},
		{"one that it has left, first of all", features.Heard{}, at(1, 9, 90, "a"), true, features.Heard{}},
	} {
		got := c.was.Hear(c.by, c.retired)
		if !slices.Equal(got.Reads, c.want.Reads) || got.History != c.want.History || got.Epoch != c.want.Epoch || got.Time != c.want.Time {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// TestNothingNewerIsWritten has a peer run one program after another, whose headers arrive in any order, several times or never. What
// is written is known to the writer, and to the program of the peer whose header is the newest of those that arrived.
func TestNothingNewerIsWritten(t *testing.T) {
	names := []string{"a", "b", "c", "d"}
	subset := rapid.Custom(func(t *rapid.T) []string {
		var out []string
		for _, n := range names {
			if rapid.Bool().Draw(t, n) {
				out = append(out, n)
			}
		}
		return out
	})
	rapid.Check(t, func(t *rapid.T) {
		own := known(subset.Draw(t, "own")...)
		var programs [][]string // what each reads
		epoch, time := uint64(1), int64(1)
		var sent []struct {
			header  features.Heard
			program int
		}
		for i := range rapid.IntRange(1, 4).Draw(t, "programs") {
			reads := subset.Draw(t, fmt.Sprint("program ", i))
			for range rapid.IntRange(0, 3).Draw(t, "headers") {
				epoch += uint64(rapid.IntRange(0, 1).Draw(t, "epochs"))
				time++
				h := features.Heard{Reads: reads, History: 7, Epoch: epoch, Time: time}
				sent = append(sent, struct {
					header  features.Heard
					program int
				}{h, i})
			}
			programs = append(programs, reads)
		}
		var heard features.Heard
		newest := -1
		for range rapid.IntRange(0, 12).Draw(t, "arrivals") {
			if len(sent) == 0 {
				break
			}
			i := rapid.IntRange(0, len(sent)-1).Draw(t, "header")
			heard = heard.Hear(sent[i].header, false)
			newest = max(newest, i)
			for _, name := range own.Writable(heard).Names() {
				if reads := programs[sent[newest].program]; !slices.Contains(reads, name) {
					t.Fatalf("%s is written, and the program whose header is the newest heard reads %q", name, reads)
				}
				if !slices.Contains(own.Names(), name) {
					t.Fatalf("%s is written, and this program reads %q", name, own.Names())
				}
			}
		}
		if newest < 0 && len(own.Writable(heard)) > 0 {
			t.Fatalf("%q is written to a peer that has said nothing", own.Writable(heard).Names())
		}
		if newest < 0 {
			return
		}
		// One more header mends whatever went before it.
		last := programs[len(programs)-1]
		heard = heard.Hear(features.Heard{Reads: last, History: 7, Epoch: epoch, Time: time + 1}, false)
		for _, name := range own.Names() {
			if got := slices.Contains(own.Writable(heard).Names(), name); got != slices.Contains(last, name) {
				t.Fatalf("%s is written: %v; the program of now reads %q", name, got, last)
			}
		}
	})
}

// A program that is only ever updated is never sent what it does not read, whatever is lost or late.
func TestUpdatesAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := []string{"a", "b", "c", "d", "e"}
		own := known(all...)
		versions := rapid.SliceOfN(rapid.IntRange(0, len(all)), 1, 8).Draw(t, "versions")
		slices.Sort(versions)
		var sent []features.Heard
		var heard features.Heard
		for i, v := range versions {
			sent = append(sent, features.Heard{Reads: all[:v], History: 7, Epoch: uint64(i/2 + 1), Time: int64(i + 1)})
			for range rapid.IntRange(0, 3).Draw(t, "arrivals") {
				heard = heard.Hear(sent[rapid.IntRange(0, len(sent)-1).Draw(t, "header")], false)
				if n := len(own.Writable(heard)); n > v {
					t.Fatalf("%d features are written to a program that reads %d", n, v)
				}
			}
		}
	})
}

// A digest is a file by itself: a batch whose header says that it may hold one would be taken for it.
func TestDigestsAreNoBatches(t *testing.T) {
	if features.Present().Needed(true, true).Has(features.Digests) || !features.Present().Has(features.Digests) {
		t.Error("a batch needs digests, or nobody reads them")
	}
}
