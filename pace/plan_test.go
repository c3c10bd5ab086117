package pace

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// begun returns a plan with links whose first run has ended well, and the time then.
func begun(t *testing.T, kinds map[string]Kind) (*Plan, time.Time) {
	t.Helper()
	p := New(DefaultBackoff(), func() float64 { return 0.5 })
	p.Links(kinds, start)
	now := start.Add(StartSpread)
	due := p.Due(now)
	if len(due) != len(kinds) {
		t.Fatalf("at the start %v are due, of %v", due, kinds)
	}
	p.Began(due, now)
	p.Ended(due, nil, now)
	return p, now.Add(2 * LeastPause)
}

func wantDue(t *testing.T, p *Plan, now time.Time, want ...string) {
	t.Helper()
	if got := p.Due(now); !slices.Equal(got, want) {
		t.Fatalf("due %v, not %v", got, want)
	}
}

func TestNews(t *testing.T) {
	quiet := Seen{Before: Sign{7, 1, 40}, After: Sign{8, 2, 0}}
	stuck := Seen{Before: Sign{7, 1, 40}, After: Sign{7, 1, 40}}
	during := Seen{Before: Sign{7, 1, 40}, After: Sign{8, 2, 41}}
	for _, c := range []struct {
		name string
		seen Seen
		now  Sign
		want bool
	}{
		{"nothing", quiet, Sign{8, 2, 0}, false},
		{"a change", quiet, Sign{8, 2, 41}, true},
		{"a change with the number of one before: the count began anew", quiet, Sign{8, 2, 40}, true},
		{"an epoch", quiet, Sign{9, 3, 0}, true},
		{"another epoch of the number: the database was restored", quiet, Sign{8, 3, 0}, true},
		{"a change that no run takes", stuck, Sign{7, 1, 40}, false},
		{"and one more", stuck, Sign{7, 1, 41}, true},
		{"a change that came in the run's time", during, Sign{8, 2, 41}, true},
		{"never seen", Seen{}, Sign{8, 2, 0}, true},
	} {
		if got := c.seen.News(c.now); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestKnown(t *testing.T) {
	var k Known
	for _, c := range []struct {
		items []string
		want  bool
	}{{nil, false}, {[]string{"a", "b"}, true}, {[]string{"a", "b"}, false}, {[]string{"b"}, false}, {[]string{"a", "b"}, true}, {nil, false}} {
		if got := k.News(c.items); got != c.want {
			t.Errorf("%q: %v", c.items, got)
		}
	}
}

func TestAnAnswerHastensNoStart(t *testing.T) {
	p := New(DefaultBackoff(), func() float64 { return 0.5 })
	p.Links(map[string]Kind{"hub": Server}, start)
	p.Answered("hub", true, start)
	wantDue(t, p, start)
	wantDue(t, p, start.Add(StartSpread/2), "hub")
}

func TestALocalChangeIsDueOverAllButSticks(t *testing.T) {
	p, now := begun(t, map[string]Kind{"hub": Server, "share": Polled})
	if fresh := p.Sticks([]string{"stick"}, now); !slices.Equal(fresh, []string{"stick"}) {
		t.Fatalf("new sticks: %v", fresh)
	}
	wantDue(t, p, now, "stick")
	p.Began([]string{"stick"}, now)
	p.Local(now)
	wantDue(t, p, now) // one run at a time
	p.Ended([]string{"stick"}, nil, now)
	wantDue(t, p, now.Add(LeastPause), "hub", "share")
	p.Sticks([]string{"stick"}, now)
	p.Sticks(nil, now)
	p.Sticks([]string{"stick 2"}, now)
	wantDue(t, p, now.Add(LeastPause), "hub", "share", "stick 2")
}

func TestWhatCannotSayIsAsked(t *testing.T) {
	p, now := begun(t, map[string]Kind{"hub": Server, "old": Server, "share": Polled})
	p.Answered("old", false, now)
	p.Answered("hub", true, now)
	wantDue(t, p, now)
	p.Began([]string{"old"}, now)
	p.Ended([]string{"old"}, nil, now)
	now = now.Add(Poll * 6 / 5)
	wantDue(t, p, now, "old", "share")
	now = now.Add(Rest * 6 / 5)
	wantDue(t, p, now, "hub", "old", "share")
}

func TestALostLinkIsLeftAlone(t *testing.T) {
	p, now := begun(t, map[string]Kind{"hub": Server, "share": Polled})
	if wait := p.Lost("hub"); wait > p.Lost("hub") {
		t.Error("the second wait is shorter, by the same chance")
	}
	p.Local(now)
	wantDue(t, p, now.Add(time.Hour), "share")
	p.Answered("hub", true, now)
	wantDue(t, p, now, "hub", "share") // what was due is
	p.Began([]string{"hub", "share"}, now)
	p.Ended([]string{"hub", "share"}, []string{"share"}, now)
	wantDue(t, p, now.Add(LeastPause))
	p.Answered("share", false, now) // that it is there does not say that a run would do better
	wantDue(t, p, now.Add(LeastPause))
	wantDue(t, p, now.Add(DefaultBackoff().Most), "share")
	// A link that was away and answers is due, though nothing is known to be there.
	p, now = begun(t, map[string]Kind{"hub": Server})
	p.Lost("hub")
	p.Answered("hub", true, now)
	wantDue(t, p, now, "hub")
}

func TestRunsLeaveHalfOfTheTime(t *testing.T) {
	p, now := begun(t, map[string]Kind{"hub": Server})
	p.Local(now)
	p.Began([]string{"hub"}, now)
	now = now.Add(8 * time.Second)
	p.Local(now)
	p.Ended([]string{"hub"}, nil, now)
	wantDue(t, p, now.Add(7*time.Second))
	wantDue(t, p, now.Add(8*time.Second), "hub")
	p.Began([]string{"hub"}, now)
	now = now.Add(5 * time.Hour)
	p.Local(now)
	p.Ended([]string{"hub"}, nil, now)
	wantDue(t, p, now.Add(MostPause), "hub")
}

// TestManyDoNotComeBackTogether: 500 clinics lose their hub at one moment, for a while, or their power comes back at one moment. How many of
// them call in one second?
func TestManyDoNotComeBackTogether(t *testing.T) {
	const clinics = 500
	for _, away := range []time.Duration{5 * time.Second, time.Minute, 20 * time.Minute, 6 * time.Hour} {
		t.Run(away.String(), func(t *testing.T) {
			random := rand.New(rand.NewPCG(17, uint64(away)))
			calls, last := map[int]int{}, time.Duration(0) // by second after the hub is back
			b := DefaultBackoff()
			for range clinics {
				at, failures := time.Duration(0), 0
				for {
					failures++
					at += b.After(failures, random.Float64())
					if at >= away {
						break
					}
				}
				calls[int((at-away)/time.Second)]++
				last = max(last, at-away)
			}
			most := 0
			for _, n := range calls {
				most = max(most, n)
			}
			t.Logf("%d clinics after %v: %d in the busiest second, the last after %v", clinics, away, most, last.Round(time.Second))
			if most > 45 {
				t.Errorf("%d clinics call in one second", most)
			}
			if last > b.Least+b.Most {
				t.Errorf("the last calls %v after the hub is back", last)
			}
		})
	}
	t.Run("power", func(t *testing.T) {
		random := rand.New(rand.NewPCG(17, 4))
		var plans []*Plan
		for i := range clinics {
			p := New(DefaultBackoff(), random.Float64)
			p.Links(map[string]Kind{fmt.Sprint(i): Server}, start)
			plans = append(plans, p)
		}
		came := 0
		for at := time.Duration(0); at <= StartSpread; at += time.Second {
			n := 0
			for _, p := range plans {
				if due := p.Due(start.Add(at)); len(due) > 0 {
					n++
					p.Began(due, start.Add(at))
				}
			}
			came += n
			if n > 90 {
				t.Errorf("%d clinics call %v after the start", n, at)
			}
		}
		if came != clinics {
			t.Errorf("%d of %d came", came, clinics)
		}
	})
}

// TestNothingIsForgotten: whatever happens, what became due is done at last, and never before its time.
func TestNothingIsForgotten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := New(DefaultBackoff(), func() float64 { return rapid.Float64Range(0, 0.999).Draw(t, "chance") })
		now := start
		names := []string{"hub", "share"}
		p.Links(map[string]Kind{"hub": Server, "share": Polled}, now)
		owed := map[string]bool{"hub": true, "share": true}
		away := map[string]bool{}
		run := func() {
			due := p.Due(now)
			for _, name := range due {
				if away[name] {
					t.Fatalf("%s is due and away", name)
				}
			}
			if len(due) == 0 {
				return
			}
			p.Began(due, now)
			now = now.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "took")) * time.Second)
			var failed []string
			for _, name := range due {
				delete(owed, name)
				if rapid.Bool().Draw(t, "fails") {
					failed = append(failed, name)
					owed[name] = true
				}
			}
			p.Ended(due, failed, now)
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "pause")) * time.Second)
			name := rapid.SampledFrom(names).Draw(t, "link")
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				p.Local(now)
				owed["hub"], owed["share"] = true, true
			case 1:
				p.News(name, now)
				owed[name] = true
			case 2:
				p.Lost("hub")
				away["hub"] = true
			case 3:
				p.Answered("hub", true, now)
				delete(away, "hub")
			}
			run()
		}
		p.Answered("hub", true, now)
		b := DefaultBackoff()
		now = now.Add(b.Least + b.Most + MostPause + StartSpread)
		due := p.Due(now)
		for name := range owed {
			if !slices.Contains(due, name) {
				t.Fatalf("%s is owed and not due: %v", name, due)
			}
		}
	})
}
