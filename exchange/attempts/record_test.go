package attempts

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden file anew")

var at = time.Date(2026, 11, 28, 9, 30, 0, 0, time.UTC)

func read(t *testing.T, home string) *Record {
	t.Helper()
	r, err := Read(home)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// golden notes something of every kind.
func golden(t *testing.T, r *Record) {
	t.Helper()
	check(t, r.Begin("a.omsync", 100, "kisumu", at))
	r.Failed("a.omsync", "obs: another row here has the same value")
	check(t, r.Begin("b.omsync", 200, "kisumu", at.Add(time.Minute)))
	r.NotTheFile("b.omsync", ServersLack)
	r.Put("c.omsync", File{Size: 300, Sender: "migori", Failed: 5, Last: at, Dropped: true})
	r.FetchFailed("d.omsync in folder /media/stick, 400 bytes 1", "migori", "batch is damaged", at)
	check(t, r.Begin("g.omsync", 700, "migori", at))
	r.Asks("g.omsync", "it deletes 300 of 400 rows of obs", []Deletions{{Table: "obs", Rows: 300, Of: 400, Since: 20}})
	check(t, r.Begin("/media/stick/e.omsync", 500, "kisumu", at)) // under way
}

func TestRecordIsWrittenAsEver(t *testing.T) {
	home := t.TempDir()
	golden(t, read(t, home))
	made, err := os.ReadFile(filepath.Join(home, name))
	check(t, err)
	path := filepath.Join("testdata", name)
	if *update {
		check(t, os.WriteFile(path, made, 0o644))
	}
	if want, err := os.ReadFile(path); err != nil || !bytes.Equal(made, want) {
		t.Errorf("%s is written as\n%s\nnot as %s (%v)", name, made, path, err)
	}
	got, want := read(t, "testdata"), read(t, home)
	if !reflect.DeepEqual(got.Files, want.Files) || !reflect.DeepEqual(got.Fetches, want.Fetches) || len(got.Files) != 5 || len(got.Fetches) != 1 {
		t.Errorf("it reads as %+v", got)
	}
}

// What is damaged, or written by a newer program, is passed over; a home folder of before has none.
func TestRecordThatCannotBeRead(t *testing.T) {
	for text, files := range map[string]int{
		`{"omsync_attempts": 1, "files": {"a": {"size": 1, "failed": 2, "colour": 3}}, "more": 1}`: 1,
		`{"omsync_attempts": 2, "files": {"a": {"size": 1, "failed": 2}}}`:                         0,
		`{"files": {"a": {"size": 1, "failed": 2}}}`:                                               0,
		`{"omsync_attempts": 1, "files": {"a": {`:                                                  0,
		`{"omsync_attempts": 1, "files": null}`:                                                    0,
		``:                                                                                         0,
	} {
		home := t.TempDir()
		check(t, os.WriteFile(filepath.Join(home, name), []byte(text), 0o600))
		r := read(t, home)
		if len(r.Files) != files || len(r.Fetches) != 0 {
			t.Errorf("%s reads as %+v", text, r)
		}
		golden(t, r)
	}
	if r := read(t, t.TempDir()); len(r.Files) != 0 || r.Save() != nil {
		t.Errorf("of a home folder without one: %+v", r)
	}
}

// An attempt that ends the program is counted by the next run; five of them, and the file is set aside before it is opened.
func TestRecordCountsWhatEndedTheProgram(t *testing.T) {
	home := t.TempDir()
	now := at
	for i := range Most {
		r := read(t, home)
		f := r.Of("a.omsync", 10)
		if f.Failed != i || f.UnderWay || i > 0 && f.Why != died {
			t.Fatalf("before attempt %d: %+v", i+1, f)
		}
		if v, _ := f.Judge(now); v != Due {
			t.Fatalf("before attempt %d: %v", i+1, v)
		}
		check(t, r.Begin("a.omsync", 10, "kisumu", now)) // and no more
		now = now.Add(24 * time.Hour)
	}
	if v, _ := read(t, home).Of("a.omsync", 10).Judge(now); v != SetAside {
		t.Errorf("after %d attempts: %v", Most, v)
	}
	if f := read(t, home).Of("a.omsync", 11); f.Failed != 0 {
		t.Errorf("another file of the name: %+v", f)
	}
}

func TestRecordOfEndings(t *testing.T) {
	home := t.TempDir()
	r := read(t, home)
	try := func() { check(t, r.Begin("a", 1, "kisumu", at)) }
	for _, how := range []Ending{Untouched, NoServer, ServersLack} {
		try()
		r.NotTheFile("a", how)
		f := r.Of("a", 1)
		if f.Failed != 0 || f.UnderWay || f.Shaken != int(how) || (how == ServersLack) != !f.Last.IsZero() {
			t.Errorf("ending %d: %+v", how, f)
		}
	}
	try()
	if f := r.Failed("a", "why"); f.Failed != 1 || f.Why != "why" {
		t.Errorf("failed: %+v", f)
	}
	try()
	r.NotTheFile("a", Untouched)
	if f := r.Of("a", 1); f.Failed != 1 || f.Why != "why" {
		t.Errorf("failed and then interrupted: %+v", f)
	}
	if next := r.NextDue(at); !next.Equal(at.Add(5 * time.Minute)) /* shaken twice */ {
		t.Errorf("next due at %v", next)
	}
	try()
	r.Done("a")
	check(t, r.Save())
	if len(read(t, home).Files) != 0 {
		t.Error("an applied file is remembered")
	}
}

// The record stays small whatever is sent.
func TestRecordOfTurn(t *testing.T) {
	home := t.TempDir()
	for n, want := range []int64{0, 0, 0, 0, TurnRows, 0} {
		r := read(t, home)
		if rows := r.Turn(1, 1_000_000); rows != want {
			t.Errorf("small import %d: %d rows are tried again, not %d", n, rows, want)
		}
		check(t, r.Save())
	}
}

func TestRecordIsBounded(t *testing.T) {
	home := t.TempDir()
	r := read(t, home)
	for i := range maxFiles + 3 {
		r.Put(fmt.Sprint(i), File{Failed: 1, Last: at.Add(time.Duration(i) * time.Second)})
	}
	r.FetchFailed("x", "kisumu", string(make([]byte, 1<<20)), at)
	check(t, r.Save())
	r = read(t, home)
	if len(r.Files) != maxFiles || r.Of("2", 0).Failed != 0 || r.Of("3", 0).Failed != 1 || len(r.Fetches["x"].Why) != maxWhy {
		t.Errorf("%d files, %d bytes of a reason", len(r.Files), len(r.Fetches["x"].Why))
	}
}
