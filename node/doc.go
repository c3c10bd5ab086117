// Package node is a node as its home folder describes it, opened: configuration, lock, keys, database, journal and the catalogue of
// the application's tables, as much of it as a command asks for.
//
// It promises: of the runs that change a node one is at work at a time, whatever file system the home folder is on; a database that
// belongs to another node is never taken for this one's; and an error says what its reader can do about it, in particular who does
// not let the node in and where that is set.
//
// It also keeps the node's list of peers: who may be added, and what goes with one that is removed.
package node
