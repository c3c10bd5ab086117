// Package progress answers how it is going: for a node, its peers, links, files, rows that wait and conflicts, each with a level, the reason
// in a sentence, and the next step.
//
// It is pure: no database, no clock, no language. Sentences are [Text], which package words puts into a person's language. It promises: a peer
// that is silent never looks well for longer than its habit and the bounds allow, whatever the clock of this computer did meanwhile.
package progress
