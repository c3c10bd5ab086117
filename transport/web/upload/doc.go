// Package upload keeps what has come of files that nodes are sending, so that each goes on at the byte where it broke.
//
// A [Store] is a folder with one folder per node:
//
//	NODE/ID.info    what is coming: an [Upload], JSON
//	NODE/ID.part    what has come of it
//	NODE/done/KEY   the [Marker] of the last file of a name that was stored whole, JSON; KEY is made of the name
//
// Small files that are being written have .new- and more after their names. Nodes' names are taken as names of folders: the
// caller has checked them.
package upload
