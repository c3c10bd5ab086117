// Package tables is what a person sees and says of which tables go where: the list, what is set for one peer or all children, and the
// presets.
//
// It promises: what is set is checked against the database first, and takes effect in one transaction, or not at all; what would keep rows
// from being applied is said before.
package tables
