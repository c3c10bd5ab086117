package main

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/omsync/omsync/internal/failure"
)

// ago is a time as how long ago it was.
var ago = regexp.MustCompile(`^([0-9]{1,5})([mhdw])$`)

// parseSince reads a time in the past as people write it: 2026-11-20, "2026-11-20 14:00", 14:00 of today, or 3d, 12h, 90m, 2w ago. A time
// of the day is that of now's place.
func parseSince(text string, now time.Time) (time.Time, error) {
	var since time.Time
	if m := ago.FindStringSubmatch(text); m != nil {
		n, _ := strconv.Atoi(m[1])
		switch m[2] {
		case "m":
			since = now.Add(-time.Duration(n) * time.Minute)
		case "h":
			since = now.Add(-time.Duration(n) * time.Hour)
		case "d":
			since = now.AddDate(0, 0, -n)
		case "w":
			since = now.AddDate(0, 0, -7*n)
		}
		return since, nil
	}
	if t, err := time.ParseInLocation("15:04", text, now.Location()); err == nil {
		y, m, d := now.Date()
		since = time.Date(y, m, d, t.Hour(), t.Minute(), 0, 0, now.Location())
	} else {
		for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", "2006-01-02T15:04", time.DateTime, "2006-01-02T15:04:05", time.RFC3339} {
			if since, err = time.ParseInLocation(layout, text, now.Location()); err == nil {
				break
			}
		}
		if err != nil {
			return since, failure.Hinted(fmt.Errorf("%.40q is no time", text), `--since 2026-11-20, --since "2026-11-20 14:00", --since 14:00 (today), or --since 3d (3 days ago; m, h, d, w)`)
		}
	}
	if since.After(now) {
		return since, failure.Hinted(fmt.Errorf("%s is not in the past", since.Format("2006-01-02 15:04")), "is the clock of this computer right? it says %s", now.Format("2006-01-02 15:04"))
	}
	return since, nil
}
