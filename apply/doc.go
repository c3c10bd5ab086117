// Package apply brings a batch into the database: it finds or makes the local rows, rewrites every reference to the local
// integers, lets package merge settle what both sides changed, and writes rows and versions in bulk.
//
// It promises: one transaction, so that a batch is applied once or not at all, and what of it cannot be applied waits; references that always point to
// the row that the sender meant; nothing of the application's that was committed before is overwritten unrecorded,
// sealed or not. It decides neither whose value stays (package merge does) nor who may send what (package access does).
//
// An import, as pseudo-code; [Import] is the outer loop, attempt.run one turn of it, importer.bringIn the inner one:
//
//	until the transaction commits, or fails for good; beside other imports the first time, from then on alone:
//	    open the batch: signature, header
//	    open a session: a connection that no trigger speaks on
//	    take the gate, which begins the transaction: no seal runs beside an import
//	    read the peer, this node's history, and draw an epoch            (peerLink)
//	    let the rules of the link judge the header: apply, covered, a gap, refused
//	    note what the header asks for: it is owed to the sender
//	    from a child, take what it asks of its scope                     (scoping)
//	    if it is to be applied:
//	        for each item of the batch, while the next are read:          (importer)
//	            a table:      find its counterpart here                   (resolver)
//	            keys:         add them to the dictionary, and reserve them (resolver, package reserve)
//	            deletions:    hold them back, until the first rows
//	            rows:         resolve keys and references, read and lock the rows that are here, read what is known of them (of rows that are
//	                          here by their uuids, while those before are settled: see importer.readNext);
//	                          look where they stand, and who has them in sight (scoping)
//	                          per row: may the sender change it? which values stay? what lost?
//	                          bring back, as they were, rows deleted here that rows which are taken refer to
//	                          write what was decided, rows before versions (writer);
//	                          into a table that was empty, the server writes while the next rows of it are read (session.start)
//	                          let the rules of scopes follow what was settled, and see what waits
//	            conflicts:    record them
//	        carry out deletions, each row kept whole before it goes:
//	            what something here refers to is deferred
//	        fill references to rows that came later
//	        carry out deferred deletions: what is still referred to stays
//	        write deferred rows, whose unique values others held
//	        fill the other references
//	        look whether a name by which people log in is another's
//	        follow the rows of which it shows only now where they stand   (scoping)
//	        if rows turned out not to be applicable: begin again, and let them wait
//	        write the default versions of tables that were empty, and the conflicts
//	        from the parent, take what it says of this node's scope
//	    write what changed of scopes, and the state of the link
//	    commit
//
// What is asked of package scope, and in which order, its documentation tells; where no scope is anywhere, nothing is, but whose the rows are that are deleted. A row that the application
// has moved to another owner since the last seal is left to a seal: that alone knows where the row stood.
//
// Not yet: of a deletion that waits, the owners that came with it are not kept. What a parent says that is to be deleted here (scope.Said.Purge) is noted:
// package scopes/purge deletes it.
//
// A row that cannot be applied waits (waiting.go), and [Retry] tries it again.
//
// Imports of several children may run at the same time (Options.Others), each with a journal and a connection of its own: see package reserve.
// What fails beside others is tried again alone before anything follows from it.
package apply
