// Package health gathers what a node tells its parent of itself: see [batch.Health].
//
// It promises to take little time, and that what cannot be found out is left out and stops nothing.
package health
