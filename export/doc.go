// Package export writes batches: it reads one snapshot of the database and writes what a peer lacks. Package apply is its mirror.
//
//	export (export.go)
//	  take a snapshot, with a seal                                            package capture
//	  plan: the peer, the header, what of each table may go                   plan.go, package access
//	  what it says of scopes, and who came into the peer's since the base      scopes.go, packages scope and scopes
//	  what of it is made once for several children, and made if it is not there  shared.go, making.go, sections.go, package share
//	  conflict records that the peer does not know                            conflicts.go
//	  deletions, children before parents                                      deletions.go
//	  for each table, referred ones first
//	    read the rows that the peer lacks, some at a time                     reader.go, whole.go; of a child with a scope sight.go
//	    beside that, of those that were read before                           two.go
//	    withhold what may not go; find keys; turn references into indexes     rows.go, values.go, dictionary.go
//	    write a block; if a part of a load is full, finish it                 output.go
//	    to a child that shares sections: rows that go ahead, the sections, the rest  shared.go
//	  of a load in parts, the references that ran ahead, in the last part     load.go
//	  if there was nothing: a header alone, if one is due
//	  finish the file: note it in the journal, then give it its name          output.go
//
// State goes from step to step in four things: the [plan], which nothing changes once it is made; the [output] with the [file] under
// way and its [dictionary]; the [reader] and the [portion] that it read; and the [load], if a full load is split.
//
// A child with a scope (package scope) is sent, of tables whose rows have owners, what is in its sight: the newer rows, and whatever their age
// the rows of owners who came into its scope, by their references, and those that came into sight by themselves. That costs what
// changed and who came; a first load costs the scope. What a seal found that was made with the snapshot is not in
// omsync's tables of the snapshot, and so snapshots are taken until there is none such.
//
// It promises: a batch holds all that the epochs up to its end wrote, each value under its own stamp, and nothing that package access
// withholds, nor, to a child with a scope, anything of a patient who is not in it; a file has its name only when it is whole and the journal knows of it; the application's statements wait for none of it.
package export
