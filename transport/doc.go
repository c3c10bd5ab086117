// Package transport moves batch files between a node and a store: a place with batch files of any number of nodes.
//
// It promises that a file is under its final name whole or not at all, whenever the power or the program fails; that it
// writes only names which FAT, exFAT, Windows, macOS and Linux all take; that no name in a store leads out of it; and
// that files of others are left alone. It never looks into a file.
//
// The one store so far is [Folder]: a USB stick, a network share, a folder that some other program carries elsewhere.
package transport
