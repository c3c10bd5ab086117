package merge_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/merge"
)

const (
	minute = int64(60 * 1_000_000)
	day    = 24 * 60 * minute
)

func TestSkew(t *testing.T) {
	now := 20_000 * day
	ahead, behind := merge.Skew{By: 3 * day, Since: now - 9*day, Seen: now - 5*day}, merge.Skew{By: -3 * day, Since: now - 9*day, Seen: now - 5*day}
	for _, c := range []struct {
		name        string
		before      merge.Skew
		made, acked int64
		want        merge.Skew
	}{
		{"a right clock", merge.Skew{}, now - minute, now - 2*minute, merge.Skew{}},
		{"a file that was weeks on its way", merge.Skew{}, now - 20*day, now - 21*day, merge.Skew{}},
		{"minutes ahead", merge.Skew{}, now + 9*minute, now - day, merge.Skew{}},
		{"minutes behind", merge.Skew{}, now - 9*minute, now, merge.Skew{}},
		{"ahead", merge.Skew{}, now + 2*day, now - day, merge.Skew{By: 2 * day, Since: now, Seen: now}},
		{"ahead, with nothing acknowledged", merge.Skew{}, now + 2*day, 0, merge.Skew{By: 2 * day, Since: now, Seen: now}},
		{"behind", merge.Skew{}, now - 9*day, now - 7*day, merge.Skew{By: -2 * day, Since: now, Seen: now}},
		{"old, with nothing acknowledged", merge.Skew{}, now - 9*day, 0, merge.Skew{}},
		{"the clock here was set back", merge.Skew{}, now - minute, now + 700*day, merge.Skew{}},
		{"still ahead", ahead, now + 2*day, now - day, merge.Skew{By: 2 * day, Since: ahead.Since, Seen: now}},
		{"ahead, and a file that was long on its way", ahead, now - 2*day, now - 6*day, ahead},
		{"ahead, and nothing acknowledged", ahead, now - minute, 0, ahead},
		{"ahead no more", ahead, now - minute, now - 2*minute, merge.Skew{}},
		{"ahead, then behind", ahead, now - 9*day, now - 7*day, merge.Skew{By: -2 * day, Since: now, Seen: now}},
		{"behind, and a file that was long on its way", behind, now - 8*day, now - 9*day, behind},
		{"behind no more", behind, now - minute, now - day, merge.Skew{}},
		{"behind, then ahead", behind, now + day, now - day, merge.Skew{By: day, Since: now, Seen: now}},
	} {
		if got := c.before.See(c.made, c.acked, now); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// Whatever a clock says and however long files travel, no skew is told that is not there, and none that is larger.
func TestSkewIsProved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		off := rapid.Int64Range(-4000*day, 4000*day).Draw(t, "off")
		now, s := 20_000*day, merge.Skew{}
		for range rapid.IntRange(1, 8).Draw(t, "headers") {
			now += rapid.Int64Range(0, 40*day).Draw(t, "later")
			made := now - rapid.Int64Range(0, 40*day).Draw(t, "on its way")
			acked := made - rapid.Int64Range(0, 40*day).Draw(t, "acknowledged before")
			s = s.See(made+off, acked, now)
			if s.By > 0 && s.By > off || s.By < 0 && s.By < off {
				t.Fatalf("told %d of %d", s.By, off)
			}
		}
		if s = s.See(now+off, now, now); (s.By != 0) != (off > 10*minute || off < -10*minute) && s.By != 0 {
			t.Fatalf("off by %d, told %d", off, s.By)
		}
		if (off > 10*minute || off < -10*minute) && s.By != off {
			t.Fatalf("seen at once, off by %d: told %d", off, s.By)
		}
	})
}
