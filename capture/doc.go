// Package capture notes what the application changes, and makes batches of it.
//
// Triggers write one narrow row for each changed row (Install). A seal folds those into versions, behind the gate, and
// takes them away (Seal); Follow keeps triggers and versions in line with a schema that changes. An export reads one
// snapshot and writes what a peer lacks (Export).
//
// It promises: every committed change is in exactly one seal, whatever order transactions commit in; a batch holds all that
// the epochs up to its end wrote, each value under its own stamp; the application's statements wait for none of it, and see
// no difference.
package capture
