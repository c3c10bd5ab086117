package tables

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/schema"
)

// A Wish is one thing that a person says; Default: that nothing is to be said any more.
type Wish struct {
	access.Said
	Default bool
}

var wishForm = regexp.MustCompile(`^([^.\[\]=]+)(?:\.([^.\[\]=]+)|\[([^\[\]=]+)=([^\[\]]+)\])?=([a-z]+)$`)

// maxText is how long names and patterns may be, in bytes: they travel to children.
const maxText = 255

// ParseWish reads TABLE=DIRECTION, TABLE.COLUMN=DIRECTION or TABLE[COLUMN=VALUE]=DIRECTION.
func ParseWish(text string) (Wish, error) {
	m := wishForm.FindStringSubmatch(text)
	if m == nil {
		return Wish{}, failure.Hinted(fmt.Errorf("%.100q does not say which way a table goes", text),
			"write TABLE=DIRECTION, as in obs=up or 'concept*=down'; TABLE.COLUMN=DIRECTION for a column; 'TABLE[COLUMN=VALUE]=none' for rows that stay")
	}
	w := Wish{Said: access.Said{Tables: m[1], Column: m[2], Pattern: m[4]}}
	if m[3] != "" {
		w.Column = m[3]
	}
	if max(len(w.Tables), len(w.Column), len(w.Pattern)) > maxText {
		return Wish{}, fmt.Errorf("a name or a pattern is longer than %d bytes", maxText)
	}
	if m[5] == "default" {
		w.Default = true
		return w, nil
	}
	var ok bool
	if w.Direction, ok = access.ParseDirection(m[5]); !ok {
		return Wish{}, failure.Hinted(fmt.Errorf("there is no direction %q", m[5]), "both, down, up, add, none; or default, to take back what was set")
	}
	switch {
	case w.Pattern != "" && w.Direction != access.None:
		return Wish{}, failure.Hinted(errors.New("rows that are named by a value can only stay where they are"), "%s[%s=%s]=none, or =default to take that back", w.Tables, w.Column, w.Pattern)
	case w.Column != "" && w.Direction == access.Add:
		return Wish{}, failure.Hinted(errors.New("add is no direction of a column"), "both, down, up or none")
	}
	return w, nil
}

// check returns an error if what is wished is about nothing that this database has.
func (w Wish) check(cat *schema.Catalogue) error {
	var fits []*schema.Table
	for _, t := range cat.Tables {
		if access.Matches(w.Tables, t.Name) {
			fits = append(fits, t)
		}
	}
	if len(fits) == 0 {
		var names []string
		for _, t := range cat.Tables {
			names = append(names, t.Name)
		}
		return unknown("there is no table %q in this database", w.Tables, names)
	}
	if !slices.ContainsFunc(fits, func(t *schema.Table) bool { return t.Replicated }) {
		return failure.Hinted(fmt.Errorf("%s does not travel, whatever is set: %s", fits[0].Name, fits[0].Why), "omsync tables lists every table, and why it does not travel")
	}
	if w.Column == "" {
		return nil
	}
	var columns []string
	for _, t := range fits {
		c := t.Column(w.Column)
		switch {
		case c == nil:
			for _, c := range t.Columns {
				columns = append(columns, c.Name)
			}
			continue
		case c.Key && w.Pattern == "":
			return fmt.Errorf("%s.%s names the row everywhere: it goes with the row", t.Name, c.Name)
		}
		return nil
	}
	return unknown("no such table has a column %q", w.Column, columns)
}

// unknown is the error of a name that is not there, with those that are close.
func unknown(format, name string, names []string) error {
	err := fmt.Errorf(format, name)
	close := closeNames(name, names)
	if len(close) == 0 {
		return failure.Hinted(err, "omsync tables lists every table")
	}
	return failure.Hinted(err, "did you mean %s?", strings.Join(close, ", "))
}

// maxClose is how many names are proposed.
const maxClose = 5

// closeNames returns the names that are most like one that is not there.
func closeNames(name string, names []string) []string {
	name = strings.ToLower(strings.Trim(name, "*"))
	far := func(n string) int {
		n = strings.ToLower(n)
		if len(name) > 2 && strings.Contains(n, name) {
			return 1
		}
		return distance(name, n)
	}
	var out []string
	for _, n := range names {
		if far(n) <= 1+len(name)/4 && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	slices.SortStableFunc(out, func(a, b string) int { return far(a) - far(b) })
	return out[:min(len(out), maxClose)]
}

// distance returns how many letters must be put in, taken out or replaced to make one text of the other.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			other := last
			if a[i] != b[j] {
				other++
			}
			last, row[j+1] = row[j+1], min(other, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
