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
//
// # A sync
//
// [Node.Sync] is made of steps that a program may also take one by one:
//
//	import the inbox
//	open the links that are there
//	pull
//	repeat, 4 times at most:
//	    import the inbox
//	    remove from the stores what is applied by now
//	    for each peer of the links: fill its outbox
//	    push
//	    stop unless a file went or came
//	    pull
//	import the inbox
//	remove from the stores what is applied by now
//
//	import the inbox            [Node.ImportInbox]
//	    read the headers; leave out files of others, those applied before, and those that failed and are not due
//	    apply.Plan: the files that reach furthest, in order; then the rest; the senders in turn
//	    count an attempt, apply.Import, for each, on a server one file each of several children at the same time (lanes.go); what is
//	    applied, or stood in for, leaves the inbox, and so does what failed too often
//
//	pull, for each link         [Node.Pull]
//	    for each file in the store: is it for this node, from an active peer, not seen before, not damaged a moment ago?
//	    copy it to the inbox, if its signature is good, over there where that can be read, and here
//
//	fill an outbox              [Node.FillOutbox]
//	    remove what the peer has acknowledged
//	    export what is new, on top of the last file if that waits here
//	    while little waits: export all of it anew as one file
//	    remove what the new file replaces
//
//	push, for each link         [Node.Push]
//	    copy what waits in the peers' outboxes and is not there, if its signature is good
//	    remove from the store what the peer has acknowledged or a newer file replaces
//
// # Files in the home folder
//
// Beside inbox and outbox, aside holds what failed too often and attempts.json ([attempts.Record]) why, short-keys.json ([features.Missed]) who
// is told that short keys are not read, links.json ([State]) says
// when each link last worked and what was sent over it, and seen holds digests of the files that were applied. All but aside only
// spare work.
package exchange
