package main

import (
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/failure"
)

func TestTexts(t *testing.T) {
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
