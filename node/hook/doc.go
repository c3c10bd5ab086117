// Package hook tells a program of the node's people what an import changed.
//
// It promises: each change is told at least once, though the program fails, takes too long or is not there for months, and though
// the power fails: what is to be told is kept in hook.json in the home folder until the program has ended with 0. The program gets
// one JSON object on its standard input, and never more than one runs at a time, since the caller holds the node's lock.
package hook
