package access_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/omsync/omsync/access"
)

// Integers go down in tables of which nothing goes up, and nowhere else.
func TestIntegersGoDown(t *testing.T) {
	for _, d := range []access.Direction{access.Both, access.Down, access.Add, access.None} {
		for _, code := range []bool{false, true} {
			want := d == access.Down || code && d != access.None
			table := access.Table{Direction: d, Code: code}
			up, down := access.On(table, peer, access.Parent), access.On(table, peer, access.Child)
			if up.SendsIntegers() || down.SendsIntegers() != want {
				t.Errorf("%s, code %t: sent up %t, down %t", d, code, up.SendsIntegers(), down.SendsIntegers())
			}
			if up.TakesIntegers() != want || down.TakesIntegers() {
				t.Errorf("%s, code %t: taken from the parent %t, from a child %t", d, code, up.TakesIntegers(), down.TakesIntegers())
			}
		}
	}
}

func TestIntegersKept(t *testing.T) {
	taken := func(n int64) bool { return n == 7 || n == 9 }
	for _, c := range []struct {
		most       int64
		sent, want []int64
	}{
		{math.MaxInt32, []int64{1, 7, 8, 9, 1065}, []int64{1, 0, 8, 0, 1065}},
		{math.MaxInt32, []int64{0, -1, math.MinInt64, math.MaxInt64}, []int64{0, 0, 0, 0}},
		{math.MaxInt32, []int64{math.MaxInt32 / 2, math.MaxInt32/2 + 1, math.MaxInt32}, []int64{math.MaxInt32 / 2, 0, 0}},
		{127, []int64{63, 64, 127, 128}, []int64{63, 0, 0, 0}},
		{math.MaxInt32, []int64{5, 5, 6, 5}, []int64{5, 0, 6, 0}},
		{0, []int64{1, 0}, []int64{0, 0}},
	} {
		if got := access.KeepIntegers(c.sent, c.most, taken); !slices.Equal(got, c.want) {
			t.Errorf("of %v, %d at most: %v, want %v", c.sent, c.most, got, c.want)
		}
	}
}

func TestIntegersApart(t *testing.T) {
	const apart, half = 1 << 20, math.MaxInt32 / 2
	for _, c := range []struct {
		n                int
		sent, here, most int64
		want             int64
	}{
		{1, 100, 100, math.MaxInt32, 100 + apart},
		{1, 100, 5000, math.MaxInt32, 5000 + apart},                 // above all rows here
		{1, 100, 100 + apart, math.MaxInt32, 0},                     // the counter is there already
		{1, 100, 100 + apart/2, math.MaxInt32, 0},                   //
		{1, 100, 99 + apart/2, math.MaxInt32, 99 + apart/2 + apart}, // but not a row before
		{10, half - apart - 10, 1, math.MaxInt32, half - 10},
		{11, half - apart - 10, 1, math.MaxInt32, 0}, // no room
		{1, 50, 60, 127, 0},
		{1, 0, 60, math.MaxInt32, 0}, // none was sent
		{1, math.MaxInt64, 1, math.MaxInt64, 0},
		{1, 5, math.MaxInt64, math.MaxInt64, 0},
	} {
		if got := access.IntegersApart(c.n, c.sent, c.here, c.most); got != c.want {
			t.Errorf("%+v: got %d", c, got)
		}
	}
}

// A parent and a node with rows of its own, over a long time: each row of the parent's that comes to a free integer has it, no integer
// is given twice, and rows that could not keep theirs take none from those that come later.
func TestIntegersOverTime(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		here, counter, parents := map[int64]bool{}, int64(0), int64(0)
		put := func(n int64) {
			if n == 0 {
				counter++
				n = counter
			}
			if here[n] || n < 1 || n > math.MaxInt32 {
				t.Fatalf("seed %d: integer %d is given twice, or none", seed, n)
			}
			here[n], counter = true, max(counter, n)
		}
		for range r.IntN(50) {
			put(0)
		}
		own := int64(len(here)) // rows here that had their integers before the parent's came
		for range 30 {
			sent := make([]int64, 1+r.IntN(40))
			for i := range sent {
				parents++
				sent[i] = parents
			}
			kept := access.KeepIntegers(sent, math.MaxInt32, func(n int64) bool { return here[n] })
			without, highest := 0, int64(0)
			for n := range here {
				highest = max(highest, n)
			}
			for i, n := range kept {
				if n == 0 {
					without++
				}
				if (n == 0) != (sent[i] <= own) {
					t.Fatalf("seed %d: of %d, beside %d rows of its own, %d is kept", seed, sent[i], own, n)
				}
			}
			next := int64(0)
			if without > 0 {
				next = access.IntegersApart(without, sent[len(sent)-1], highest, math.MaxInt32)
			}
			for _, n := range kept {
				if n != 0 {
					put(n)
				}
			}
			for _, n := range kept {
				if n == 0 {
					put(next)
					if next != 0 {
						next++
					}
				}
			}
		}
	}
}
