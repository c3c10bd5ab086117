package access

import (
	"math"
	"strings"
)

// Said is what a person said of tables on the links to all children, or on the link to one peer.
type Said struct {
	Tables    string // a name, or a pattern in which `*` stands for any run of characters; compared without case
	Column    string // what is said is about this column, or about rows by its value; "": about the tables
	Pattern   string // of values: rows that have one; "": about the column
	Direction Direction
}

// About reports whether two sayings are about the same thing: the later one counts.
func (s Said) About(o Said) bool {
	return strings.EqualFold(s.Tables, o.Tables) && strings.EqualFold(s.Column, o.Column) && strings.EqualFold(s.Pattern, o.Pattern)
}

// Source is whose word decides about a table on a link.
type Source uint8

const (
	Profile    Source = iota // the profile of this node
	AllPreset                // the preset that was chosen here for all children
	ForAll                   // what was said here for all children
	PeerPreset               // the preset that was chosen here for this peer
	ForPeer                  // what was said here for this peer
	Told                     // what the parent said
	Stricter                 // the parent's word, and this node's own, which lets less go
)

// String returns the source in words.
func (s Source) String() string {
	return [...]string{"profile", "preset for all children", "set for all children", "preset for this peer", "set for this peer", "the parent's rules", "stricter here than the parent's rules"}[s]
}

// A Link is all that decides what may go over the link to one peer.
type Link struct {
	Role              Role           // of the peer
	AllPreset, Preset Preset         // chosen here for all children, and for this peer
	ForAll            []Said         // what was said here for all children
	ForPeer           []Said         // what was said here for this peer
	Told              map[string]Way // what the peer, as parent, told of tables, by their names in small letters; nil: nothing
}

// Way returns the way of a table on the link, and whose word it is. profile is the way by the profile; named: a file of this node's
// own names the table, so that its word counts beside what the parent tells. owned: see [Preset.Direction].
//
// To a child goes what was said for that child, or else for all, or else by the profile. What a parent has told stands in the place of the
// profile that came with the program; what is said here beside it counts as far as less goes by it.
func (l Link) Way(table string, profile Way, named, owned bool) (Way, Source) {
	way, source := profile, Profile
	if l.Role == Child {
		if l.AllPreset != NoPreset {
			way.Direction, source = l.AllPreset.Direction(profile.Direction, owned), AllPreset
		}
		if d, ok := direction(l.ForAll, table); ok {
			way.Direction, source = d, ForAll
		}
		if l.Preset != NoPreset {
			way.Direction, source = l.Preset.Direction(profile.Direction, owned), PeerPreset
		}
		if d, ok := direction(l.ForPeer, table); ok {
			way.Direction, source = d, ForPeer
		}
		return way.meet(parts(l.ForAll, table)).meet(parts(l.ForPeer, table)), source
	}
	if told, ok := l.Told[strings.ToLower(table)]; ok {
		way, source = told, Told
		if named {
			way.Direction = Meet(told.Direction, profile.Direction)
		}
		if way.Direction != told.Direction {
			source = Stricter
		}
	}
	if d, ok := direction(l.ForPeer, table); ok {
		if met := Meet(way.Direction, d); met != way.Direction {
			way.Direction = met
			if source = ForPeer; l.Told != nil {
				source = Stricter
			}
		}
	}
	return way.meet(parts(l.ForPeer, table)), source
}

// Silent reports whether nothing was said or told of any table.
func (l Link) Silent() bool {
	return len(l.ForAll)+len(l.ForPeer)+len(l.AllPreset)+len(l.Preset) == 0 && l.Told == nil
}

// direction returns what is said of a table: by its name, or else by the pattern that spells out most.
func direction(said []Said, table string) (d Direction, ok bool) {
	best, by := -1, ""
	for _, s := range said {
		if s.Column != "" || !Matches(s.Tables, table) {
			continue
		}
		if n := Specificity(s.Tables); n > best || n == best && s.Tables < by {
			d, ok, best, by = s.Direction, true, n, s.Tables
		}
	}
	return d, ok
}

// parts returns what is said of columns and rows of a table, as a way.
func parts(said []Said, table string) Way {
	w := Way{Direction: Both, Staff: true}
	for _, s := range said {
		switch {
		case s.Column == "" || !Matches(s.Tables, table):
		case s.Pattern != "":
			if s.Direction == None {
				w.Rows = append(w.Rows, Rows{strings.ToLower(s.Column), s.Pattern})
			}
		default:
			if s.Direction.goesUp() == nothing {
				w.NotUp = append(w.NotUp, strings.ToLower(s.Column))
			}
			if s.Direction.goesDown() == nothing {
				w.NotDown = append(w.NotDown, strings.ToLower(s.Column))
			}
		}
	}
	return w
}

// Specificity ranks patterns for tables: names without a `*` first, then by what they spell out.
func Specificity(pattern string) int {
	if !strings.Contains(pattern, "*") {
		return math.MaxInt
	}
	return len(pattern) - strings.Count(pattern, "*")
}

// Matches compares s with a pattern in which `*` stands for any run of characters, without case.
func Matches(pattern, s string) bool {
	if !strings.Contains(pattern, "*") {
		return strings.EqualFold(pattern, s)
	}
	head, rest, _ := strings.Cut(strings.ToLower(pattern), "*")
	s, found := strings.CutPrefix(strings.ToLower(s), head)
	for found {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(s, part)
		}
		_, s, found = strings.Cut(s, part)
		rest = after
	}
	return false
}
