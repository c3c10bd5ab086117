// Package hub is the server that other nodes send to and fetch from: who may call, what is done with what they bring, and how a
// node joins.
//
// It promises: a node sees its own mail alone; what arrives is checked before it is kept; while the database cannot be asked, what
// came is kept and nothing is refused for it; strangers who ask to join hold nothing up; and commands get the node's lock, however
// many nodes call. With a [worker] what arrives is imported at once and callers are exported to, a few nodes at a time: the receipt
// of a file says what came of it, unless that takes longer than a caller can be made to wait. The HTTP is that of transport/web/server.
package hub
