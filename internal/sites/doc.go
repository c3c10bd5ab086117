// Package sites gives tests several nodes in one process, without cryptography and without the command line: databases on
// the test server, an application session at each, and batch files in memory.
//
// It promises that what it compares by is its own: [Site.Dump] reads whole tables and looks references up in maps, and
// shares with the packages under test the catalogue alone. Files are signed with a digest in the sender's name, so that a
// damaged one is found where a real signature would find it.
package sites
