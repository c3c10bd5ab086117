package accounts

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"github.com/omsync/omsync/internal/mutation"
)

const good = "a sentence of mine"

func open(t *testing.T) *Accounts {
	t.Helper()
	a, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestRoleMay(t *testing.T) {
	for right, who := range map[Right]map[Role]bool{
		0:      {"": false, Viewer: false, Operator: false, "root": false},
		Anyone: {"": true, Viewer: true, Operator: true, "root": true},
		Look:   {"": false, Viewer: true, Operator: true, "root": false},
		Rows:   {"": false, Viewer: false, Operator: true, "root": false},
		Act:    {"": false, Viewer: false, Operator: true, "root": false},
		99:     {"": false, Viewer: false, Operator: false, "root": false},
	} {
		for role, want := range who {
			if role.May(right) != want {
				t.Errorf("%q may %d: %t", role, right, !want)
			}
		}
	}
}

func TestAccountsLink(t *testing.T) {
	a := open(t)
	now := time.Now()
	a.Now = func() time.Time { return now }
	token, err := a.Add("anna", Viewer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Add("Anna", Operator); !errors.Is(err, ErrExists) {
		t.Errorf("the name once more: %v", err)
	}
	for _, wrong := range []string{"", "x", digest(token), token[1:]} {
		if _, err := a.SetPassword(wrong, good); !errors.Is(err, ErrLink) {
			t.Errorf("the link %q: %v", wrong, err)
		}
	}
	if _, err := a.SetPassword(token, "short"); !errors.Is(err, ErrPassword) {
		t.Error(err)
	}
	if _, err := a.SetPassword(token, strings.Repeat("x", MaxPassword+1)); !errors.Is(err, ErrPassword) {
		t.Error(err)
	}
	now = now.Add(LinkValid)
	if _, err := a.SetPassword(token, good); !errors.Is(err, ErrLink) {
		t.Errorf("too late: %v", err)
	}
	now = now.Add(-3 * LinkValid)
	if _, err := a.SetPassword(token, good); !errors.Is(err, ErrLink) {
		t.Errorf("with a clock that was set back: %v", err)
	}
	now = now.Add(2 * LinkValid)
	x, err := a.SetPassword(token, good)
	if err != nil || x.Name != "anna" || x.Role != Viewer {
		t.Fatalf("%+v, %v", x, err)
	}
	if _, err := a.SetPassword(token, good); !errors.Is(err, ErrLink) {
		t.Errorf("once more: %v", err)
	}
	if y, err := a.Login("anna", good); err != nil || y.Generation != x.Generation {
		t.Errorf("login: %v", err)
	}
	again, err := a.Reset("anna")
	if err != nil || again == token {
		t.Fatal(err)
	}
	if y, err := a.Find("anna"); err != nil || y.Generation == x.Generation {
		t.Errorf("sessions go on after a reset: %v", err)
	}
	if _, err := a.Login("anna", good); !errors.Is(err, ErrLogin) {
		t.Errorf("the password of before: %v", err)
	}
	b, err := os.ReadFile(a.path())
	if err != nil || strings.Contains(string(b), again) || strings.Contains(string(b), good) {
		t.Errorf("the file holds what is secret: %v", err)
	}
}

func TestAccountsLogin(t *testing.T) {
	a := open(t)
	for _, name := range []string{"", "a b", "<b>", strings.Repeat("x", 41), "-x", "a\u202e"} {
		if _, err := a.Add(name, Viewer); err == nil {
			t.Errorf("an account of the name %q", name)
		}
	}
	if _, err := a.Add("otto", "root"); err == nil {
		t.Error("another role")
	}
	token, err := a.Add("Zoé.N", Operator)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Login("Zoé.N", ""); !errors.Is(err, ErrLogin) {
		t.Errorf("before a password is set: %v", err)
	}
	if _, err := a.SetPassword(token, good); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{{"Zoé.N", good + "x"}, {"Zoé.N", ""}, {"zoé.n", good}, {"", good}, {"nobody", good}, {"Zoé.N", strings.Repeat("x", 10_000)}} {
		if _, err := a.Login(c[0], c[1]); !errors.Is(err, ErrLogin) {
			t.Errorf("%.20q: %v", c, err)
		}
	}
	if x, err := a.Login("Zoé.N", good); err != nil || x.Role != Operator {
		t.Errorf("%+v, %v", x, err)
	}
	if err := a.Remove("Zoé.N"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Login("Zoé.N", good); !errors.Is(err, ErrLogin) {
		t.Errorf("after it was removed: %v", err)
	}
	if err := errors.Join(a.Remove("x")); !errors.Is(err, ErrNobody) {
		t.Error(err)
	}
	if info, err := os.Stat(a.path()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// A file that is damaged lets nobody in, and is not written over.
func TestAccountsDamaged(t *testing.T) {
	a := open(t)
	for _, text := range []string{"", "{", `{"omsync_accounts": 2}`, "[]"} {
		if err := os.WriteFile(a.path(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Login("anna", good); err == nil || errors.Is(err, ErrLogin) {
			t.Errorf("%q: %v", text, err)
		}
		if _, err := a.Add("anna", Operator); err == nil {
			t.Errorf("%q is written over", text)
		}
	}
}

// Several programs change the accounts at once.
func TestAccountsAtOnce(t *testing.T) {
	home := t.TempDir()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			a, err := Open(home)
			if err == nil {
				_, err = a.Add("user"+string(rune('a'+i)), Viewer)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	a, err := Open(home)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := a.List(); err != nil || len(list) != 8 {
		t.Errorf("%d accounts, %v", len(list), err)
	}
	lock := flock.New(filepath.Join(a.folder, "lock"))
	if err := lock.Lock(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Remove("usera") }()
	select {
	case err := <-done:
		t.Errorf("changed while another program does: %v", err)
	case <-time.After(200 * time.Millisecond):
		if err := errors.Join(lock.Unlock(), <-done); err != nil {
			t.Error(err)
		}
	}
}

func TestLog(t *testing.T) {
	a := open(t)
	if last, err := a.Last(3); err != nil || last != nil {
		t.Errorf("without a file: %v, %v", last, err)
	}
	for _, what := range []string{"one", "two\nlines", strings.Repeat("x", 5000)} {
		if err := a.Note(Entry{Who: "anna", What: what}); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.OpenFile(a.LogPath(), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(`{"who":"half a li`)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	last, err := a.Last(2)
	if err != nil || len(last) != 2 || len(last[0].What) != maxText || last[1].What != "two\nlines" || last[0].At.IsZero() {
		t.Errorf("%+v, %v", last, err)
	}
	if info, err := os.Stat(filepath.Join(a.folder, "audit.jsonl")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestMutants(t *testing.T) {
	mutation.Check(t, "^Test(Role|Accounts|Log)",
		mutation.Mutant{Rule: "a right that nobody named is closed", File: "role.go", Old: "case Anyone:", New: "case 0, Anyone:"},
		mutation.Mutant{Rule: "a viewer sees no rows", File: "role.go", Old: "return r == Operator", New: "return r.Valid()"},
		mutation.Mutant{Rule: "who is not logged in does not look", File: "role.go", Old: "return r == Viewer || r == Operator\n	case Rows", New: "return true\n	case Rows"},
		mutation.Mutant{Rule: "a link is used once", File: "accounts.go", Old: `random(), "", time.Time{}`, New: "random(), x.Link, x.Until"},
		mutation.Mutant{Rule: "a link gets too old", File: "accounts.go", Old: " && now.Before(x.Until)", New: ""},
		mutation.Mutant{Rule: "also by a clock that was set back", File: "accounts.go", Old: " && now.After(x.Until.Add(-2*LinkValid))", New: ""},
		mutation.Mutant{Rule: "a reset ends sessions", File: "accounts.go", Old: `x.Password, x.Generation = "", random()`, New: `x.Password = ""`},
		mutation.Mutant{Rule: "a reset ends the password", File: "accounts.go", Old: `x.Password, x.Generation = "", random()`, New: `x.Generation = random()`},
		mutation.Mutant{Rule: "without a password nobody logs in", File: "accounts.go", Old: "!match || x.Password == \"\"", New: "!match && x.Password != \"\""},
		mutation.Mutant{Rule: "one changes the accounts at a time", File: "accounts.go", Old: "	if err := lock.Lock(); err != nil {", New: "	if err := error(nil); err != nil {"},
		mutation.Mutant{Rule: "the log is appended to", File: "log.go", Old: "os.O_APPEND|", New: ""},
	)
}
