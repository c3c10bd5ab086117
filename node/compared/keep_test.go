package compared

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/journal"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func peer(number uint64) *journal.Peer {
	p := &journal.Peer{Name: "kisumu"}
	p.Link.Number = number
	return p
}

// A report is kept whole where it is small, bounded where it is not, of its link alone, and readable by its owner alone.
func TestKeep(t *testing.T) {
	home := t.TempDir()
	last := func(p *journal.Peer) *Kept {
		t.Helper()
		k, err := Last(home, p)
		check(t, err)
		return k
	}
	if last(peer(1)) != nil {
		t.Error("a report of nothing")
	}
	check(t, NoteRepair(home, peer(1), time.Now())) // of which there is none
	now := time.Now().UTC()
	r := &Report{Peer: "kisumu", At: now, Differs: true, Exact: true, Tables: []Table{{Table: "site", Differ: 3 * MaxRows}}}
	r.Left = map[string]string{}
	for i := range 3 * maxLeft {
		r.Left[fmt.Sprintf("%04d%s", i, strings.Repeat("x", 100_000/(1+i*100)))] = strings.Repeat("y", 100_000/(1+i*100))
	}
	for i := range 3 * MaxRows {
		r.Found = append(r.Found, Row{Table: "site", Key: fmt.Sprint(i), Row: strings.Repeat("\U0001F3E5", 100_000/(1+i*100)), Cause: "it was"})
	}
	check(t, Keep(home, peer(1), r, []byte("digest")))
	k := last(peer(1))
	if k == nil || len(k.Left) != maxLeft || len(k.Found) != MaxRows || k.More != 2*MaxRows || !k.At.Equal(now) || len(k.Found[0].Row) > 4*(maxText+1) || k.Found[7].Key != "7" {
		t.Fatalf("kept: %+v", k)
	}
	if len(r.Found) != 3*MaxRows || len(r.Found[0].Row) < 100_000 {
		t.Error("what is printed was cut, too")
	}
	for name, why := range k.Left {
		if len(name) > maxText+3 || len(why) > maxText+3 {
			t.Errorf("of a table that was not compared %d and %d bytes are kept", len(name), len(why))
		}
	}
	for _, path := range []string{reportPath(home, "kisumu"), Digest(home, "kisumu")} {
		info, err := os.Stat(path)
		check(t, err)
		if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v", path, info.Mode())
		}
	}
	if last(peer(2)) != nil {
		t.Error("a report of another link")
	}
	check(t, NoteRepair(home, peer(1), now))
	if k := last(peer(1)); k == nil || !k.Repaired.Equal(now) || len(k.Found) != MaxRows {
		t.Error("the repair is not noted")
	}
	check(t, Keep(home, peer(1), &Report{Peer: "kisumu", At: now}, nil))
	if k := last(peer(1)); k == nil || !k.Repaired.IsZero() || k.Differs {
		t.Errorf("the next one: %+v", k)
	}
	if _, err := os.Stat(Digest(home, "kisumu")); err == nil {
		t.Error("the digest of the report before is there")
	}
	for _, text := range []string{"", "x", `{"omsync_compared":2,"link":1,"report":{"peer":"kisumu"}}`, `{"omsync_compared":1,"link":1,"report":{"peer":"migori"}}`, `{"omsync_compared":1,"link":1,"report":{"peer":"kisumu"}}` + strings.Repeat(" ", maxReport)} {
		check(t, os.WriteFile(reportPath(home, "kisumu"), []byte(text), 0o600))
		if last(peer(1)) != nil {
			t.Errorf("%.60q counts", text)
		}
	}
	check(t, Keep(home, peer(1), r, []byte("digest")))
	for range 2 {
		check(t, Forget(home, "kisumu"))
	}
	if files, err := os.ReadDir(Folder(home)); err != nil || len(files) != 0 {
		t.Errorf("of a peer that was forgotten: %v, %v", files, err)
	}
	bad := peer(1)
	bad.Name = "../kisumu"
	if Keep(home, bad, r, nil) == nil {
		t.Error("a name that is a path")
	}
	if files, err := filepath.Glob(filepath.Join(home, "*")); err != nil || len(files) != 1 {
		t.Errorf("in the home folder: %q, %v", files, err)
	}
}
