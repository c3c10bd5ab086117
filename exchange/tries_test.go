package exchange

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/exchange/attempts"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/transport"
)

// elapse has everything in the record of attempts be so much longer ago.
func (n *node) elapse(d time.Duration) {
	n.t.Helper()
	r, err := attempts.Read(n.x.Home)
	if err != nil {
		n.t.Fatal(err)
	}
	for key, f := range r.Files {
		if !f.Last.IsZero() {
			f.Last = f.Last.Add(-d)
			r.Put(key, f)
		}
	}
	if err := r.Save(); err != nil {
		n.t.Fatal(err)
	}
}

// receive puts what another node has for this one into the inbox, and returns the names.
func (n *node) receive(from *node) []string {
	n.t.Helper()
	from.post(n.Name)
	names := from.waiting(n.Name)
	for _, name := range names {
		f, err := os.Open(filepath.Join(from.x.Home, "outbox", n.Name, name))
		if err != nil {
			n.t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			n.t.Fatal(err)
		}
		if err := n.x.AcceptFile(n.t.Context(), n.peer(from.Name), name, f, info.Size()); err != nil {
			n.t.Fatal(err)
		}
		f.Close()
	}
	return names
}

// importAll imports the inbox, and reports whether the run came to its end: a panic stands for what ends the program.
func (n *node) importAll(ctx context.Context) (ended bool, err error) {
	n.t.Helper()
	e := n.events()
	defer func() {
		if r := recover(); r != nil {
			n.told = append(n.told, fmt.Sprintf("died %v", r))
		}
	}()
	_, err = n.x.ImportInbox(ctx, nil, e.Begin, e.Imported)
	return true, err
}

func (n *node) count(want int, what string) {
	n.t.Helper()
	got := 0
	if err := n.DB.QueryRow("SELECT COUNT(*) FROM ward").Scan(&got); err != nil || got != want {
		n.t.Errorf("%s: %d rows, not %d (%v); told %q", what, got, want, err, n.told)
	}
}

// deadly has the program end while it is at work on what a node sent.
type deadly string

func (d deadly) bar(label string, _ Unit) Bar {
	if label == "from "+string(d) {
		panic("the program is killed at a file of " + string(d))
	}
	return noBar{}
}

// A file ends the program at each attempt. It is tried five times in all, ever later, then set aside before it is opened; what an honest
// clinic sends is applied at the second run, and from then on at every run, before the file that kills.
func TestFileThatEndsTheProgram(t *testing.T) {
	hub, all := tree(t, "evil", "kisumu")
	evil, kisumu := all["evil"], all["kisumu"]
	evil.write("e1", "deadly")
	bad := hub.receive(evil)[0]
	hub.x.Progress = deadly("evil").bar
	deaths, honest := 0, 0
	for run := range 40 {
		kisumu.write(fmt.Sprintf("k%d", run), "honest")
		hub.receive(kisumu)
		ended, err := hub.importAll(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !ended {
			deaths++
		}
		honest++
		if run > 0 || ended {
			hub.count(honest, fmt.Sprintf("after run %d", run))
		}
		hub.elapse(10 * time.Minute)
		kisumu.deliver(hub) // acknowledges
	}
	if deaths != attempts.Most {
		t.Errorf("the program ended %d times, not %d", deaths, attempts.Most)
	}
	held, err := ListHeld(t.Context(), hub.x.Home, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(held, func(h Held) bool { return h.Name == bad })
	if i < 0 || !held[i].Aside || held[i].Failed != attempts.Most || !strings.Contains(held[i].Why, "the program ended") || held[i].Sender != "evil" {
		t.Fatalf("held: %+v", held)
	}
	// Brought again by a stick or an upload, it is not tried.
	hub.receive(evil)
	if ended, err := hub.importAll(t.Context()); !ended || err != nil || slices.Contains(batches(t, filepath.Join(hub.x.Home, "inbox")), bad) {
		t.Errorf("brought again: %t, %v, told %q", ended, err, hub.told)
	}
	// The program is mended, and a person tries it again.
	hub.x.Progress = nil
	if names, err := Retry(t.Context(), hub.x.Home, []string{bad}); err != nil || !slices.Equal(names, []string{bad}) {
		t.Fatalf("retry: %v, %v", names, err)
	}
	if _, err := hub.importAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	hub.count(honest+1, "after it is tried again")
	if r, err := attempts.Read(hub.x.Home); err != nil || len(r.Files) != 0 {
		t.Errorf("remembered: %+v, %v", r, err)
	}
}

// refusing has a hub that cannot apply what evil sent.
func refusing(t *testing.T) (hub, evil, kisumu *node, bad string) {
	hub, all := tree(t, "evil", "kisumu")
	hub.x.Strict = true
	evil, kisumu = all["evil"], all["kisumu"]
	dbtest.Exec(t, hub.DB, "ALTER TABLE ward ADD UNIQUE KEY (note(40))")
	return refusingRow(t, hub, evil, kisumu)
}

func refusingRow(t *testing.T, hub, evil, kisumu *node) (*node, *node, *node, string) {
	t.Helper()
	hub.write("h1", "taken")
	evil.write("e1", "taken")
	return hub, evil, kisumu, hub.receive(evil)[0]
}

// A file that fails waits longer and longer; honest files go on beside it at each run.
func TestFileThatFailsWaits(t *testing.T) {
	hub, evil, kisumu, bad := refusing(t)
	for i, c := range []struct {
		since time.Duration
		told  string // of the bad file
	}{
		{0, "same value"},
		{0, "tried again at"},
		{50 * time.Second, "tried again at"},
		{11 * time.Second, "same value"},
		{2 * time.Minute, "tried again at"},
		{3 * time.Minute, "same value"},
		{30 * time.Minute, "same value"},
		{119 * time.Minute, "tried again at"},
		{time.Minute, "set aside"},
		{0, ""},
	} {
		hub.elapse(c.since)
		kisumu.write(fmt.Sprintf("k%d", i), fmt.Sprint("honest ", i))
		hub.receive(kisumu)
		if _, err := hub.importAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		told := strings.Join(hub.told, "\n")
		if !strings.Contains(told, c.told) || !strings.Contains(told, "applied kisumu") || c.told == "" && strings.Contains(told, "error") {
			t.Errorf("run %d: told %q, not %q", i, hub.told, c.told)
		}
		kisumu.deliver(hub)
	}
	if got := batches(t, filepath.Join(hub.x.Home, "aside")); !slices.Contains(got, bad) {
		t.Errorf("aside: %v", got)
	}
	// Its sender mends it and sends all again: what is aside is of no more use.
	evil.write("e1", "free")
	hub.deliver(evil)
	evil.deliver(hub) // says what it lacks
	hub.deliver(evil)
	hub.count(12, "in the end")
	if got := batches(t, filepath.Join(hub.x.Home, "aside")); len(got) != 0 {
		t.Errorf("aside after its sender sent another: %v, told %q", got, hub.told)
	}
}

// What is not the file's fault is not counted: a run that is interrupted, a gap, a gate that another run holds.
func TestWhatIsNotTheFilesFault(t *testing.T) {
	hub, all := tree(t, "kisumu")
	kisumu := all["kisumu"]
	kisumu.write("k1", "one")
	first := hub.receive(kisumu)[0]
	ctx, cancel := context.WithCancel(t.Context())
	hub.x.Progress = func(string, Unit) Bar { cancel(); return noBar{} }
	if _, err := hub.importAll(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted: %v", err)
	}
	hub.x.Progress = nil
	if r, err := attempts.Read(hub.x.Home); err != nil || len(r.Files) != 0 {
		t.Errorf("after an interruption: %+v, %v", r, err)
	}
	// A gap waits for its predecessor, and is tried each time: also with many others.
	aside := filepath.Join(t.TempDir(), first)
	inbox := filepath.Join(hub.x.Home, "inbox")
	if err := os.Rename(filepath.Join(inbox, first), aside); err != nil {
		t.Fatal(err)
	}
	kisumu.write("k2", bulk(3_000_000))
	kisumu.post("hub")
	kisumu.write("k3", "three")
	for _, name := range hub.receive(kisumu) {
		if name == first {
			if err := os.Remove(filepath.Join(inbox, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 2 * attempts.Most {
		if _, err := hub.importAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		hub.elapse(time.Hour)
	}
	if r, err := attempts.Read(hub.x.Home); err != nil || len(r.Files) != 0 {
		t.Errorf("after gaps: %+v, %v; told %q", r.Files, err, hub.told)
	}
	hub.receive(kisumu)
	if _, err := hub.importAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	hub.count(3, "with its predecessor")
}

// A person's file is tried at once, and a try-out counts for nothing.
func TestNamedFileIsTriedAtOnce(t *testing.T) {
	hub, _, _, bad := refusing(t)
	path := filepath.Join(hub.x.Home, "inbox", bad)
	named := func(o ImportOptions) (errs int) {
		files := []*Incoming{{Name: path, Open: func() (*os.File, int64, error) {
			f, err := os.Open(path)
			if err != nil {
				return nil, 0, err
			}
			info, err := f.Stat()
			return f, info.Size(), err
		}}}
		if err := hub.x.Import(t.Context(), files, o, func() error { return nil }, func(r *Result) error {
			var wait *WaitError
			if r.Err != nil && !errors.As(r.Err, &wait) {
				errs++
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return errs
	}
	for range 2 * attempts.Most {
		if named(ImportOptions{}) != 1 || named(ImportOptions{DryRun: true}) != 1 {
			t.Fatal("it was not tried")
		}
	}
	if r, err := attempts.Read(hub.x.Home); err != nil || len(r.Files) != 0 {
		t.Errorf("counted: %+v, %v", r.Files, err)
	}
}

// What a person threw away is not fetched again, and its record goes once its sender has got further.
func TestDroppedFileStaysAway(t *testing.T) {
	hub, evil, _, bad := refusing(t)
	if _, err := hub.importAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := Drop(t.Context(), hub.x.Home, []string{"nothing.omsync"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("dropped what is not there: %v", err)
	}
	if names, err := Drop(t.Context(), hub.x.Home, []string{bad}); err != nil || len(names) != 1 {
		t.Fatalf("drop: %v, %v", names, err)
	}
	stick := t.TempDir()
	b, err := os.ReadFile(filepath.Join(evil.x.Home, "outbox", "hub", bad))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(stick, bad), b, 0o600); err != nil {
		t.Fatal(err)
	}
	hub.sync(stick)
	if told := strings.Join(hub.told, "\n"); strings.Contains(told, "received") {
		t.Errorf("fetched again: %q", told)
	}
	evil.write("e1", "free")
	hub.deliver(evil)
	evil.deliver(hub) // says what it lacks
	hub.deliver(evil)
	hub.count(2, "after another file")
	if r, err := attempts.Read(hub.x.Home); err != nil || len(r.Files) != 0 {
		t.Errorf("remembered: %+v, %v", r.Files, err)
	}
}

// What one sender may keep aside is bounded, and the latest stays.
func TestTooManyAside(t *testing.T) {
	at := time.Date(2026, 11, 28, 9, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		what  string
		sizes []int64 // the latest last
		gone  int
	}{
		{"none", nil, 0},
		{"as many as may be", slices.Repeat([]int64{1}, maxAside), 0},
		{"one more", slices.Repeat([]int64{1}, maxAside+1), 1},
		{"as many bytes", []int64{maxAsideBytes / 2, maxAsideBytes / 2}, 0},
		{"one byte more", []int64{1, maxAsideBytes / 2, maxAsideBytes / 2}, 1},
		{"one that is larger, alone", []int64{maxAsideBytes + 1}, 0},
		{"one that is larger, the latest", []int64{1, 1, maxAsideBytes + 1}, 2},
	} {
		record := &attempts.Record{Files: map[string]attempts.File{}}
		var files []mailFile
		for i, size := range c.sizes {
			name := fmt.Sprintf("%d.omsync", i)
			record.Put(name, attempts.File{Last: at.Add(time.Duration(i) * time.Hour)})
			files = append(files, mailFile{Entry: transport.Entry{Name: name, Size: size}})
		}
		gone := tooManyAside(files, record)
		if len(gone) != c.gone || len(gone) > 0 && gone[len(gone)-1].Name != "0.omsync" {
			t.Errorf("%s: %v go", c.what, gone)
		}
	}
}

// A clinic sends many files before an honest one sends its one: that one is second, or first where both are imported at once.
func TestSendersTakeTurns(t *testing.T) {
	hub, all := tree(t, "evil", "kisumu")
	evil := all["evil"]
	for i := range 4 {
		evil.write(fmt.Sprintf("e%d", i), bulk(2_000_000))
		evil.post("hub")
	}
	if files := hub.receive(evil); len(files) < 3 {
		t.Fatalf("evil sends %v", files)
	}
	all["kisumu"].write("k", "honest")
	hub.receive(all["kisumu"])
	if _, err := hub.importAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if i := slices.Index(hub.told, "applied kisumu"); i != 0 && i != 1 {
		t.Errorf("told %q", hub.told)
	}
	hub.count(5, "in the end")
}
