// Package reserve keeps imports that run at the same time from each other's rows.
//
// An import reserves each key that it meets: to write the row, or because something refers to it. Of two imports that overlap in time, one never
// reserves a key that the other one writes, whether the other is still at work or has ended meanwhile: what the first has read until then would
// be of before, and what it reads from now on of after. The import that comes second is told so, undoes what it did, and runs again alone. So
// the imports that do run side by side have no row in common of which either changes anything, and it does not matter which of them is first.
//
// What an import asks that no key says (who has a name, what refers to a row) it asks alone.
//
// Nothing here is known to another process: the node's lock sees to it that one run imports at a time.
package reserve
