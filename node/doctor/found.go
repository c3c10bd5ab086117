package doctor

import "strings"

// found gathers what a check finds, with what to do about each.
type found struct {
	level    Level
	what, do []string
}

// add notes something that is wrong.
func (f *found) add(level Level, what, do string) {
	if f.level != Fail {
		f.level = level
	}
	f.what = append(f.what, what)
	if do != "" {
		f.do = append(f.do, do)
	}
}

// finding returns all of it; fine is what there is to say where nothing is wrong.
func (f *found) finding(fine string) Finding {
	if len(f.what) == 0 {
		return Finding{What: fine}
	}
	return Finding{Level: f.level, What: strings.Join(f.what, "; "), Do: strings.Join(f.do, "; ")}
}
