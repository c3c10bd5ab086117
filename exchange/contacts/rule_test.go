package contacts

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/mutation"
)

var start = time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)

func at(hours float64) time.Time { return start.Add(time.Duration(hours * float64(time.Hour))) }

func gaps(c Contacts) (hours []float64) {
	for _, g := range c.Gaps {
		hours = append(hours, g.Length().Hours())
	}
	return hours
}

func equal(a, b []float64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestHear(t *testing.T) {
	type file struct {
		made float64 // hours, by the peer's clock
		news bool
		now  float64
	}
	for name, c := range map[string]struct {
		files       []file
		first, last float64
		gaps        []float64
	}{
		"one":                                       {[]file{{0, true, 1}}, 1, 1, nil},
		"silences of an hour count":                 {[]file{{0, true, 1}, {1, true, 1.5}, {2, true, 2.5}, {9, true, 9.5}}, 1, 9.5, []float64{1, 7}},
		"a file read again shows nothing":           {[]file{{0, true, 1}, {0, false, 9}, {0, false, 30}}, 1, 1, nil},
		"nor does an older one":                     {[]file{{5, true, 6}, {3, false, 9}}, 6, 6, nil},
		"a later one without news does":             {[]file{{0, true, 1}, {8, false, 9}}, 1, 9, []float64{8}},
		"news count whatever the peer's clock says": {[]file{{500, true, 1}, {2, true, 3}, {4, false, 5}}, 1, 5, []float64{2, 2}},
		"a clock here that was ahead":               {[]file{{0, true, 1}, {2, true, 900}, {3, true, 901}, {4, true, 5}}, 1, 5, nil},
		"silences are forgotten":                    {[]file{{0, true, 1}, {9, true, 10}, {60*24 + 11, true, 60*24 + 11}}, 1, 60*24 + 11, []float64{60*24 + 1}},
	} {
		var got Contacts
		for _, f := range c.files {
			got = got.Hear(File{Made: at(f.made), News: f.news}, at(f.now))
		}
		if !got.First.Equal(at(c.first)) || !got.Last.Equal(at(c.last)) || !equal(gaps(got), c.gaps) {
			t.Errorf("%s: first %v, last %v, silences of %v hours", name, got.First.Sub(start), got.Last.Sub(start), gaps(got))
		}
	}
}

// Of too many silences the shortest go.
func TestHearBounded(t *testing.T) {
	var c Contacts
	now := 0.0
	for i := range 500 {
		now += 2
		if i%50 == 0 {
			now += 20
		}
		c = c.Hear(File{Made: at(now), News: true}, at(now))
	}
	long := 0
	for _, g := range gaps(c) {
		if g > 20 {
			long++
		}
	}
	if len(c.Gaps) != maxGaps || long != 9 {
		t.Errorf("%d silences, %d long ones", len(c.Gaps), long)
	}
}

// What came is added up by day, for 90 days; what the peer says of itself is what its last file says that says anything.
func TestHearDays(t *testing.T) {
	c := Contacts{Days: []Day{{Day: "2026-12-31", Files: 9}, {Day: "2026-10-30", Files: 2}}} // of a clock that was wrong, in no order
	for i, f := range []struct {
		File
		now float64
	}{
		{File{Made: at(0), News: true, Bytes: 100, Rows: 1, Health: &batch.Health{Waiting: 1}}, 0},
		{File{Made: at(1), News: true, Bytes: 50, Rows: 2}, 1},
		{File{Made: at(2), Bytes: 70, Health: &batch.Health{Waiting: 2}}, 2},
		{File{Made: at(1), Bytes: 70, Health: &batch.Health{Waiting: 3}}, 3},
		{File{Made: at(89 * 24), News: true, Bytes: 7, Rows: 3}, 89*24 - 8},
		{File{Made: at(90 * 24), News: true, Bytes: 8, Rows: 4}, 90 * 24},
	} {
		c = c.Hear(f.File, at(f.now))
		want := [][]Day{
			{{"2026-10-30", 2, 0, 0}, {"2026-11-02", 1, 100, 1}},
			{{"2026-10-30", 2, 0, 0}, {"2026-11-02", 2, 150, 3}},
			{{"2026-10-30", 2, 0, 0}, {"2026-11-02", 2, 150, 3}},
			{{"2026-10-30", 2, 0, 0}, {"2026-11-02", 2, 150, 3}},
			{{"2026-11-02", 2, 150, 3}, {"2027-01-30", 1, 7, 3}},
			{{"2027-01-30", 1, 7, 3}, {"2027-01-31", 1, 8, 4}},
		}[i]
		if !slices.Equal(c.Days, want) {
			t.Errorf("file %d: %v, want %v", i, c.Days, want)
		}
		if waiting := []uint64{1, 1, 2, 2, 2, 2}[i]; c.Health == nil || c.Health.Waiting != waiting {
			t.Errorf("file %d: %+v", i, c.Health)
		}
	}
	for i := range 200 {
		c = c.Hear(File{Made: at(float64(100*24 + i*24)), News: true}, at(float64(100*24+i*24)))
	}
	if len(c.Days) != Days {
		t.Errorf("%d days", len(c.Days))
	}
}

// What is written is read again, and what a file says is written also soon after another.
func TestRecordHealth(t *testing.T) {
	home := t.TempDir()
	for i := range 3 {
		f := File{Made: at(float64(i) / 1000), News: i == 0, Bytes: 5, Rows: 6, Health: &batch.Health{Free: uint64(i) + 1, Version: "0.1.0", Application: "2.6.x", Zone: -60}}
		if err := Record(home, "kisumu", 7, f, f.Made); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Read(home, "kisumu", 7)
	if err != nil || c.Health == nil || *c.Health != (batch.Health{Free: 3, Version: "0.1.0", Application: "2.6.x", Zone: -60}) || !slices.Equal(c.Days, []Day{{"2026-11-02", 1, 5, 6}}) {
		t.Errorf("%+v, %+v, %v", c, c.Health, err)
	}
}

func TestRecord(t *testing.T) {
	home := t.TempDir()
	for _, h := range []float64{0, 0.01, 24, 48} {
		if err := Record(home, "kisumu", 7, File{Made: at(h), News: true}, at(h)); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Read(home, "kisumu", 7)
	if err != nil || !c.Last.Equal(at(48)) || !equal(gaps(c), []float64{23.99, 24}) {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := Read(home, "kisumu", 8); err != nil || !c.Last.IsZero() {
		t.Errorf("of another link: %+v, %v", c, err)
	}
	if c, err := Read(home, "migori", 7); err != nil || !c.Last.IsZero() {
		t.Errorf("of nobody: %+v, %v", c, err)
	}
}

// A name that is a path leads nowhere.
func TestRecordNames(t *testing.T) {
	home := t.TempDir()
	secret := filepath.Join(home, "secret.json")
	if err := os.WriteFile(secret, []byte(`{"omsync_contacts":1,"link":7,"last":"2026-01-01T00:00:00Z"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../secret", "", "a/b", "A"} {
		if c, err := Read(home, name, 7); err != nil || !c.Last.IsZero() {
			t.Errorf("%q: %+v, %v", name, c, err)
		}
		if err := Record(home, name, 7, File{Made: at(1), News: true}, at(1)); err == nil {
			t.Errorf("%q is written", name)
		}
	}
	if left, err := os.ReadDir(home); err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
}

// What is in the file may be anything.
func TestRecordDamaged(t *testing.T) {
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, "contacts"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "{", "[]", `{"omsync_contacts":2,"link":7,"last":"2026-01-01T00:00:00Z"}`, `{"omsync_contacts":1,"link":7,"last":3}`, strings.Repeat(" ", maxRecord) + `{"omsync_contacts":1,"link":7,"last":"2026-01-01T00:00:00Z"}`} {
		if err := os.WriteFile(path(home, "kisumu"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err := Read(home, "kisumu", 7); err != nil || !c.Last.IsZero() {
			t.Errorf("%.60q: %+v, %v", text, c, err)
		}
	}
	if err := Record(home, "kisumu", 7, File{Made: at(1), News: true}, at(1)); err != nil {
		t.Error(err)
	}
	if c, err := Read(home, "kisumu", 7); err != nil || !c.Last.Equal(at(1)) {
		t.Errorf("begun anew: %+v, %v", c, err)
	}
}

func TestMutants(t *testing.T) {
	mutation.Check(t, "^Test(Hear|Record)",
		mutation.Mutant{Rule: "a file that is read again shows nothing", File: "rule.go", Old: "!f.News && !made.After(c.Made)", New: "false"},
		mutation.Mutant{Rule: "news are a contact whatever the peer's clock says", File: "rule.go", Old: "!f.News && !made.After(c.Made)", New: "!made.After(c.Made)"},
		mutation.Mutant{Rule: "what is later than now is from a wrong clock", File: "rule.go", Old: "!g.To.After(now) && ", New: ""},
		mutation.Mutant{Rule: "silences are forgotten", File: "rule.go", Old: " && now.Sub(g.To) <= Window", New: ""},
		mutation.Mutant{Rule: "runs of an hour are one contact", File: "rule.go", Old: "gap.Length() >= leastGap", New: "gap.Length() > 0"},
		mutation.Mutant{Rule: "the shortest silence is forgotten", File: "rule.go", Old: "g.Length() < out.Gaps", New: "g.Length() > out.Gaps"},
		mutation.Mutant{Rule: "days are forgotten", File: "rule.go", Old: "first <= d.Day && ", New: "first != d.Day && "},
		mutation.Mutant{Rule: "a day that is later than now is from a wrong clock", File: "rule.go", Old: " && d.Day < today", New: ""},
		mutation.Mutant{Rule: "only what was applied came", File: "rule.go", Old: "if f.News {", New: "{"},
		mutation.Mutant{Rule: "a file that says nothing of its sender changes nothing of that", File: "rule.go", Old: "if f.Health != nil {", New: "{"},
		mutation.Mutant{Rule: "a file that is read again says nothing of its sender", File: "rule.go", Old: "		return c\n", New: "		return Contacts{c.First, c.Last, c.Made, c.Gaps, c.Days, f.Health}\n"},
		mutation.Mutant{Rule: "another link begins anew", File: "record.go", Old: " && c.Link == link", New: ""},
	)
}
