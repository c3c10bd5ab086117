package progress

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/internal/mutation"
)

const day = 24 * time.Hour

// now is a Thursday.
var now = time.Date(2026, 11, 26, 15, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

// every returns silences of lengths, the last of which ended at a time.
func every(end time.Time, lengths ...time.Duration) (out []Silence) {
	for _, l := range slices.Backward(lengths) {
		out = append([]Silence{{end.Add(-l), end}}, out...)
		end = end.Add(-l)
	}
	return out
}

func times(n int, d time.Duration) (out []time.Duration) {
	for range n {
		out = append(out, d)
	}
	return out
}

func TestHabit(t *testing.T) {
	for name, c := range map[string]struct {
		silences []Silence
		want     time.Duration
	}{
		"nothing":                            {nil, 0},
		"two are too few":                    {every(now, day, day), 0},
		"each Friday":                        {every(now, times(6, 7*day)...), 7 * day},
		"nights and weekends":                {every(now, slices.Concat(times(20, 14*time.Hour), times(4, 63*time.Hour))...), 63 * time.Hour},
		"two failures are no habit":          {every(now, slices.Concat(times(20, 14*time.Hour), []time.Duration{9 * day, 11 * day})...), 14 * time.Hour},
		"what is later than now is no habit": {every(now.Add(300*day), times(5, 30*day)...), 0},
		"nor what ends before it begins":     {[]Silence{{now, ago(day)}, {now, ago(day)}, {now, ago(day)}}, 0},
	} {
		if got := Habit(c.silences, now); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestAllowed(t *testing.T) {
	known := ago(100 * day)
	for name, c := range map[string]struct {
		p    Peer
		want time.Duration
	}{
		"nothing is known":           {Peer{}, 3 * day},
		"a habit and a quarter":      {Peer{First: known, Silences: every(now, times(6, 4*day)...)}, 5 * day},
		"not less than the least":    {Peer{First: known, Silences: every(now, times(6, 2*time.Hour)...)}, day},
		"not more than the most":     {Peer{First: known, Silences: every(now, times(3, 19*day)...)}, 14 * day},
		"a habit of two weeks only":  {Peer{First: ago(14 * day), Silences: every(now, times(12, 14*time.Hour)...)}, 3 * day},
		"known since a time to come": {Peer{First: now.Add(day), Silences: every(now, times(12, 14*time.Hour)...)}, 3 * day},
	} {
		if got := Allowed(c.p, now, DefaultBounds()); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func said(f []Finding) string {
	var out []string
	for _, x := range f {
		l, _ := x.Level.MarshalText()
		out = append(out, string(l)+": "+x.Says.Key)
	}
	return strings.Join(out, "\n")
}

// clinic is a peer of a hub that is in step.
func clinic(change func(*Peer)) Facts {
	p := Peer{Name: "kisumu", Added: ago(100 * day), First: ago(100 * day), Heard: ago(time.Hour), Silences: every(ago(time.Hour), times(20, 14*time.Hour)...)}
	change(&p)
	return Facts{Now: now, Peers: []Peer{p}}
}

func TestJudgePeer(t *testing.T) {
	friday := func(p *Peer) { p.Heard, p.Silences = ago(6*day), every(ago(6*day), times(7, 7*day)...) }
	for name, c := range map[string]struct {
		f     Facts
		level Level
		says  string // part of the findings; of one that is well, of its sentence
	}{
		"in step":                        {clinic(func(p *Peer) {}), Well, "%s has all"},
		"silent for a day and more":      {clinic(func(p *Peer) { p.Heard = ago(25 * time.Hour) }), Late, "late: %s has been silent for %s; it is used to"},
		"silent for long":                {clinic(func(p *Peer) { p.Heard = ago(73 * time.Hour) }), Needs, "needs_somebody: %s has been silent"},
		"each Friday, on Thursday":       {clinic(friday), Well, "%s has all"},
		"and two days after the Friday":  {clinic(func(p *Peer) { friday(p); p.Heard = ago(9 * day) }), Late, "silent"},
		"never heard, added today":       {clinic(func(p *Peer) { p.Heard, p.First, p.Added = time.Time{}, time.Time{}, ago(time.Hour) }), Late, "never been heard"},
		"never heard, added long ago":    {clinic(func(p *Peer) { p.Heard, p.First, p.Added = time.Time{}, time.Time{}, ago(30*day) }), Needs, "never been heard"},
		"heard in the future":            {clinic(func(p *Peer) { p.Heard = now.Add(40 * day) }), Needs, "Nobody can say when"},
		"a clock that was set a little":  {clinic(func(p *Peer) { p.Heard = now.Add(10 * time.Minute) }), Well, "%s has all"},
		"it lacks what is new":           {clinic(func(p *Peer) { p.Unsent, p.UnsentSince = 5, ago(2*time.Hour) }), Well, "%d changes since %s are not at"},
		"it lacks what is old":           {clinic(func(p *Peer) { p.Unsent, p.UnsentSince = 5, ago(30*time.Hour) }), Late, "late: %d changes since"},
		"it lacks what is of the future": {clinic(func(p *Peer) { p.Unsent, p.UnsentSince = 5, now.Add(3*day) }), Needs, "%d changes since"},
		"rows wait for others":           {clinic(func(p *Peer) { p.Waiting = []Waiting{{3, ago(day), true}} }), Well, "%s has all"},
		"for long":                       {clinic(func(p *Peer) { p.Waiting = []Waiting{{3, ago(4 * day), true}} }), Needs, "%d rows of %s cannot"},
		"since a time to come":           {clinic(func(p *Peer) { p.Waiting = []Waiting{{3, now.Add(4 * day), true}} }), Needs, "%d rows of %s cannot"},
		"rows wait for a person":         {clinic(func(p *Peer) { p.Waiting = []Waiting{{3, ago(time.Minute), false}} }), Needs, "%d rows of %s cannot"},
		"rows wait there":                {clinic(func(p *Peer) { p.There = 2 }), Late, "%d rows of this node"},
		"a quota":                        {clinic(func(p *Peer) { p.Stopped = true }), Needs, "quota"},
		"two copies":                     {clinic(func(p *Peer) { p.Copies = true }), Needs, "copies"},
		"rows differ":                    {clinic(func(p *Peer) { p.Differ = 21 }), Late, "late: %d rows differ here and at"},
		"revoked":                        {clinic(func(p *Peer) { p.Suspended, p.Revoked = true, true }), Late, "late: The keys of %s are revoked"},
		"a disk with room":               {clinic(func(p *Peer) { p.DiskFree = 2 << 30 }), Well, "%s has all"},
		"a disk with little":             {clinic(func(p *Peer) { p.DiskFree = 2<<30 - 1 }), Late, "late: The disk of %s"},
		"a full disk":                    {clinic(func(p *Peer) { p.DiskFree = 1 }), Needs, "needs_somebody: The disk of %s"},
		"a clock ahead":                  {clinic(func(p *Peer) { p.ClockAhead = time.Hour }), Late, "ahead of"},
		"a clock behind by days":         {clinic(func(p *Peer) { p.ClockAhead = -2 * day }), Needs, "behind"},
		"suspended":                      {clinic(func(p *Peer) { p.Suspended, p.Heard = true, ago(80*day) }), Late, "suspended"},
	} {
		got := Judge(c.f, DefaultBounds()).Peers[0]
		text := said(got.Findings)
		if len(got.Findings) == 0 {
			text = got.Says.Key
		}
		if got.Level != c.level || !strings.Contains(text, c.says) {
			t.Errorf("%s: level %d\n%s", name, got.Level, text)
		}
	}
}

func TestJudgeNode(t *testing.T) {
	hub := Peer{Name: "hub", Parent: true, Added: ago(100 * day), First: ago(100 * day), Heard: ago(time.Hour)}
	with := func(change func(*Facts)) Facts {
		f := Facts{Now: now, Peers: []Peer{hub}}
		change(&f)
		return f
	}
	for name, c := range map[string]struct {
		f     Facts
		level Level
		says  string
		finds string
	}{
		"nobody":                     {Facts{Now: now}, Well, "There is nobody", ""},
		"a clinic in step":           {with(func(*Facts) {}), Well, "All work is safe at", ""},
		"what was just typed":        {with(func(f *Facts) { f.Unsealed, f.UnsealedSince = 3, ago(time.Minute) }), Well, "%d changes since %s are not", ""},
		"what nobody took in":        {with(func(f *Facts) { f.Unsealed, f.UnsealedSince = 3, ago(2*day) }), Late, "%d changes since %s are not", ""},
		"files for a person":         {with(func(f *Facts) { f.Files = []File{{Name: "x", Sender: "hub", Deletions: true}} }), Needs, "Something here", "deletes much"},
		"files that failed":          {with(func(f *Facts) { f.Files = []File{{Name: "x", Aside: true}} }), Needs, "Something here", "%d files failed"},
		"a file that is tried again": {with(func(f *Facts) { f.Files = []File{{Name: "x"}} }), Well, "All work", ""},
		"triggers":                   {with(func(f *Facts) { f.Triggers = []string{"obs"} }), Needs, "Something here", "triggers"},
		"conflicts":                  {with(func(f *Facts) { f.Conflicts = 1 }), Needs, "Something here", "%d conflicts are open."},
		"many conflicts":             {with(func(f *Facts) { f.Conflicts, f.MoreConflicts = 100, true }), Needs, "Something here", "More than %d conflicts"},
		"rows without a name":        {with(func(f *Facts) { f.Nameless = 2 }), Late, "All work", "%d tables stay here"},
		"a link that is down":        {with(func(f *Facts) { f.Links = []Link{{Name: "x", Up: ago(3 * day), Down: ago(2 * day)}} }), Well, "All work", ""},
		"for long":                   {with(func(f *Facts) { f.Links = []Link{{Name: "x", Up: ago(30 * day), Down: ago(20 * day)}} }), Late, "All work", "is not there since"},
		"since a time to come":       {with(func(f *Facts) { f.Links = []Link{{Name: "x", Up: ago(30 * day), Down: now.Add(2 * day)}} }), Late, "All work", "is not there since"},
		"a link that never was":      {with(func(f *Facts) { f.Links = []Link{{Name: "x", Down: ago(time.Hour)}} }), Late, "All work", "never there"},
		"a file refused there":       {with(func(f *Facts) { f.Links = []Link{{Name: "x", Up: ago(time.Hour), Refused: "why"}} }), Late, "All work", "not applied there"},
		"a clock that went back":     {with(func(f *Facts) { f.Peers[0].Heard = now.Add(day) }), Needs, "Nobody can say", "went back"},
		"a hub that nobody runs":     {func() Facts { f := clinic(func(*Peer) {}); f.Unsealed, f.UnsealedSince = 9, ago(2*day); return f }(), Late, "All sites are well, and", "were not taken in"},
		"a hub in step":              {clinic(func(*Peer) {}), Well, "All is well", ""},
		"a hub with a late site":     {clinic(func(p *Peer) { p.Heard = ago(2 * day) }), Late, "%d of %d sites", ""},
	} {
		j := Judge(c.f, DefaultBounds())
		if j.Level != c.level || !strings.HasPrefix(j.Says.Key, c.says) || c.finds == "" != (len(j.Findings) == 0) || !strings.Contains(said(j.Findings), c.finds) {
			t.Errorf("%s: level %d, %q\n%s", name, j.Level, j.Says.Key, said(j.Findings))
		}
	}
}

// What needs most comes first, of one level by name as given.
func TestJudgeOrder(t *testing.T) {
	f := Facts{Now: now}
	for i, heard := range []time.Duration{time.Hour, 50 * time.Hour, 100 * day, 2 * time.Hour} {
		f.Peers = append(f.Peers, Peer{Name: fmt.Sprint("p", i), Added: ago(200 * day), First: ago(200 * day), Heard: ago(heard)})
	}
	var names []string
	for _, p := range Judge(f, DefaultBounds()).Peers {
		names = append(names, p.Name)
	}
	if !slices.Equal(names, []string{"p2", "p1", "p0", "p3"}) {
		t.Error(names)
	}
}

// A silent peer does not look well, whatever clocks did meanwhile.
func TestSilentNeverWell(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		instant := func(name string) time.Time {
			return now.Add(time.Duration(rapid.Int64Range(-int64(4000*day), int64(4000*day)).Draw(rt, name)))
		}
		p := Peer{Name: "kisumu", Added: instant("added"), First: instant("first"), Heard: instant("heard")}
		for range rapid.IntRange(0, 12).Draw(rt, "silences") {
			p.Silences = append(p.Silences, Silence{instant("from"), instant("to")})
		}
		age := now.Sub(p.Heard)
		j := Judge(Facts{Now: now, Peers: []Peer{p}}, DefaultBounds())
		if (age > DefaultBounds().Most || age < -early) && (j.Level == Well || j.Peers[0].Level == Well) {
			rt.Fatalf("heard %v ago, and well", age)
		}
	})
}

func TestMutants(t *testing.T) {
	mutation.Check(t, "^Test(Habit|Allowed|Judge|Silent)",
		mutation.Mutant{Rule: "two failures are no habit", File: "habit.go", Old: "lengths[len(lengths)-habitual]", New: "lengths[len(lengths)-1]"},
		mutation.Mutant{Rule: "few silences are no habit", File: "habit.go", Old: "len(lengths) < habitual", New: "len(lengths) == 0"},
		mutation.Mutant{Rule: "what ended later than now is no habit", File: "habit.go", Old: " && !s.To.After(now)", New: ""},
		mutation.Mutant{Rule: "a peer that is new has time", File: "habit.go", Old: "max(allowed, unknown)", New: "allowed"},
		mutation.Mutant{Rule: "until four weekends are known", File: "habit.go", Old: "age < learning", New: "age < 0"},
		mutation.Mutant{Rule: "a habit has a bound", File: "habit.go", Old: "min(max(allowed, b.Least), max(b.Most, b.Least))", New: "max(allowed, b.Least)"},
		mutation.Mutant{Rule: "a day is no silence", File: "habit.go", Old: "max(allowed, b.Least), ", New: "allowed, "},
		mutation.Mutant{Rule: "what is later than now is not well", File: "peer.go", Old: "age < -early || age > 3*allowed", New: "age > 3*allowed"},
		mutation.Mutant{Rule: "a clock may be set by a little", File: "peer.go", Old: "age < -early || age > 3*allowed", New: "age < 0 || age > 3*allowed"},
		mutation.Mutant{Rule: "a silence that is long needs somebody", File: "peer.go", Old: " || age > 3*allowed", New: ""},
		mutation.Mutant{Rule: "who was never heard is late", File: "peer.go", Old: "max(Late, tooLong(now.Sub(p.Added), allowed))", New: "tooLong(now.Sub(p.Added), allowed)"},
		mutation.Mutant{Rule: "what was just typed is not at the hub", File: "peer.go", Old: "p.Parent && f.Unsealed > 0", New: "false"},
		mutation.Mutant{Rule: "rows that wait for others have time", File: "peer.go", Old: "!w.ByItself || ", New: "true || "},
		mutation.Mutant{Rule: "not for ever", File: "peer.go", Old: " || age > patience", New: ""},
		mutation.Mutant{Rule: "rows that wait for a person do not", File: "peer.go", Old: "!w.ByItself || ", New: ""},
		mutation.Mutant{Rule: "who is suspended is not asked for its silence", File: "peer.go", Old: "case p.Suspended:", New: "case false:"},
		mutation.Mutant{Rule: "a disk that is not known is not full", File: "peer.go", Old: "p.DiskFree > 0 && ", New: ""},
		mutation.Mutant{Rule: "a disk with little room is late", File: "peer.go", Old: "p.DiskFree < littleRoom", New: "p.DiskFree < noRoom"},
		mutation.Mutant{Rule: "a full disk needs somebody", File: "peer.go", Old: "p.DiskFree < noRoom", New: "false"},
		mutation.Mutant{Rule: "a clock here that went back is said", File: "judge.go", Old: "p.Heard.Sub(f.Now) > early || ", New: ""},
		mutation.Mutant{Rule: "a link may be down for a while", File: "judge.go", Old: "f.Now.Sub(l.Down) > b.Most || ", New: "true || "},
		mutation.Mutant{Rule: "not for ever", File: "judge.go", Old: "f.Now.Sub(l.Down) > b.Most || ", New: ""},
		mutation.Mutant{Rule: "what needs most comes first", File: "judge.go", Old: "func(x, y PeerJudgement) int { return int(y.Level) - int(x.Level) }", New: "func(x, y PeerJudgement) int { return 0 }"},
		mutation.Mutant{Rule: "a peer's level is the node's", File: "judge.go", Old: "j.Level = max(j.Level, p.Level)", New: "_ = p"},
	)
}
