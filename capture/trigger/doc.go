// Package trigger makes, compares and removes the triggers that note what the application changes: one narrow row in
// omsync_capture for each changed row.
//
//	on every replicated table
//	  AFTER INSERT    insert, local key
//	  AFTER UPDATE    update, local key, which columns (by exact value); if the key changed: delete and insert
//	  AFTER DELETE    delete, local key, what identified the row elsewhere; in some tables (journal.Table.Whole) what it held, into
//	                  omsync_removed
//	  AFTER UPDATE, AFTER DELETE    before that, what the columns held that say whose the row is (journal.Table.Owners), if one changed
//	on a table whose foreign keys cascade, which fires no triggers
//	  BEFORE DELETE, BEFORE UPDATE    the same for every row that the cascade is about to change
//
// All of them do nothing in a session where @omsync_quiet is set, as an import's is. Their names are omsync_NUMBER_EVENT_HASH:
// the table's number in the journal (0 for a table that is not replicated itself), ai, au, ad, bu or bd, and a hash of the trigger. So
// a list of names says which are up to date ([Compare]); where the server was told nothing since that could change them, none is needed ([Seen]).
//
// It promises: no statement of the application fails for a trigger of ours or waits for one, not even after a column or table that it
// names was dropped; a statement sees LAST_INSERT_ID() and ROW_COUNT() as without; and no change is missed while triggers are
// exchanged for newer ones ([Install]).
package trigger
