package digest_test

import (
	"testing"
	"time"

	"github.com/omsync/omsync/digest"
)

func TestDue(t *testing.T) {
	now := time.Date(2026, 5, 10, 9, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for _, c := range []struct {
		name        string
		every       time.Duration
		added, last time.Time
		want        bool
	}{
		{"never made, added of late", 7 * day, now.Add(-7*day + 1), time.Time{}, false},
		{"never made", 7 * day, now.Add(-7 * day), time.Time{}, true},
		{"made of late", 7 * day, now.Add(-70 * day), now.Add(-7*day + 1), false},
		{"made a week ago", 7 * day, now.Add(-70 * day), now.Add(-7 * day), true},
		{"made in the future", 7 * day, now.Add(-70 * day), now.Add(1), true},
		{"off", 0, now.Add(-70 * day), time.Time{}, false},
	} {
		if got := digest.Due(c.every, c.added, c.last, now); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestIsCompared(t *testing.T) {
	now := time.Date(2026, 5, 10, 9, 0, 0, 0, time.UTC)
	for last, want := range map[time.Time]bool{now: false, now.Add(1 - digest.Again): false, now.Add(-digest.Again): true, now.Add(1): true, {}: true} {
		if got := digest.IsCompared(last, now); got != want {
			t.Errorf("the last was at %s: %v", last, got)
		}
	}
}
