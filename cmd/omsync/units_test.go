package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"pgregory.net/rapid"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
)

func TestExitCode(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("x"), exitError},
		{fmt.Errorf("export: %w", journal.ErrBusy), exitBusy},
		{fmt.Errorf("x: %w", errLocked), exitBusy},
		{fmt.Errorf("file: %w", fmt.Errorf("%w: %w", batch.ErrSignature, keys.ErrSignature)), exitTrust},
		{fmt.Errorf("file: %w", batch.ErrTruncated), exitError},
		{fmt.Errorf("file: %w", keys.ErrNotForUs), exitTrust},
		{fmt.Errorf("file: %w", apply.ErrSchemas), exitSchema},
		{hinted(fmt.Errorf("x: %w", exchange.ErrUntrusted), "hint"), exitTrust},
		{fmt.Errorf("file: %w", coded(exitGap, "x")), exitGap},
		{hinted(coded(exitConflicts, "x"), "hint"), exitConflicts},
		{errorList{errors.New("x"), coded(exitGap, "y"), coded(exitTrust, "z")}, exitGap},
		{errorList{errors.New("x"), batch.ErrCorrupt}, exitError},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("%v: code %d, want %d", c.err, got, c.want)
		}
	}
}

func TestReport(t *testing.T) {
	var b bytes.Buffer
	report(&b, errorList{errors.New("one"), fmt.Errorf("file: %w", hinted(errors.New("two"), "do %s", "this"))})
	if want := "omsync: one\nomsync: file: two\nhint: do this\n"; b.String() != want {
		t.Errorf("printed %q, want %q", b.String(), want)
	}
}

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{
		"": 0, "64MiB": 64 << 20, "64M": 64 << 20, "64 MB": 64e6, "4000000": 4000000, "3.9GB": 3.9e9, "65536b": 65536, "1t": 1 << 40,
	} {
		if got, err := parseSize(s); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"x", "-1G", "64MiBB", "MiB", "1e99", "nan", "infG", "1k", "0", "5 000 000"} {
		if got, err := parseSize(s); err == nil {
			t.Errorf("%q was taken for %d", s, got)
		}
	}
}

func TestParseDays(t *testing.T) {
	for s, want := range map[string]time.Duration{"7d": 7 * 24 * time.Hour, "0.5d": 12 * time.Hour, "90m": 90 * time.Minute, "1s": time.Second, "12h30m": 750 * time.Minute} {
		if got, err := parseDays(s); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "d", "7", "-1d", "0s", "1000d", "1281024d", "7dd", "week", "9000000000000h"} {
		if got, err := parseDays(s); err == nil {
			t.Errorf("%q was taken for %v", s, got)
		}
	}
}

func TestTexts(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 1023: "1023 bytes", 1024: "1.0 KiB", 5 << 30: "5.0 GiB", 3 << 50: "3072.0 TiB"} {
		if got := bytesText(n); got != want {
			t.Errorf("%d bytes: %q", n, got)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0 s", -time.Hour: "less than 0 s", 119 * time.Second: "119 s", 2 * time.Minute: "2 min", 47 * time.Hour: "47 h", 50 * time.Hour: "2 days",
	} {
		if got := ageText(d); got != want {
			t.Errorf("%v: %q", d, got)
		}
	}
	if got := printable("a\x1b[2Jb"); strings.ContainsRune(got, 0x1b) {
		t.Errorf("an escape sequence gets through: %q", got)
	}
}

// What init writes is what is read, whatever is in a password.
func TestConfigProperty(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		password := rapid.StringMatching(`[ -~é😀]{0,12}`).Draw(rt, "password")
		want := &config{home: dir, Node: "hub", DSN: "user:" + password + "@unix(/s)/db", Profile: "none",
			ProfileFile: rapid.StringMatching(`[a-z"'\\# ]{0,5}`).Draw(rt, "file")}
		if want.check() != nil {
			return
		}
		os.Remove(filepath.Join(dir, configName))
		if err := want.write(); err != nil {
			rt.Fatal(err)
		}
		got, err := readConfig(dir)
		if err != nil {
			rt.Fatal(err)
		}
		if got.DSN != want.DSN || got.Node != want.Node || got.Profile != want.Profile || got.ProfileFile != want.ProfileFile || len(got.Policy) != 0 {
			rt.Fatalf("read %+v, wrote %+v", got, want)
		}
	})
}

func TestLineOf(t *testing.T) {
	text := []byte("# node = 1\nnode = 'x'\n\n[policy]\nobs = 'newest'\n'odd' = 2\n[other.deep]\nx = 1\n")
	for _, c := range []struct {
		key  toml.Key
		line int
	}{{toml.Key{"node"}, 2}, {toml.Key{"policy"}, 4}, {toml.Key{"policy", "obs"}, 5}, {toml.Key{"odd"}, 6}, {toml.Key{"other", "deep"}, 7}, {toml.Key{"none"}, 1}} {
		if got := lineOf(text, c.key); got != c.line {
			t.Errorf("%s: line %d, want %d", c.key, got, c.line)
		}
	}
}
