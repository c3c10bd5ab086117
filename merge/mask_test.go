package merge_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/internal/mutation"
	"github.com/omsync/omsync/merge"
)

// genBits draws a set of bits, of the first word alone, around its end, or of any.
func genBits(t *rapid.T, name string) map[int]bool {
	highest := rapid.SampledFrom([]int{0, 10, 62, 63, 64, 66, 120, 130, 1000, merge.MaxBit}).Draw(t, name+" highest")
	bit := rapid.OneOf(rapid.IntRange(0, highest), rapid.IntRange(max(0, highest-3), highest))
	bits := map[int]bool{}
	for _, b := range rapid.SliceOfN(bit, 0, 40).Draw(t, name) {
		bits[b] = true
	}
	return bits
}

func maskOf(bits map[int]bool) merge.Mask {
	var b merge.MaskBuilder
	for bit := range bits {
		b.Add(bit)
	}
	return b.Mask()
}

func sorted(bits map[int]bool) []int {
	var out []int
	for bit, in := range bits {
		if in {
			out = append(out, bit)
		}
	}
	slices.Sort(out)
	return out
}

// A mask is a set: whatever it was made by, two of the same bits are equal, and all that is done with it is as with a set.
func TestMaskIsASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genBits(t, "a"), genBits(t, "b")
		ma, mb := maskOf(a), maskOf(b)
		union, both, without := map[int]bool{}, map[int]bool{}, map[int]bool{}
		for bit := range a {
			union[bit] = true
			both[bit], without[bit] = b[bit], !b[bit]
		}
		for bit := range b {
			union[bit] = true
		}
		is := func(what string, got merge.Mask, want map[int]bool) {
			list := sorted(want)
			if bits := slices.Collect(got.All()); !slices.Equal(bits, list) {
				t.Fatalf("%s has %v, want %v", what, bits, list)
			}
			var again merge.Mask
			for _, bit := range slices.Backward(list) {
				again = again.Or(merge.Bit(bit))
			}
			if got != again {
				t.Fatalf("%s is %+v, and made bit by bit %+v", what, got, again)
			}
			for _, bit := range append(list, 0, 61, 62, 63, 64, 127, 128, 1000, merge.MaxBit) {
				if got.Has(bit) != want[bit] {
					t.Fatalf("%s has bit %d: %v", what, bit, got.Has(bit))
				}
			}
		}
		is("a", ma, a)
		is("a or b", ma.Or(mb), union)
		is("a and b", ma.And(mb), both)
		is("a without b", ma.Without(mb), without)
		if ma.Meets(mb) != (len(sorted(both)) > 0) || ma.IsEmpty() != (len(a) == 0) {
			t.Fatalf("meets %v, is empty %v", ma.Meets(mb), ma.IsEmpty())
		}
		if ma.Or(mb) != mb.Or(ma) || ma.And(mb) != mb.And(ma) || ma.Without(mb).Or(ma.And(mb)) != ma {
			t.Fatal("the order changes something")
		}
		columns, existence := map[int]bool{}, map[int]bool{0: true}
		for bit := range a {
			columns[bit], existence[bit] = bit != 0, true
		}
		is("columns", ma.Columns(), columns)
		is("with existence", ma.WithExistence(), existence)
		groups := []merge.Group{{Mask: ma}, {Mask: mb}}
		is("of groups", merge.MaskOf(groups), union)
		is("in everything", merge.Everything().And(ma), a)
		if all := merge.Everything(); !all.Has(merge.MaxBit) || all.Has(merge.MaxBit+1) || all.Or(merge.Bit(merge.MaxBit)) != all {
			t.Fatal("everything is not all")
		}
	})
}

// The numbers that stand for a mask stand for it alone: they give it back, each is of another word, and one that is not wide is its bits.
func TestWords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bits := genBits(t, "bits")
		m := maskOf(bits)
		words := slices.Collect(m.Words())
		var back merge.Mask
		for i, w := range words {
			part := merge.FromWord(w)
			if part.IsEmpty() || back.Meets(part) {
				t.Fatalf("word %x of %v", w, words)
			}
			if back = back.Or(part); i > 0 && w <= words[i-1] {
				t.Fatalf("%x is not above the word before it", w)
			}
			if w&merge.WordColumns == 0 && w >= 1<<63 {
				t.Fatalf("word %x has no column", w)
			}
		}
		if back != m {
			t.Fatalf("%v comes back as %v", m, back)
		}
		highest := -1
		for bit := range bits {
			highest = max(highest, bit)
		}
		if m.IsWide() != (highest > 62) || len(words) > 33 {
			t.Fatalf("bit %d: wide is %v, %d words", highest, m.IsWide(), len(words))
		}
		if !m.IsWide() && (m.Word() != m.First() || len(words) > 1 || len(words) == 1 && words[0] != m.First()) {
			t.Fatalf("%x is not what a table of few columns has", words)
		}
		if merge.FromWord(m.Word()) != m.And(merge.Bits(1<<63-1)) {
			t.Fatalf("the first word is %x", m.Word())
		}
	})
}

// Any number stands for some mask with no bit above the last.
func TestHostileWord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := rapid.OneOf(rapid.Uint64(), rapid.Uint64Min(1<<63), rapid.Just(^uint64(0))).Draw(t, "word")
		for bit := range merge.FromWord(w).All() {
			if bit > merge.MaxBit || w < 1<<63 && bit > 62 || w >= 1<<63 && bit < 63 {
				t.Fatalf("bit %d of %x", bit, w)
			}
		}
	})
}

// The examples of the format's page.
func TestFormatOfMasks(t *testing.T) {
	text, err := os.ReadFile("../batch/FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile(`(?m)^    slots ([0-9 ]+):((?: [0-9a-f]{16})+)$`).FindAllStringSubmatch(string(text), -1)
	if len(examples) < 3 {
		t.Fatalf("%d examples", len(examples))
	}
	for _, e := range examples {
		var m merge.Mask
		for _, s := range strings.Fields(e[1]) {
			slot, err := strconv.Atoi(s)
			if err != nil {
				t.Fatal(err)
			}
			m = m.Or(merge.Bit(slot))
		}
		got := ""
		for w := range m.Words() {
			got += fmt.Sprintf(" %016x", w)
		}
		if got != e[2] {
			t.Errorf("%s is%s", e[0], got)
		}
	}
}

// A mask of few columns, and a set operation that changes nothing, take no memory.
func TestMasksOfFewColumnsTakeNoMemory(t *testing.T) {
	a, b, wide := merge.Bits(0xff), merge.Bits(0xf0f), merge.Everything()
	var sink merge.Mask
	if n := testing.AllocsPerRun(100, func() {
		sink = a.Or(b).And(a).Without(b).WithExistence().Columns()
		for w := range a.Words() {
			sink = sink.Or(merge.FromWord(w))
		}
		sink = wide.Or(a).And(wide).Without(a).Columns()
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if sink.IsEmpty() {
		t.Error("nothing was done")
	}
}

// genSent draws the versions of a row as they are sent, of up to so many columns, some of them equal.
func genSent(t *rapid.T, columns int) []merge.SentGroup {
	versions := rapid.IntRange(1, columns+1).Draw(t, "versions")
	builders := make([]merge.MaskBuilder, versions)
	builders[0].Add(merge.Existence)
	for bit := 1; bit <= columns; bit++ {
		builders[rapid.IntRange(0, versions-1).Draw(t, "version")].Add(bit)
	}
	times := rapid.SampledFrom([]int64{2, 5, 1 << 40}).Draw(t, "times")
	var out []merge.SentGroup
	for i := range builders {
		if m := builders[i].Mask(); !m.IsEmpty() {
			out = append(out, merge.SentGroup{Mask: m, Sent: sentVersion(rapid.Int64Range(1, times).Draw(t, "time"), "a", rapid.Uint64Range(0, 2).Draw(t, "epoch"))})
		}
	}
	return out
}

// A peer that knows one bit for the columns above the 62nd is told the latest of their versions, and of the others what they are.
func TestShareBit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		groups := genSent(t, rapid.SampledFrom([]int{5, 62, 63, 64, 70, 130}).Draw(t, "columns"))
		before := slices.Clone(groups)
		var latest merge.Stamp
		wide := false
		for _, g := range groups {
			if g.IsWide() {
				wide = true
				if latest.Before(g.Stamp) {
					latest = g.Stamp
				}
			}
		}
		shared := merge.ShareBit(groups)
		if !slices.Equal(groups, before) {
			t.Fatal("changed its argument")
		}
		var all merge.Mask
		for _, g := range shared {
			if all.Meets(g.Mask) || g.IsEmpty() {
				t.Fatalf("%v overlap, or are of nothing", shared)
			}
			all = all.Or(g.Mask)
			for bit := range g.All() {
				switch {
				case bit > merge.SharedBit:
					t.Fatalf("bit %d", bit)
				case bit == merge.SharedBit && (!wide || g.Stamp != latest):
					t.Fatalf("the others have %v, want %v", g.Stamp, latest)
				case bit < merge.SharedBit && !slices.ContainsFunc(before, func(b merge.SentGroup) bool { return b.Has(bit) && b.Sent == g.Sent }):
					t.Fatalf("bit %d has another version", bit)
				}
			}
		}
		if all.Has(merge.SharedBit) != wide {
			t.Fatalf("the others have a version: %v", !wide)
		}
	})
}

// What is brought together has one version above all that it had, made here, and what is below the 63rd column is as it was.
func TestTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := merge.Stamper{Self: "h", Epoch: 9}
		var groups []merge.Group
		for _, g := range genSent(t, rapid.SampledFrom([]int{62, 63, 64, 70, 130}).Draw(t, "columns")) {
			groups = append(groups, merge.Group{Mask: g.Mask, Version: merge.Version{Stamp: g.Stamp, Epoch: g.Epoch, From: 1}})
		}
		row := live(merge.Normalise(groups)...)
		high := map[merge.Stamp]bool{}
		for _, g := range row.Groups {
			if g.IsWide() {
				high[g.Stamp] = true
			}
		}
		got, changed := m.Together(row)
		if changed != (len(high) > 1) {
			t.Fatalf("changed is %v, with versions %v", changed, high)
		}
		if again, more := m.Together(got); more || !sameRow(again, got) {
			t.Fatal("it is not together yet")
		}
		if !changed {
			if !sameRow(got, row) {
				t.Fatal("it is another row")
			}
			return
		}
		was, is := versionsByBit(row), versionsByBit(got)
		if len(was) != len(is) {
			t.Fatalf("%d versions, were %d", len(is), len(was))
		}
		for bit, v := range is {
			switch {
			case bit < merge.SharedBit && v != was[bit]:
				t.Fatalf("bit %d is %v, was %v", bit, v, was[bit])
			case bit >= merge.SharedBit && (v.Time <= was[bit].Time || v.From != 0 || v.Epoch != 9 || v.Author != "h"):
				t.Fatalf("bit %d is %v, was %v", bit, v, was[bit])
			}
		}
	})
}

func versionsByBit(r merge.Row) map[int]merge.Version {
	out := map[int]merge.Version{}
	for _, g := range r.Groups {
		for bit := range g.All() {
			out[bit] = g.Version
		}
	}
	return out
}

// Rows of many columns with as many versions are settled as those of few are: column by column.
func TestSettleManyVersions(t *testing.T) {
	for _, columns := range []int{63, 64, 65, 130, 1000, merge.MaxBit} {
		t.Run(fmt.Sprint(columns), func(t *testing.T) {
			im := merge.Import{Self: "h", Peer: 1, Epoch: 9, Applied: 4, Valid: true}
			var local []merge.Group
			var in []merge.SentGroup
			for bit := 0; bit <= columns; bit++ {
				local = append(local, merge.Group{Mask: merge.Bit(bit), Version: version(int64(10+bit), "h", 3, 0)})
				in = append(in, merge.SentGroup{Mask: merge.Bit(bit), Sent: sentVersion(int64(10+columns-bit), "p", 5)})
			}
			out := im.Settle(live(local...), merge.Incoming{Alive: true, Groups: in}, merge.Policies{}, merge.Compare{}, false)
			is := versionsByBit(out.Row)
			for bit := 1; bit <= columns; bit++ {
				later := columns-bit >= bit // of two stamps with one time the author decides
				if out.Write.Has(bit) != later {
					t.Fatalf("bit %d is written: %v", bit, !later)
				}
				if want := int64(10 + max(bit, columns-bit)); is[bit].Time != want {
					t.Fatalf("bit %d has %v, want the time %d", bit, is[bit], want)
				}
			}
			var lost merge.Mask
			for _, c := range out.Conflicts {
				if lost.Meets(c.Mask) {
					t.Fatal("a column lost twice")
				}
				lost = lost.Or(c.Mask)
			}
			if n := len(slices.Collect(lost.All())); n != columns {
				t.Errorf("%d of %d columns are in conflict", n, columns)
			}
		})
	}
}

func TestRulesOfMasksAreNeeded(t *testing.T) {
	mutation.Check(t, "^(TestMaskIsASet|TestWords|TestShareBit|TestTogether|TestHostileWord)$",
		mutation.Mutant{Rule: "equal masks are equal", File: "mask.go", Old: "if c != 0 {\n\t\t\tend = i + 1\n\t\t}", New: "end = i + 1"},
		mutation.Mutant{Rule: "bit 63 is of the second word", File: "mask.go", Old: "m.first >= wordMore || m.more", New: "m.more"},
		mutation.Mutant{Rule: "a word says which it is", File: "mask.go", Old: "wordBits + int(word>>setBits&(1<<5-1))*setBits", New: "wordBits"},
		mutation.Mutant{Rule: "the others have the latest version", File: "shared.go", Old: "shared.IsEmpty() || shared.Before(g.Stamp) ||", New: "shared.IsEmpty() ||"},
		mutation.Mutant{Rule: "the others have one bit", File: "shared.go", Old: "g.Mask = Bits(g.Word())", New: ""},
		mutation.Mutant{Rule: "what is brought together is above all of it", File: "shared.go", Old: "m.above(latest)", New: "m.above(Stamp{})"},
		mutation.Mutant{Rule: "columns that have their bits there stay as they are", File: "shared.go", Old: "g.Without(Bits(1<<SharedBit - 1))", New: "g.Mask"},
		mutation.Mutant{Rule: "one version is left alone", File: "shared.go", Old: "len(stamps) < 2", New: "len(stamps) < 1"},
	)
}
