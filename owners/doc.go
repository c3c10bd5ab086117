// Package owners finds in the database whose rows are, by the paths that the catalogue knows ([schema.Owners]): the owners of some rows,
// and the rows of some owners.
//
// It promises: what is read follows what is asked for, whatever the size of the database. Upward, each step of a path is a look-up by an
// index. Downward, each step is one by an index over the column that refers, as every foreign key has one; only where
// no index begins with that column (see [schema.Step.Indexed]) the table is read from end to end. Memory is bounded: rows of owners come
// in pages. Nothing is written or locked.
//
// Upward and downward say the same: [Rows] of an owner are those rows of which [Of] names it.
//
// An owner is known by its local id. A path may also lead to a number that is no owner's, such as that of a person who is no patient: it
// counts for nothing, and [Ends] has it apart. NULL leads nowhere. So an owner that comes or goes changes whose rows are that did not
// change themselves, as when a relative becomes a patient: [Through] finds those that lead to a number, whatever it is.
package owners
