package batch

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func newAhead() *ahead {
	a := &ahead{}
	a.changed.L = &a.mu
	return a
}

// Items are packed in the order in which they are handed in, and all of them by the time that wait returns.
func TestAheadKeepsOrder(t *testing.T) {
	a := newAhead()
	var packed, want []int
	for i := range 1000 {
		want = append(want, i)
		if err := a.add(1+i%aheadBlock, func() error { packed = append(packed, i); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.wait(); err != nil || !slices.Equal(packed, want) {
		t.Errorf("%v, packed: %v", err, packed)
	}
	if a.weight != 0 || a.runs {
		t.Errorf("when nothing is left: weight %d, runs: %t", a.weight, a.runs)
	}
}

// Who hands in more than may wait waits until there is room.
func TestAheadIsBounded(t *testing.T) {
	a := newAhead()
	release := make(chan struct{})
	for range aheadLimit / aheadBlock {
		if err := a.add(aheadBlock, func() error { <-release; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	in := make(chan struct{})
	go func() {
		a.add(aheadSmall, func() error { return nil })
		close(in)
	}()
	select {
	case <-in:
		t.Fatal("an item was taken although as much waits as may")
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	<-in
	if err := a.wait(); err != nil {
		t.Error(err)
	}
}

// After an error nothing is packed any more, and whoever comes hears of it.
func TestAheadStops(t *testing.T) {
	a := newAhead()
	broken := errors.New("the disk is full")
	packed := false
	a.add(1, func() error { return broken })
	a.add(1, func() error { packed = true; return nil })
	if err := a.wait(); !errors.Is(err, broken) {
		t.Error(err)
	}
	if err := a.add(1, func() error { packed = true; return nil }); !errors.Is(err, broken) {
		t.Error(err)
	}
	if a.wait(); packed {
		t.Error("an item was packed after the error")
	}
}
