// Package exchange is what a node does with batch files: it applies those that are for it, writes what its peers lack, and
// moves both over links.
//
// A node keeps mail in its home folder: inbox holds files that came, outbox/PEER what waits for a peer. A file leaves the
// inbox when it is applied, the outbox when its peer has acknowledged it or a later file says the same and more. Nothing is
// lost with either folder: what a peer has not acknowledged is exported again.
//
// It promises: a file is removed from a store only if it is known to be applied where it should be, or another one in the
// same store holds what it holds; a link that is down or breaks changes nothing but the time at which files arrive; no file
// of another node is touched.
package exchange
