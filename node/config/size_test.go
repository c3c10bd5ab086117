package config

import "testing"

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{
		"": 0, "64MiB": 64 << 20, "64M": 64 << 20, "64 MB": 64e6, "4000000": 4000000, "3.9GB": 3.9e9, "65536b": 65536, "1t": 1 << 40,
	} {
		if got, err := ParsePartSize(s); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"x", "-1G", "64MiBB", "MiB", "1e99", "nan", "infG", "1k", "0", "5 000 000"} {
		if got, err := ParsePartSize(s); err == nil {
			t.Errorf("%q was taken for %d", s, got)
		}
	}
}
