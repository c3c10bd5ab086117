package merge_test

import (
	"testing"

	"github.com/omsync/omsync/merge"
)

func TestMend(t *testing.T) {
	const limit = today + 10*year
	m := merge.Stamper{Self: "h", Epoch: 9}
	group := func(mask uint64, time int64, author string, epoch uint64, from merge.Peer) merge.Group {
		return merge.Group{Mask: merge.Bits(mask), Version: version(time, author, epoch, from)}
	}
	added := func(g merge.Group, p merge.Peer) merge.Group {
		g.Version = by(g.Version, p)
		return g
	}
	dead := func(time int64, author string, epoch uint64, from merge.Peer) merge.Row {
		return merge.Row{Known: true, Dead: version(time, author, epoch, from)}
	}
	for _, c := range []struct {
		name     string
		row      merge.Row
		want     merge.Row
		unmended bool
	}{
		{"a row that nobody heard of", merge.Row{}, merge.Row{}, true},
		{"a row from before", live(group(15, 0, "z", 3, 2)), live(group(15, 0, "z", 3, 2)), true},
		{"a row at the limit", live(group(15, limit, "z", 3, 2)), live(group(15, limit, "z", 3, 2)), true},
		{"a row above the limit", live(group(15, limit+1, "z", 3, 2)), live(added(group(15, today+1, "h", 9, 0), 2)), false},
		{"a row at the end", live(group(15, endOfTime, "z", 3, 2)), live(added(group(15, today+1, "h", 9, 0), 2)), false},
		{"one column of a row", live(group(5, 100, "a", 1, 1), group(10, endOfTime, "z", 3, 2)), live(group(5, 100, "a", 1, 1), group(10, today+1, "h", 9, 0)), false},
		{"two columns of different stamps become one version", live(group(1, 100, "a", 1, 1), group(2, endOfTime, "z", 3, 2), group(4, limit+7, "y", 4, 1)),
			live(group(1, 100, "a", 1, 1), group(6, today+1, "h", 9, 0)), false},
		{"above what stays of the row", live(group(1, today+year, "a", 1, 1), group(2, endOfTime, "z", 3, 2)),
			live(group(1, today+year, "a", 1, 1), group(2, today+year+1, "h", 9, 0)), false},
		{"what was made here", live(group(15, endOfTime, "h", 3, 0)), live(group(15, today+1, "h", 9, 0)), false},
		{"a deletion at the limit", dead(limit, "z", 3, 2), dead(limit, "z", 3, 2), true},
		{"a deletion above the limit", dead(limit+1, "z", 3, 2), dead(today, "h", 9, 0), false},
	} {
		got, mended := m.Mend(c.row, limit, today)
		if !sameRow(got, c.want) || mended == c.unmended {
			t.Errorf("%s: %+v, %v, want %+v", c.name, got, mended, c.want)
		}
		if again, more := m.Mend(got, limit, today); more || !sameRow(again, got) {
			t.Errorf("%s: mended twice: %+v", c.name, again)
		}
	}
}

func TestClockIsSane(t *testing.T) {
	for now, want := range map[int64]bool{0: false, birth - 1: false, birth: true, today: true, ceiling: true, ceiling + 1: false} {
		if got := merge.ClockIsSane(now); got != want {
			t.Errorf("%d: %v", now, got)
		}
	}
}
