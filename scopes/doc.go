// Package scopes is package scope with a database: [Store] keeps in omsync's tables what the rules read and write, for one transaction, and
// finds where rows stand.
//
// Beside that it asks the rules of the configuration, in SQL, whom they want in a scope ([Store.Rule]).
//
// It promises: nothing of it decides anything; what a transaction wrote it reads; where rows stand takes a number of statements
// that does not grow with the rows, as long as they are told of in blocks ([Store.Fetch]), and what a scope holds the same; where no child has a
// scope, and this node has none, [Open] is all that is asked, but whose rows are that a peer deleted; memory is bounded, but for what [Store.Flush] has not written and
// the scope that [Store.ReadScope] reads.
//
// # How it is used
//
//	s, err := scopes.Open(ctx, j, scopes.Options{Read: tx, Write: tx, Epoch: epoch, Cause: scopes.Import})
//	node := s.Node()
//	for each block of rows of a table:
//	    s.Fetch(t, rows)             // before they are written
//	    node.Sight, node.Look …      // and the other rules; they ask the server only about what was not fetched
//	    … the rows are written …
//	    s.Fetch(t, rows)             // as they stand now
//	    node.Follow, node.Settled …
//	s.Flush()                        // before the commit; an error: roll back
//
// Whatever is written meanwhile has to be fetched again, or is read as it was. Of the tables whose rows an owner's key names
// (person), ask for [scope.Node.Settled] once the owners of the batch are written: a person that came is nobody's until the patient is here.
//
// # Where a row stands
//
// A row's place has the rows that its owner paths lead to by their first steps: see [schema.Ownership]. Where the last step of a path leads to
// a number that is no owner's, that is the row of the table whose key owners have, if it is here: the person who is no patient. A path that
// is NULL leads nowhere, and is left out where another is not: such a table says of whom it is by one column or the other.
package scopes
