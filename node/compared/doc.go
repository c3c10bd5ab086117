// Package compared says how this node compares with a peer: which rows differ, why, and what a repair does about each. It keeps the last of
// these reports of each peer in the home folder, with the digest that it was made with, so that a person can look, compare again, and repair.
//
// It promises: what is kept is bounded (rows, bytes), readable by the owner of the home folder alone, and of the link that there is now; what
// is damaged, or of a newer program, counts for nothing and is made anew by the next comparison.
package compared
