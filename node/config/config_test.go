package config

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/merge"
)

// What init writes is what is read, whatever is in a password.
func TestConfigProperty(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		password := rapid.StringMatching(`[ -~é😀]{0,12}`).Draw(rt, "password")
		want := &Config{Home: dir, Node: "hub", DSN: "user:" + password + "@unix(/s)/db", Profile: "none",
			ProfileFile: rapid.StringMatching(`[a-z"'\\# ]{0,5}`).Draw(rt, "file")}
		if want.Check() != nil {
			return
		}
		os.Remove(filepath.Join(dir, Name))
		if err := want.Write(); err != nil {
			rt.Fatal(err)
		}
		got, err := Read(dir)
		if err != nil {
			rt.Fatal(err)
		}
		if got.DSN != want.DSN || got.Node != want.Node || got.Profile != want.Profile || got.ProfileFile != want.ProfileFile || len(got.Policy) != 0 {
			rt.Fatalf("read %+v, wrote %+v", got, want)
		}
	})
}

// A link is written behind what is there, once, and gets another pin by a token alone.
func TestAddLink(t *testing.T) {
	dir := t.TempDir()
	if err := (&Config{Home: dir, Node: "hub", DSN: "u@unix(/s)/db", Profile: "none"}).Write(); err != nil {
		t.Fatal(err)
	}
	c, err := Read(dir)
	if err != nil || c.Node != "hub" || c.Database() != "db" {
		t.Fatalf("%+v, %v", c, err)
	}
	if err := c.AddLink(Link{URL: "https://hub.example.org", Peer: "hub", Pin: "sha256:a"}, true); err != nil {
		t.Fatal(err)
	}
	if err := c.AddLink(Link{URL: "https://hub.example.org", Peer: "hub", Pin: "sha256:b"}, false); err == nil {
		t.Error("another pin was taken without a token")
	}
	if err := c.AddLink(Link{URL: "https://hub.example.org", Peer: "hub", Pin: "sha256:b"}, true); err != nil {
		t.Error(err)
	}
	if again, err := Read(dir); err != nil || len(again.Links) != 1 || again.Links[0].Pin != "sha256:b" {
		t.Errorf("read again: %+v, %v", again, err)
	}
}

// keep_deleted_days has bounds, and 0 says that nothing is kept.
func TestKeepDeletedDays(t *testing.T) {
	day := 24 * time.Hour
	for text, want := range map[string]time.Duration{"": 90 * day, "keep_deleted_days = 1\n": day, "keep_deleted_days = 3650\n": 3650 * day, "keep_deleted_days = 0\n": -1,
		"keep_deleted_days = 3651\n": 0, "keep_deleted_days = -1\n": 0, "keep_deleted_days = \"10\"\n": 0} {
		c := &Config{Home: t.TempDir()}
		err := c.parse([]byte("node = \"hub\"\ndsn = \"u@unix(/s)/db\"\n" + text))
		if want == 0 {
			if err == nil {
				t.Errorf("%q is taken", text)
			}
			continue
		}
		if err != nil || c.Keep() != want {
			t.Errorf("%q: %v, %v", text, c.Keep(), err)
		}
	}
}

// horizon_years has bounds.
func TestHorizonYears(t *testing.T) {
	for text, want := range map[string]int{"": 10, "horizon_years = 1\n": 1, "horizon_years = 200\n": 200, "horizon_years = 0\n": 0, "horizon_years = 201\n": 0, "horizon_years = -1\n": 0, "horizon_years = \"10\"\n": 0} {
		c := &Config{Home: t.TempDir()}
		err := c.parse([]byte("node = \"hub\"\ndsn = \"u@unix(/s)/db\"\n" + text))
		if want == 0 {
			if err == nil {
				t.Errorf("%q is taken", text)
			}
			continue
		}
		if err != nil || c.Horizon() != time.Duration(want)*merge.Year {
			t.Errorf("%q: %v, %v", text, c.Horizon(), err)
		}
	}
}
