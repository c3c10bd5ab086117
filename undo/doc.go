// Package undo takes back what came from a peer since a time: rows that it added are deleted, values that it changed become what they
// were, as far as that is known, rows that it deleted are inserted again, and its rows that wait are forgotten.
//
// It promises: one transaction, so that all of it is done or nothing; ordinary edits, which the triggers note, so that a seal stamps them
// and they go to all peers; a reference never points to a row that is not there; nothing is deleted that a row refers to which stays, or
// that others have changed since. What is theirs, what was there before and what has to stay, package rules decides.
package undo
