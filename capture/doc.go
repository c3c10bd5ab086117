// Package capture makes versions of what the application changes.
//
// Triggers write one narrow row for each changed row (package capture/trigger). A seal folds those into versions, behind the gate,
// and takes them away (Seal); Reconcile keeps triggers and versions in line with a schema that changes.
//
// It promises: every committed change is in exactly one seal, whatever order transactions commit in; the application's statements
// wait for none of it, and see no difference.
package capture
