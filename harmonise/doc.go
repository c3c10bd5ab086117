// Package harmonise reads what package match compares: from this node's database, in one snapshot, and from the files of a peer (a full
// load, or a file made for matching, which holds the same tables and columns and nothing else).
//
// Of each table it reads the keys of all rows, what the profile's natural keys and labels name, and the values of unique indexes. It
// changes nothing and takes no locks. What a file says is bounded: it is refused where what it holds would not fit in [MaxBytes].
package harmonise
