package config

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/failure"
)

// A password is taken from a file that its owner alone can get at.
func TestPasswordFileIsTheOwners(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes mean nothing here")
	}
	home := t.TempDir()
	c := &Config{Home: home, Node: "hub", DSN: "omsync@unix(/run/s)/openmrs", PasswordFile: "password"}
	path := filepath.Join(home, "password")
	if err := os.WriteFile(path, []byte("se:cr@t\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, ok := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o644: false, 0o640: false, 0o604: false, 0o660: false, 0o610: false, 0o602: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		dsn, err := c.FullDSN()
		if ok {
			if err != nil || !strings.HasPrefix(dsn, "omsync:se:cr@t@") {
				t.Errorf("%04o: %q, %v", mode, dsn, err)
			}
			continue
		}
		var f *failure.Failure
		if !errors.As(err, &f) || f.Hint != "chmod 600 "+path || strings.Contains(err.Error(), "cr@t") {
			t.Errorf("%04o: %v", mode, err)
		}
	}
}
