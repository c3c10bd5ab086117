// Package conflicts shows people what is recorded of conflicts, and carries out what they decide.
//
// It promises: a decision is one transaction of ordinary edits, which the triggers note, so that it goes to all other nodes as any edit
// does; what it replaces is recorded, so that it can be taken back; where it cannot be carried out whole, nothing is changed. Which
// records are one conflict, and what a decision does, package rules decides; who may decide where, package access.
package conflicts
