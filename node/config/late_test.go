package config

import (
	"strings"
	"testing"
	"time"
)

// The bounds of what is late have bounds.
func TestLate(t *testing.T) {
	for text, want := range map[string]struct {
		least, most time.Duration
		err         string
	}{
		"": {24 * time.Hour, 14 * 24 * time.Hour, ""},
		"late_least_hours = 6\nlate_most_days = 30\n": {6 * time.Hour, 30 * 24 * time.Hour, ""},
		"late_least_hours = 0\n":                      {0, 0, "late_least_hours is 0: write a number from 1 to 8760"},
		"late_most_days = 366\n":                      {0, 0, "late_most_days is 366: write a number from 1 to 365"},
		"late_least_hours = 49\nlate_most_days = 2\n": {0, 0, "nobody is late"},
		"late_most_days = \"3\"\n":                    {0, 0, "late_most_days"},
	} {
		c := &Config{Home: t.TempDir()}
		err := c.parse([]byte("node = \"hub\"\ndsn = \"u@unix(/s)/db\"\n" + text))
		if want.err != "" {
			if err == nil || !strings.Contains(err.Error(), want.err) {
				t.Errorf("%q: %v", text, err)
			}
			continue
		}
		if least, most := c.Late(); err != nil || least != want.least || most != want.most {
			t.Errorf("%q: %v, %v, %v", text, least, most, err)
		}
	}
}
