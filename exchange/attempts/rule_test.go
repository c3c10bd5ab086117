package attempts

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	last := time.Date(2026, 11, 28, 9, 30, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for _, c := range []struct {
		what string
		file File
		now  time.Duration // since the last attempt
		want string
		at   time.Duration // of the next, after the last attempt
	}{
		{"never tried", File{}, 0, "due", 0},
		{"just failed", File{Failed: 1, Last: last}, 0, "wait", time.Minute},
		{"failed a moment ago", File{Failed: 1, Last: last}, 59 * time.Second, "wait", time.Minute},
		{"failed a minute ago", File{Failed: 1, Last: last}, time.Minute, "due", 0},
		{"failed twice", File{Failed: 2, Last: last}, 299 * time.Second, "wait", 5 * time.Minute},
		{"failed twice, 5 minutes ago", File{Failed: 2, Last: last}, 5 * time.Minute, "due", 0},
		{"failed three times", File{Failed: 3, Last: last}, 1799 * time.Second, "wait", 30 * time.Minute},
		{"failed three times, half an hour ago", File{Failed: 3, Last: last}, 30 * time.Minute, "due", 0},
		{"failed four times", File{Failed: 4, Last: last}, 7199 * time.Second, "wait", 2 * time.Hour},
		{"failed four times, 2 hours ago", File{Failed: 4, Last: last}, 2 * time.Hour, "due", 0},
		{"failed five times", File{Failed: 5, Last: last}, 0, "set aside", 0},
		{"failed five times, a year ago", File{Failed: 5, Last: last}, 365 * day, "set aside", 0},
		{"failed more often", File{Failed: 9, Last: last}, 365 * day, "set aside", 0},
		{"the clock was set back", File{Failed: 4, Last: last}, -time.Second, "due", 0},
		{"the clock was set back by years", File{Failed: 1, Last: last}, -3650 * day, "due", 0},
		{"the clock was set back, five times failed", File{Failed: 5, Last: last}, -3650 * day, "set aside", 0},
		{"dropped", File{Dropped: true}, 0, "set aside", 0},
		{"it deletes too much", File{Deletions: []Deletions{{}}, Last: last}, 0, "asks", 0},
		{"it deletes too much, a year ago", File{Deletions: []Deletions{{}}, Last: last}, 365 * day, "asks", 0},
		{"it deletes too much, and failed before", File{Deletions: []Deletions{{}}, Failed: 9, Last: last}, 365 * day, "asks", 0},
		{"it deleted too much, and is dropped", File{Deletions: []Deletions{{}}, Dropped: true}, 0, "set aside", 0},
		{"the server was gone", File{Shaken: 1}, 0, "due", 0},
		{"the server was gone, again and again", File{Shaken: 100}, 0, "due", 0},
		{"the server lacked something", File{Shaken: 1, Last: last}, 59 * time.Second, "wait", time.Minute},
		{"the server lacked something a minute ago", File{Shaken: 1, Last: last}, time.Minute, "due", 0},
		{"the server lacks something again and again", File{Shaken: 700, Last: last}, 7199 * time.Second, "wait", 2 * time.Hour},
		{"it may have room now", File{Shaken: 700, Last: last}, 2 * time.Hour, "due", 0},
		{"failed, and then the server lacked something", File{Failed: 2, Shaken: 1, Last: last}, 4 * time.Minute, "wait", 5 * time.Minute},
	} {
		verdict, at := c.file.Judge(last.Add(c.now))
		got := map[Verdict]string{Due: "due", Wait: "wait", SetAside: "set aside", Asks: "asks"}[verdict]
		if got != c.want || c.at != 0 && !at.Equal(last.Add(c.at)) || c.at == 0 && !at.IsZero() {
			t.Errorf("%s: %s %v, not %s after %v", c.what, got, at, c.want, c.at)
		}
	}
}

func TestTurn(t *testing.T) {
	for _, c := range []struct {
		what                  string
		owed, cameIn, waiting int64
		rows, left            int64
	}{
		{"no import", 0, 0, 1_000_000, 200, 0},
		{"no import, and some are owed", 120, 0, 1_000_000, 200, 0},
		{"a small import, few wait", 0, 1, 40, 40, 0},
		{"a small import, many wait", 0, 1, 41, 0, 40},
		{"the fourth small one", 120, 1, 1_000_000, 0, 160},
		{"the fifth", 160, 1, 1_000_000, 200, 0},
		{"a larger one", 0, 2500, 1_000_000, 0, 100},
		{"a larger one, few wait", 80, 2500, 100, 100, 0},
		{"another larger one", 100, 2500, 1_000_000, 200, 0},
		{"a large one", 0, 5000, 1_000_000, 200, 0},
		{"a larger one yet", 199, 1_000_000, 1_000_000, 200, 0},
		{"a damaged record", -1 << 62, 1, 1_000_000, 0, 40},
		{"another damaged record", 1<<63 - 1, 1, 1_000_000, 200, 0},
	} {
		if rows, left := Turn(c.owed, c.cameIn, c.waiting); rows != c.rows || left != c.left {
			t.Errorf("%s: %d rows, and %d owed; want %d and %d", c.what, rows, left, c.rows, c.left)
		}
	}
}

func TestJudgeFetch(t *testing.T) {
	last := time.Date(2026, 11, 28, 9, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		failed int
		wait   time.Duration
	}{{1, time.Minute}, {2, 5 * time.Minute}, {4, 2 * time.Hour}, {5, 24 * time.Hour}, {500, 24 * time.Hour}} {
		f := File{Failed: c.failed, Last: last}
		if v, at := f.JudgeFetch(last.Add(c.wait - 1)); v != Wait || !at.Equal(last.Add(c.wait)) {
			t.Errorf("failed %d times: %v, %v", c.failed, v, at)
		}
		if v, _ := f.JudgeFetch(last.Add(c.wait)); v != Due {
			t.Errorf("failed %d times, %v later: %v", c.failed, c.wait, v)
		}
		if v, _ := f.JudgeFetch(last.Add(-time.Hour)); v != Due {
			t.Errorf("failed %d times, the clock set back: %v", c.failed, v)
		}
	}
	if v, _ := (File{}).JudgeFetch(last); v != Due {
		t.Errorf("never tried: %v", v)
	}
}

func TestFair(t *testing.T) {
	for _, c := range []struct{ files, trouble, want string }{
		{"", "", ""},
		{"a1", "", "a1"},
		{"a1 a2 a3 b1 b2 c1", "", "a1 b1 c1 a2 b2 a3"},
		{"a1 a2 a3 b1 b2 c1", "a3", "b1 c1 b2 a1 a2 a3"},
		{"a1 a2 b1 b2", "a1 b2", "a1 b1 a2 b2"},
		{"b1 a1 b2 a2", "", "b1 a1 b2 a2"},
	} {
		files, trouble := strings.Fields(c.files), strings.Fields(c.trouble)
		var got []string
		for _, i := range Fair(len(files), func(i int) string { return files[i][:1] }, func(i int) bool { return slices.Contains(trouble, files[i]) }) {
			got = append(got, files[i])
		}
		if fmt.Sprint(got) != fmt.Sprint(strings.Fields(c.want)) {
			t.Errorf("%s, trouble with %q: %v, not %s", c.files, c.trouble, got, c.want)
		}
	}
}
