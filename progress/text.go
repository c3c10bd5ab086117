package progress

import "fmt"

// Text is a sentence: its English form, with verbs as fmt has them, and what they stand for: numbers, names, a time.Time since which
// something is so, a time.Duration, or another Text.
type Text struct {
	Key  string
	Args []any
}

// Say returns a sentence.
func Say(key string, args ...any) Text { return Text{key, args} }

// Level is how a node, a peer or a thing is doing.
type Level uint8

// The levels, the best first.
const (
	Well  Level = iota
	Late        // it may mend itself, and somebody should know
	Needs       // it needs somebody
)

// MarshalText is the level's name for programs.
func (l Level) MarshalText() ([]byte, error) {
	switch l {
	case Well, Late, Needs:
		return []byte([]string{"well", "late", "needs_somebody"}[l]), nil
	}
	return nil, fmt.Errorf("no level %d", uint8(l))
}

// UnmarshalText is the opposite of MarshalText.
func (l *Level) UnmarshalText(b []byte) error {
	for _, known := range []Level{Well, Late, Needs} {
		if name, _ := known.MarshalText(); string(name) == string(b) {
			*l = known
			return nil
		}
	}
	return fmt.Errorf("no level %q", b)
}

// Finding is one thing that is to be said.
type Finding struct {
	Level Level
	Says  Text
	Next  Step // what to do about it; the zero Step: nothing
}

// Step is what a person does next: a command of omsync without its name and home folder, or a sentence.
type Step struct {
	Command string
	Says    Text
}
