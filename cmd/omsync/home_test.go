//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/node/config"
)

// TestOwner has root run a command on somebody else's home folder: files that it made there would be root's.
func TestOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a folder away")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 54321, 54321); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"status"}, {"init", "--node", "hub", "--dsn", "u@unix(/s)/d"}} {
		var stderr strings.Builder
		if code := run(append(args, "--home", dir), &stderr); code != failure.Error || !strings.Contains(stderr.String(), "sudo -u #54321 omsync") {
			t.Errorf("%s: %d, %s", args[0], code, stderr.String())
		}
	}
	if name := config.Owner(t.TempDir()); name != "" {
		t.Errorf("a folder of this run belongs to %q", name)
	}
	if name := config.Owner(filepath.Join(dir, "none")); name != "" {
		t.Errorf("no folder belongs to %q", name)
	}
}
