package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Tests that docs/threat-model.md names are there. A line that is marked as later names tests of work that is under way: when all of them
// are there, the mark goes.
func TestThreatModelNamesItsTests(t *testing.T) {
	there := allTests(t)
	const mark = "<!-- later -->"
	name := regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9]*)`")
	named := 0
	for line := range strings.Lines(readPage(t, "docs/threat-model.md").text) {
		missing, all := "", name.FindAllStringSubmatch(line, -1)
		for _, m := range all {
			named++
			if !there[m[1]] {
				missing = m[1]
			}
		}
		switch later := strings.Contains(line, mark); {
		case missing != "" && !later:
			t.Errorf("docs/threat-model.md names %s, and there is no such test", missing)
		case missing == "" && later:
			t.Errorf("docs/threat-model.md: all tests are there now: take the mark %s out of the line %s", mark, line)
		case len(all) == 0 && strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| claim") && !strings.HasPrefix(line, "| ---"):
			t.Errorf("docs/threat-model.md claims without a test: %s", line)
		}
	}
	if named < 50 {
		t.Errorf("docs/threat-model.md names %d tests: it cannot be read as it should", named)
	}
}

// allTests lists the tests of all packages.
func allTests(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	test := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z]\w*)\(`)
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range test.FindAllSubmatch(b, -1) {
			out[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
