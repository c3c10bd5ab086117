package oldprogram_test

import (
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/oldprogram"
)

// The old program runs, and is built once.
func TestBuild(t *testing.T) {
	program := oldprogram.Build(t)
	out := oldprogram.Must(t, program, t.TempDir(), []string{"version"}).Stdout
	if !strings.Contains(out, "batch format 1, journal format 1") {
		t.Errorf("it says %q", out)
	}
	if again := oldprogram.Build(t); again != program {
		t.Errorf("first %s, then %s", program, again)
	}
}
