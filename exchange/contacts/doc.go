// Package contacts remembers when a peer was heard, and how long it was silent in between: from this a peer's habit is learned.
// It remembers, too, what came on each of the last 90 days, and what the peer last said of itself.
//
// The rule ([Contacts.Hear]) is pure. The record is a small file for each peer in the home folder. Without it a habit is learned anew, which
// does no harm.
package contacts
