package page

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/omsync/omsync/exchange/contacts"
)

// exchangesData is what came of a peer by day, as it is drawn.
type exchangesData struct {
	Width, Height, Base int
	Bars                string // an SVG path
	Weeks               []int  // where weeks begin
	Span                int    // days, without today
	Days                int    // on which something came
	Files               int64
	Most                int64          // bytes on a day
	Last                []contacts.Day // the last of them, newest first
}

// Sizes of the drawing, in its own units.
const (
	dayWidth   = 7
	barHeight  = 60
	lastDays   = 14
	leastOfDay = 3 // height of a day with little
)

// drawDays draws what came by day. Heights go by the square root of bytes: the first load would leave nothing of the rest.
func drawDays(days []contacts.Day, now time.Time) *exchangesData {
	d := &exchangesData{Width: contacts.Days * dayWidth, Height: barHeight + 2, Base: barHeight, Span: contacts.Days - 1}
	today := now.UTC().Truncate(24 * time.Hour)
	for _, x := range days {
		d.Most = max(d.Most, x.Bytes)
	}
	var bars strings.Builder
	for _, x := range days {
		at, err := time.Parse(time.DateOnly, x.Day)
		back := int(today.Sub(at).Hours() / 24)
		if err != nil || back < 0 || back >= contacts.Days || x.Files <= 0 {
			continue
		}
		d.Days++
		d.Files += x.Files
		height := leastOfDay
		if d.Most > 0 && x.Bytes > 0 {
			height = max(leastOfDay, int(math.Sqrt(float64(x.Bytes)/float64(d.Most))*barHeight))
		}
		fmt.Fprintf(&bars, "M%d %dv-%dh%dv%dz", (contacts.Days-1-back)*dayWidth+1, barHeight, height, dayWidth-2, height)
		d.Last = append(d.Last, x)
	}
	d.Bars = bars.String()
	for back := range contacts.Days {
		if today.AddDate(0, 0, -back).Weekday() == time.Monday {
			d.Weeks = append(d.Weeks, (contacts.Days-1-back)*dayWidth)
		}
	}
	slices.Reverse(d.Last)
	d.Last = d.Last[:min(len(d.Last), lastDays)]
	return d
}
