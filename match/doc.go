// Package match compares what two databases that lived apart hold, and says which of their rows are one thing under two keys.
//
// It promises: only what is certain is matched by itself, everything else is proposed to a person, with what speaks for it and against.
// A pair is certain where a natural key that the profile calls certain is that of one row here and of one row there, and the other
// side has never had the row from here (so that a renamed row is not taken for the new one that got its name). A row is matched with one
// row at most. Which rows are matched does not depend on the order of the rows; and what one side finds, the other would.
//
// Natural keys are compared without case, without blanks at their ends, and in Unicode's composed form. A part that is NULL or empty makes no
// key. A part that refers to a row is the same on both sides if that row is: by its key, or because it is matched. So matches of types make
// matches of what refers to types.
//
// What a person decided counts before what is certain, and is checked (see [Comparison.Check]): it names rows that are there, maps a row once, and breaks no
// unique value.
//
// The package is pure: no database, no files, no clock.
package match
