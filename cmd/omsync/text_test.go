package main

import (
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/failure"
)

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
	if got := failure.Printable("a\x1b[2Jb"); strings.ContainsRune(got, 0x1b) {
		t.Errorf("an escape sequence gets through: %q", got)
	}
}
