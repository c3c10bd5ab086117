package config

import (
	"fmt"
	"strconv"
	"strings"
)

// ParsePartSize returns the size of a part in bytes; "" is 0, for no parts. Less than 64 KiB is an error.
func ParsePartSize(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	size, err := ParseBytes(s)
	if err == nil && size < 64<<10 {
		return 0, fmt.Errorf("size %q: parts have at least 64 KiB", s)
	}
	return size, err
}

// defaultMaxFile is the largest file that is fetched if nobody says otherwise, in bytes.
const defaultMaxFile = 64 << 30

// MaxFileSize returns the largest file that is fetched, in bytes.
func (c *Config) MaxFileSize() (int64, error) {
	if c.MaxFile == "" {
		return defaultMaxFile, nil
	}
	return ParseBytes(c.MaxFile)
}

// ParseBytes returns a size such as 64MiB, 700MB or 4000000 in bytes, a PiB at most.
func ParseBytes(s string) (int64, error) {
	number := strings.TrimRight(s, "BKMGTkmgtib ")
	units := map[string]float64{"": 1, "b": 1, "k": 1 << 10, "kb": 1e3, "kib": 1 << 10, "m": 1 << 20, "mb": 1e6, "mib": 1 << 20,
		"g": 1 << 30, "gb": 1e9, "gib": 1 << 30, "t": 1 << 40, "tb": 1e12, "tib": 1 << 40}
	unit, ok := units[strings.ToLower(strings.TrimSpace(s[len(number):]))]
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !ok || !(n > 0) || n*unit > 1<<50 {
		return 0, fmt.Errorf("size %q: write it like 64MiB or 3.9GB", s)
	}
	return int64(n * unit), nil
}
