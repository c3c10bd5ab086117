package layers

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// maxLines is how long a file may be that a maintainer reads in one go.
const maxLines = 400

// longer are the files that may have more lines, each with its reason.
var longer = map[string]string{
	"enrol/join_test.go":              "one way to join after the other",
	"internal/netfault/proxy_test.go": "one fault after the other",
	"merge/settle_test.go":            "one table of cases",
	"schema/profile_test.go":          "one rule of profiles after the other",
}

func TestFileSizes(t *testing.T) {
	root := filepath.Join("..", "..")
	seen := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		lines := bytes.Count(text, []byte("\n"))
		reason, listed := longer[name]
		seen[name] = true
		switch {
		case lines > maxLines && !listed:
			t.Errorf("%s has %d lines, more than %d: split it, or list it with a reason", name, lines, maxLines)
		case lines <= maxLines && listed:
			t.Errorf("%s has %d lines: it is no longer long, take it off the list", name, lines)
		case listed && reason == "":
			t.Errorf("%s is listed without a reason", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) < 100 {
		t.Errorf("only %d files found", len(seen))
	}
	for name := range longer {
		if !seen[name] {
			t.Errorf("%s is listed and not there", name)
		}
	}
}
