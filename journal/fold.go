package journal

import "github.com/omsync/omsync/merge"

// A Folded is what a log of changes says of one local row: which rows ended under that local key, in order, and what
// became of the one that is there now.
type Folded struct {
	Row
	Deaths []Death
	Born   bool   // the row there now was inserted in this log
	BornAt int64  // and, like its later edits, counts from here
	Edits  []Edit // of a row that was there before
	// Fewer is how many more rows were deleted than inserted. In a table without a primary key several rows have one local key, and an
	// insert does not say that there was none before.
	Fewer int
}

// A Death is the end of one row that had this local key.
type Death struct {
	ID         uint64  // of the change
	DeletedKey *string // see Change.DeletedKey
	At         int64
	// First: the row was there before this log began; otherwise it was born and died in it.
	First bool
}

// An Edit is which columns were changed, and when.
type Edit struct {
	Mask merge.Mask
	At   int64
}

// Fold returns the changes of one table by local row, in the order of their first change.
func Fold(changes []Change) []*Folded {
	byRow := map[Row]*Folded{}
	var out []*Folded
	ended := map[Row]bool{}
	for _, c := range changes {
		f := byRow[c.Row]
		if f == nil {
			f = &Folded{Row: c.Row}
			byRow[c.Row] = f
			out = append(out, f)
		}
		switch c.Op {
		case OpInsert:
			f.Fewer--
			f.Born, f.BornAt, f.Edits = true, c.At, nil
			ended[c.Row] = false
		case OpUpdate:
			if f.Born {
				f.BornAt = max(f.BornAt, c.At)
			} else if n := len(f.Edits); n > 0 && f.Edits[n-1].Mask == c.Mask {
				f.Edits[n-1].At = c.At
			} else {
				f.Edits = append(f.Edits, Edit{c.Mask, c.At})
			}
		case OpDelete:
			f.Fewer++
			if ended[c.Row] { // a deletion that a cascade and a statement both logged
				continue
			}
			f.Deaths = append(f.Deaths, Death{c.ID, c.DeletedKey, c.At, !f.Born && len(f.Deaths) == 0})
			f.Born, f.Edits = false, nil
			ended[c.Row] = true
		}
	}
	return out
}
