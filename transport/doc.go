// Package transport moves batch files between a node and a store: a place with batch files of any number of nodes.
//
// It promises that a file is under its final name whole or not at all, whenever the power or the program fails; that it
// writes only names which FAT, exFAT, Windows, macOS and Linux all take; that no name in a store leads out of it; and
// that files of others are left alone. It never looks into a file.
//
// [Store] is what every such place does. [Folder] is one: a USB stick, a network share, a folder that some other program
// carries elsewhere. Package bucket is S3 and what speaks like it; package web is HTTP, both sides of it. Package storetest
// says in tests what they have in common.
//
// [Fetch] brings a file from a store into a folder and goes on where it broke off. [Limit] spares a link that others use.
package transport
