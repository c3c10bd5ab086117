// Package verify says what to do about rows that differ from a peer's (see export.CompareDigest), and does it; and it checks a node against
// itself.
//
// What is done about a row, package merge decides (merge.Drift), from what package access says of whose the row is. Nothing here is sent: a
// row that is claimed gets new versions and goes with the next batch, one that is removed is deleted as the application would. It promises
// that what a repair replaces or deletes is kept: the other end records a value that a claim takes the place of as a conflict, and a row that
// is removed is kept as deleted rows are.
package verify
