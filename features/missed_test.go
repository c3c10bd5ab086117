package features_test

import (
	"math/rand"
	"slices"
	"testing"

	"github.com/omsync/omsync/features"
)

const anHour = int64(60 * 60 * 1_000_000)

func TestMissed(t *testing.T) {
	var m features.Missed
	if m.Withdrawn(5) {
		t.Error("withdrawn though nothing was missed")
	}
	now := 1000 * anHour
	for times, hours := range []int64{1, 4, 16, 64, 168, 168, 168} {
		m = m.Miss(now)
		if m.Times != times+1 || !m.Withdrawn(now) || !m.Withdrawn(now+hours*anHour-1) || m.Withdrawn(now+hours*anHour) {
			t.Errorf("missed %d times: %+v", times+1, m)
		}
		if m.Miss(now+hours*anHour-1) != m {
			t.Errorf("missed %d times: a file that was under way counts", times+1)
		}
		now += hours * anHour
	}
	if m.Withdrawn(m.At - 1) {
		t.Error("withdrawn after the clock was set back")
	}
	if got := m.Miss(m.At + 28*24*anHour - 1); got.Times != 8 {
		t.Errorf("just within four weeks: %+v", got)
	}
	if got := m.Miss(m.At + 28*24*anHour); got.Times != 1 {
		t.Errorf("after four weeks: %+v", got)
	}
}

// A row that is missed each time it is named short costs few files: all that is said arrives, and no file is sent without need.
func TestMissedSchedules(t *testing.T) {
	for seed := range int64(50) {
		r := rand.New(rand.NewSource(seed))
		missing := r.Intn(2) == 0 // for good
		var m features.Missed
		var heard features.Heard
		known := features.Known{{Name: features.ShortKeys, Since: "0.1.0"}}
		said, came, files, misses := 0, 0, 0, 0 // changes at the sender, and those that are at the receiver; what went
		epoch, acked := uint64(0), 0
		const days = 60
		for now, end := anHour, days*24*anHour; now < end; now += 1 + r.Int63n(3*anHour) {
			if r.Intn(3) > 0 {
				said++
			}
			// The receiver's header: what it reads, and what it has.
			reads := known
			if m.Withdrawn(now) {
				reads = known.Without(features.ShortKeys)
			}
			if r.Intn(5) > 0 { // it may be lost
				epoch++
				heard = heard.Hear(features.Heard{Reads: reads.Names(), History: 1, Epoch: epoch, Time: now}, false)
				acked = came
			}
			if said == acked {
				continue
			}
			files++
			if r.Intn(5) == 0 {
				continue
			}
			short := slices.Contains(known.Writable(heard).Names(), features.ShortKeys)
			if short && (missing || r.Intn(100) == 0) {
				misses++
				m = m.Miss(now)
				continue
			}
			came = said
		}
		if said-came > 20 {
			t.Errorf("seed %d: %d changes, and %d arrived", seed, said, came)
		}
		if missing && misses > 40 {
			t.Errorf("seed %d: %d of %d files were missed in %d days", seed, misses, files, days)
		}
	}
}

func TestWithout(t *testing.T) {
	k := features.Present()
	if got := k.Without(features.ShortKeys); got.Has(features.ShortKeys) || len(got) != len(k)-1 || !k.Has(features.ShortKeys) || len(k.Without()) != len(k) {
		t.Errorf("left %v of %v", got.Names(), k.Names())
	}
}
