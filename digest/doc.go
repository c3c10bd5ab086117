// Package digest tells which rows of two databases differ from a few bytes that one of them sends: set reconciliation.
//
// What is compared is a set of (key hash, content hash) of rows. A [Digest] holds of it, for each table, the number of rows and sums over
// some buckets of them, which say whether the table is equal; a [Sketch], whose size follows the number of differing rows that it is to find and
// not the number of rows, and which names exactly those; and a [Strata] estimate of how many differ, for the case that they are more. Two nodes
// make digests of their rows with the same [Seed], and [Compare] subtracts one from the other: what is equal cancels.
//
// A cell of the sketch is a detector of one differing row, as turnstile streams know it (Ganguly, Counting distinct items over update streams,
// 2007): over the prime field of 2^61-1 it holds the sums of c, k·c and k²·c, of rows with key hash k and content hash c. If one row of the
// cell differs, by d, the difference of two cells is d, k·d and k²·d, which gives k and d. A row that was changed has one key and so
// counts once; in a table of sums of keys and contents (Eppstein and others, What's the difference?, 2011) it would count twice. Each row is in
// four cells, and rows that are found are taken out of their other cells until nothing is left (an invertible Bloom lookup table).
//
// The seed is drawn for each digest, so nobody can look ahead for two contents that have one hash, and what two rows hide from one digest they
// show to the next. A sketch never names a row that does not differ, but by an accident of one in 2^40; it may fail to name them all, and then
// [Result.Exact] is false.
//
// The package is pure: no database, no files. What [Parse] takes is bounded in bytes, and what follows from it in time and memory, whoever
// wrote it.
package digest
