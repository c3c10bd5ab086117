// Package scope decides which rows a child may have that holds some patients only, and what it counts as having seen.
//
// It promises: no batch to a child with a scope holds a row or a conflict record of a patient who is not in the scope when the batch is
// made, public rows aside. A patient enters only if a person, or a person's rule, admits it; if the child, or a node below it, writes about it
// or asks for its key; or if a row in their sight becomes that patient's. Whoever enters is sent whole, whatever its age; and all else that
// package merge promises holds of what two nodes both are to have. It is no promise that a child forgets, nor one against a child that
// knows a patient's key: it can ask, or write a row that names it.
//
// The package is pure: it reads and writes what it knows through a [Store], which holds no rule. [Node] is the rules. All of it belongs to
// the transaction under way, so that a backup takes it back together with the data.
//
// # Words
//
// An owner is a patient. A row belongs to the owners that its references lead to, by the paths that the profile names ([Kind], [Place]). A row
// of which a path is NULL belongs to nobody here. The scope of a child is the owners that it may have. It lies at the parent; a child
// without a scope gets everything, and no parent needs one: everything goes up.
//
// A row is in sight of a child if all that it refers to by its paths is, down to owners in the scope; or if the row has an exception, an entry
// of its own; or if it is public. It is so since the parent's epoch at which the last of the owners entered; that of its
// exception, if it has one; that at which it became public, if it is in sight by that alone ([Node.Sight]). A tombstone is in sight
// as its row was: it keeps the owners that the row had ([Node.Bury]), and carries them upwards, and to children without a scope.
// What has no path to an owner goes by its direction alone, and so do users and providers; whom these name is public, the row
// of the person alone and nothing else that is theirs.
//
// A row of nobody's stays at home, with two exceptions: a child that sends news of one, or had one in sight before it came to be nobody's, has it
// in sight, and with it the rows of nobody's that it refers to.
//
// # How a batch to a child is made
//
// What may be in it: rows with a version later than the base; rows of owners that entered since, see Entry.Since; rows with an exception
// since then, and what refers to them; public rows since then; tombstones alike. Of a child that lost its scope since (Child.Since):
// all rows. Of each:
//
//	s := node.Sight(child, row)
//	if !s.Sends(known, base, child) { continue }   // in place of known.NewerThan(base, child)
//	groups, dead := s.Told(known).Outgoing(child)  // in place of known.Outgoing(child)
//
// known is as package access lets it go: directions count first. A row says whether it is public here (Public). A conflict record goes if
// [Node.SendsRecord]; it carries its owners. Where nobody knows them, it goes to no child but the one whose batch it is about.
// The header says [Said]: Whole is Child.All; the owners are those of which Entry.Entered, Entry.Left, Entry.Refused and Entry.Purged are
// true of its base. A batch is due if one of these lists is not empty, or if Child.Due.
//
// The header to a parent holds [Node.Asks], and is due when they are not those of the last one. To a parent, and to a child without a scope,
// everything goes, and a tombstone takes the owners with it.
//
// # How a batch is taken
//
// In this order, in the transaction of the import:
//
//	merge.Receive                            // the link's acknowledgement is raised
//	node.Rejoin(d.Rejoin.Position.Epoch)     // from the parent, if Decision.Rejoin: if it reports true, add the parent again, and stop
//	node.Request(child, wants, link.Acked.Epoch, h.Ack.Epoch, d.Valid) // from a child, whatever the verdict
//	for each row:
//	    in.Since = node.Sight(peer, row).Since()           // from a child; from the parent 0
//	    here, came := node.Owners(row), node.OwnersAt(row, arrival.Place) // for the records: RecordOwners
//	    owners := node.Bury(row, came with the tombstone)  // kept with the tombstone, if it dies, or is known by its tombstone alone
//	    view := node.Look(row)
//	    merge's Settle, and the row is written
//	    node.Follow(view)                                  // if it was settled
//	    node.Settled(peer, arrival) or node.Waits(peer, arrival)
//	node.Hear(said, h.Upto.Epoch, h.Ack.Epoch, d.Valid) // from the parent: if the batch is applied, with its last part
//
// A row that waited goes the same way each time that it is tried. A seal looks at the rows that it finds changed as they stood before the
// whole of it, node.Before(places).Look(row), stamps them all, keeps the owners of View.Owners with the tombstones of those that died (those
// that it has already, where there are none), and then follows each. Of a row that was not known here, and is not of kind [Staff], there
// is nothing to look at or to follow.
//
// A person's row is the patient's whose key it has. So it is looked at and followed with the patient's row too, when that comes or
// goes, in imports and in seals; and of the persons of a batch [Node.Settled] is asked once its patients are written.
//
// When a node adds its parent again it calls node.Rejoin(0). When a node adds a child again, as another peer, the child's scope goes
// with it: what is kept of the one is kept of the other.
//
// # What a person does
//
// [Node.Admit], [Node.Leave], [Node.Purge], [Node.Deny], [Node.Begin] and [Node.End], each after a seal, in a transaction of its own. A rule
// that fills a scope gives, at each export, the owners that it wants in it: [Node.Plan] says what that changes, [Node.Fill] does it. It takes out
// only whom a rule alone brought in. [Node.Ask] is a request of this node's own. A node deletes what it is to purge when [Node.MayPurge] says so.
//
// # What it does not do
//
// A row that belonged to several patients, one of whom ever left a child's scope, can stay at the child as it was, or wait there, until
// it is touched there. So can a row of nobody's when a scope begins.
//
// What a restore takes back of scopes is forgotten: leaves since the backup must be repeated, and so must admissions that no child
// was told of. What was purged at a child only its parent has: a restore of the parent to before, even one that the child does not
// know of when it purges, can lose it.
//
// A person who takes out an owner that a rule wants in the scope has to change the rule. A scope that begins takes nothing away from the
// child. A node with children purges nobody. Tombstones of which nobody kept the owners are in no scope.
//
// A row in sight can refer, by a reference that says nothing of whose it is, to one out of sight: an observation of one patient in an
// encounter of another. It waits at the child until one of the two is put right. The child learns that row's key by it, or by a conflict record of
// such a value, and nothing else of it.
//
// A peer that says that a row is public is believed. From a child a caller believes it only where users may come from it.
package scope
