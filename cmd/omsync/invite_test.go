package main

import (
	"testing"
	"time"
)

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
