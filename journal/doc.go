// Package journal keeps what omsync remembers, in tables named omsync_* beside the application's own, so that it
// commits, rolls back and is backed up together with the data it speaks of.
//
// It promises: a number (an epoch) for each transaction that gave rows versions, in an order that a snapshot opened behind the
// gate agrees with; the versions of every row that changed; what each peer sent and acknowledged; that the tables of
// an earlier omsync are brought to this format in place, and those of a later one refused; and that Drop leaves nothing behind.
// It decides nothing: package merge does.
//
// # Words
//
// Times are microseconds since 1970 UTC, unless they are said to be otherwise. A row's local id is its integer primary key, and
// in a table without one its local key is the text that schema.LocalKeySQL makes of its primary key: they mean something in this
// database alone. A row key means the same at every node: see JoinKey. An origin is the peer (omsync_peer.id) that a
// version came from, 0 for what was made here. An author is the node whose application made a version, by its number in
// omsync_node. A mask has bit 0 for the row's existence and bits 1 to 63 for its columns, as omsync_table.columns numbers them.
// A record is JSON with a version: see record.go.
//
// # Tables
//
// omsync_node: this node (row 1, which is the gate) and the names of all authors.
//
//	id            number of the author; 1 is this node itself
//	name          name of the node
//	format        row 1: format of these tables, see Format; 1000 + n while they are brought from format n to the next
//	history       row 1: random id of this node's history, drawn at init and after each restore that was noticed
//	earlier       row 1: record of the ids before
//	profile       row 1: name of the profile
//
// omsync_epoch: one row for each seal and each import that wrote something, and for each time that rows are sent again or stamped
// anew (Resend, TouchVersions, and the versions of tables and columns that are new here).
//
//	id            the epoch
//	token         random number that tells it from the epoch of that number in another history
//	resend        1: it only sends again what was there before; 2: in it, what a peer may have lost came to count as made here
//	created_at    time
//
// omsync_table: the application's tables as the journal numbers them.
//
//	id            number of the table
//	name          its name
//	columns       record of its columns: name, bit in masks, type when last looked at, whether its values have no versions yet
//	flow          record of which way it went, and which columns were left out, when last looked at
//	unversioned   1: what it held when it was first found has no versions yet
//	default_mask, default_time, default_author, default_epoch, default_origin
//	              version of the rows without an entry in omsync_version, with exceptions: see there; NULL mask: there is none
//	default_added_by   of those rows, as added_by in omsync_version
//	default_more  what the mask of that version has beyond default_mask: more words of it, see merge.Mask.Words, of 8 bytes each, big endian
//	made          which table it was when last looked at: see Made; NULL: nobody knows
//
// omsync_capture: what the triggers wrote since the last seal, one row for each row that a statement changed.
//
//	id            order of the changes
//	table_id      omsync_table.id
//	operation     1 insert, 2 update, 3 delete, 4 update of columns whose bits are above 62; 5 what a column that says whose a row is held
//	              before the change that follows
//	local_id      the row's local id; NULL in a table without one
//	local_key     its local key; NULL in a table with a local id
//	deleted_key   of a deleted row: what identified it beyond its local id or key, nearly always its uuid; of 5 a column's name
//	column_mask   of an update: the columns that it changed, of 2 up to bit 62 (bit 63 stands for all others), of 4 a word of a mask
//	              (see merge.Mask.Words): an update that changed columns of several words is as many rows; of 5 the number that the column held
//	changed_at    DATETIME(6), UTC, by the server's clock
//
// omsync_removed: what rows held that the application deleted since the last seal, of some tables: see schema.ContentSQL.
//
//	id            order of the deletions
//	table_id      omsync_table.id
//	local_id, local_key   the row, as in omsync_capture
//	removed_at    changed_at of its deletion there
//	content       its values
//
// omsync_version: versions of live rows. A row of this table is a group: some columns of a row, and the version that they share. The
// groups of a row are its entry. A live row of a captured table that has no entry has its table's default version, but:
//   - if it is new and not sealed yet, it has no version yet;
//   - if nothing identifies it at other nodes, such as a uuid that is NULL, its version counts for nothing: it is not sent;
//   - if default_mask is NULL, it was found without versions, and has none.
//
// A deleted row has its version in omsync_tombstone.
//
//	table_id      omsync_table.id
//	local_id      the row's local id; 0 in a table without one
//	local_key     its local key; empty in a table with a local id
//	column_mask   the columns of this version: a word of a mask, see merge.Mask.Words; a version of columns of several words is as many rows
//	time, author  the version's stamp; time 0: from before its author became a node
//	epoch         this node's epoch in which it came to be here
//	origin        the peer it came from
//	added_by      with bit 0 of the mask: the peer that added the row or brought it first, 0: it was made here; NULL: what origin says
//
// omsync_tombstone: versions of deletions.
//
//	table_id      omsync_table.id
//	row_key       key of the deleted row; of a key longer than 700 bytes its first 600, # and its SHA-256
//	whole_key     such a key whole; NULL otherwise
//	refused       1: the deletion was refused here, and the row lives
//	time, author, epoch, origin   as in omsync_version; of a refused one, epoch is that of the refusal
//
// omsync_deleted: rows that were deleted, whole, for some time (see [KeepDeleted]).
//
//	id            order of the deletions
//	table_id      omsync_table.id
//	row_key, whole_key   key of the row, as in omsync_tombstone
//	content       record of the row's values: of a reference the key of its row
//	added_by      the peer that the row's existence came from; 0: it was made here
//	time, author, epoch, origin   version of the deletion
//	deleted_at    time, by this node's clock
//
// omsync_waiting: rows that came and cannot be applied yet (see WaitingRow).
//
//	id            its number
//	peer_id       omsync_peer.id of the sender
//	table_id      omsync_table.id
//	row_key, whole_key   key of the row, as in omsync_tombstone
//	lost          0; otherwise its id: its sender was restored since, and may not have it any more
//	versions      record of merge.Waiting
//	content       record of the values that came: of a reference the key of its row
//	size          bytes of versions and content
//	deletion      1: what waits is a deletion
//	since_epoch   merge.Waiting.Since
//	reason, column_name, awaited_table, awaited_key, text   why it waits, see Reason
//	since         when the first version of it came that could not be applied
//	tried_at      when it was last tried
//	tries         how often it was tried again
//	dropped_at    when somebody dropped it (see [DropWaiting]), by this node's clock; 0: it waits
//	dropped_by    who: the account of the operating system, or the command
//	dropped_why   in their words
//
// omsync_peer: the peers, and the state of the links to them.
//
//	id            the peer's number, never used again for another
//	name          name of the node
//	role          what it is to this node: parent or child
//	state         active, suspended or removed
//	card          its card, with its public keys
//	link          record of merge.Link
//	requests      record of the tables that each of the two asked the other to send again, with the asker's epochs, of columns that
//	              were new to it, and of what is owed to the peer for that
//	heard         record of what the peer's headers said that its program reads, see package features; NULL: nothing
//	used          record of what the peer has used of its quotas, and of what stopped it; NULL: nothing
//	acked_epoch   this node's epoch up to which the peer has everything; a copy of what stands in link
//	applied_epoch the peer's epoch up to which everything is applied here; a copy too
//	sent_at, acked_at, applied_at   when a batch was made last, acknowledged and applied; NULL: never
//
// omsync_rule: what was said of tables, and how they went.
//
//	peer_id       omsync_peer.id; 0: for all children
//	rules         record of Rules
//
// omsync_report: what the headers of each peer show and say of it (see Report). A peer without a row has shown and said nothing.
//
//	peer_id       omsync_peer.id
//	clock_ahead   µs by which its clock is ahead of this node's at least; below 0: behind; 0: nothing is known against it
//	clock_since   when that was first seen
//	clock_seen    when it was last seen
//	waits         how many rows of this node wait there, as REASON:ROWS with blanks between
//	read_at       when the header was read
//
// omsync_import: the ends of the batches that were applied, for the case that their sender is restored.
//
//	peer_id       omsync_peer.id of the sender
//	sender_epoch  the sender's epoch that the batch reaches
//	sender_token  its token
//	own_epoch     this node's epoch of the import
//
// omsync_unsent: rows that a peer lacks and that exports to it kept back, because nothing names them elsewhere or they refer to such rows.
//
//	peer_id       omsync_peer.id
//	table_id      omsync_table.id
//	local_id, local_key   the row, as in omsync_version
//
// omsync_alias: the keys that peers have for rows here, see Alias. With peer 0 it is rows here that came back, see NoteReturned.
//
//	peer_id       omsync_peer.id; 0: see above
//	table_id      omsync_table.id
//	their_key     the peer's key, canonical
//	own_key       the key here, canonical
//	source        certain, decided or carried
//	made_at       when, µs since 1970 UTC
//
// omsync_refused: rows that a peer may not change or delete and of which its version, or its deletion, was refused: it is sent them as they
// are here (see [AddRefused]).
//
//	peer_id       omsync_peer.id
//	table_id      omsync_table.id
//	local_id, local_key   the row, as in omsync_version
//	epoch         this node's epoch of the refusal
//
// omsync_conflict: values that lost against one whose author had not seen them.
//
//	id            order of recording
//	digest        of what identifies it: table, key, column, the loser's stamp and value
//	table_name    name of the table
//	row_key       key of the row
//	column_name   name of the column; empty: the row's deletion lost (deletion 1), or the row itself to a deletion (0)
//	value         what lost, as text; of a reference the key of its row; NULL: NULL
//	deletion      1: what lost is the row's deletion; 0: a value, or the row itself
//	loser_time, loser_author, winner_time, winner_author   the two stamps, with names of authors
//	recorded_at   time
//	epoch         this node's epoch in which it came to be here
//	origin        the peer that told of it
//	peer_id       omsync_peer.id of the peer in whose batch it was noticed or came; NULL: an earlier omsync recorded it
//	owners        keys of the owners of the row that had the losing value, each after its length in bytes (2 bytes, big endian); NULL:
//	              there are none, or nobody knows
//
// omsync_resolution: what people decided about conflicts.
//
//	digest        that of the conflict record
//	resolution    lost, kept or dismissed; open: a decision was taken back; replaced: the record is of a value that a decision replaced
//	time, author  when, and at which node, with its name
//	epoch         this node's epoch in which it came to be here
//	origin        the peer that told of it; 0: it was decided here
//
// omsync_scope_peer: what is kept of peers because of scopes (see package scope); a peer without a row has no scope, and never had one.
//
//	peer_id       omsync_peer.id
//	own           of a child, 1: it has a scope, 0: it gets everything
//	since         this node's epoch at which it last got a scope, or lost one; 0: it is as it was from the first
//	approve       1: what the child asks for waits for a person
//	whole         of the parent, 1: it said last that this node gets everything
//	rules         record of the names of the rules that fill the scope; NULL: none
//
// omsync_scope: whom a child may have, asked for, or had. Numbers are this node's epochs, 0: not.
//
//	peer_id       omsync_peer.id of the child
//	owner_key     row key of the owner
//	local_id      local id of the owner; NULL: not known here, or not looked for yet
//	since         the owner is in the scope since this epoch
//	told          in which epoch the child was last to be told that it is
//	gone          in which it left
//	denied        in which a person refused what the child asked
//	changed       the latest of these four
//	asked         1: the child asks for the owner, and a person is to answer
//	rule          1: only a rule brought the owner in
//	purging       1, of an owner who left: the child is to delete what it has of the owner
//
// omsync_scope_row: rows and tombstones in a child's sight by themselves.
//
//	peer_id       omsync_peer.id of the child
//	table_id      omsync_table.id
//	row_key, whole_key   key of the row, as in omsync_tombstone
//	since         since which of this node's epochs
//
// omsync_scope_log: who came into scopes, asked or left, and why.
//
//	id            order of the events
//	peer_id       omsync_peer.id of the child; of the parent: this node asked it
//	owner_key     row key of the owner; empty: it is about the whole scope
//	event         entered, left, asked, refused, purging or purged; began or ended of a scope
//	cause         person, rule, request, import or seal
//	person        who said so: the account of the operating system; empty: nobody
//	text          the name of the rule; otherwise empty
//	epoch         this node's epoch then; 0: none was taken
//	made_at       time
//
// omsync_public: rows that all may have: of persons whom users and providers name.
//
//	table_id      omsync_table.id
//	row_key, whole_key   key of the row, as in omsync_tombstone
//	since         since which of this node's epochs
//
// omsync_want: the owners for whom this node asks its parent.
//
//	owner_key     row key of the owner
//	made_at       time
//
// omsync_held: the owners of whom this node's parent said that this node has them in its scope.
//
//	owner_key     row key of the owner
//	epoch         the parent's epoch up to which the batch was that said so
//
// omsync_purge: the owners of whom this node is to delete what it has, and did.
//
//	owner_key     row key of the owner
//	told          the parent's epoch up to which the batch was that said so
//	ack           this node's epoch that the batch acknowledged
//	done          1: the rows are deleted
//
// omsync_sought: for whom this node asks its parent by what people call them, and what it was answered.
//
//	name          an identifier; the key where a person at the parent is to answer a request by that
//	answer        scope.Answer
//	owner_key     row key of the owner; empty: none
//	made_at       when it was asked
//
// omsync_reply: what children were answered, until they have heard it.
//
//	peer_id       omsync_peer.id of the child
//	name          as in omsync_sought
//	answer        scope.Answer
//	owner_key     row key of the owner; empty: none
//	epoch         this node's epoch of the answer
//
// omsync_buried: the owners of deleted rows. A deletion without any had none, or nobody knows.
//
//	table_id      omsync_table.id
//	row_key       key of the deleted row, as in omsync_tombstone
//	n             which of its owners: 0, 1 and so on
//	owner_key     row key of the owner
//
// While format 1 is upgraded, row captureStart of omsync_capture is of no table; its operation is afterRestore if the triggers are
// newer than the tables.
//
// While a format is upgraded there are also copies of tables under their names and _copy, and omsync_change, which was
// omsync_capture in format 1.
package journal
