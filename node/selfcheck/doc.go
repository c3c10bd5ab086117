// Package selfcheck says whether this program can go on with what a node has in its home folder and its database, and whether an earlier
// program could after it: what to know after an update, before anything is changed. It takes no lock and changes nothing.
package selfcheck
