// Package capture makes versions of what the application changes.
//
// Triggers write one narrow row for each changed row (package capture/trigger). A seal makes versions of those rows and takes them
// away ([Seal]); an export takes a snapshot together with a seal ([TakeSnapshot]). [Reconcile] keeps triggers and versions in line
// with a schema that changes.
//
//	seal (seal.go)
//	  take the gate: no import commits and no other seal runs until it is given back
//	  open a snapshot on a second connection
//	  in the snapshot: read the oldest 50,000 changes
//	  add what a changed key did to the rows that refer to it (keychange.go)
//	  for each table, referred ones first (table.go, deadkey.go)
//	    fold its changes by local row
//	    read the rows' entries and keys as they are now
//	    find the keys of the rows that were deleted, and where those keys live on
//	    stamp: what was inserted or returned, what was edited, what moved to another local key, what was deleted
//	  on the gate's connection: write entries and tombstones, keep what deleted rows held where the triggers wrote it (removed.go),
//	    delete the changes that were read, commit
//
// The snapshot is from before that commit, so whoever reads it lays the seal over it ([Snapshot], [SealedTable]).
//
//	reconcile (reconcile.go)
//	  give new tables numbers, new columns bits
//	  compare the triggers; make what is missing or outdated
//	  note which tables were dropped and made again (replaced.go)
//	  if a table is new, goes further than before, was without triggers or was made again, behind the gate (restamp.go)
//	    give versions to what the triggers have not seen; ask the peers for those tables
//
// It promises: every committed change is stamped exactly once, by a seal or by the import that meets it before one does, whatever
// order transactions commit in; the application's statements wait for none of it, and see no difference.
package capture
