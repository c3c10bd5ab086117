// Package rules decides what is taken back of what came from a peer. It is pure: versions and references come in, and no row is read or
// written.
package rules
