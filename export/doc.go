// Package export makes batches: it reads one snapshot of the database and writes what a peer lacks.
//
// It promises: a batch holds all that the epochs up to its end wrote, each value under its own stamp; the application's statements
// wait for none of it.
package export
