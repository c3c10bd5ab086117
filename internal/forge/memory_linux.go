package forge

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// Memory begins to watch how much memory this process has, and returns what says how much it had at most since, in bytes, beyond what it
// had before.
func Memory(t testing.TB) (peak func() int64) {
	t.Helper()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o600); err != nil {
		t.Logf("the peak of memory cannot be reset: %v", err)
		return func() int64 { return 0 }
	}
	before := status(t, "VmRSS:")
	return func() int64 { return status(t, "VmHWM:") - before }
}

// status returns a size of this process.
func status(t testing.TB, what string) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), what)
	n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}
