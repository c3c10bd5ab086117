// Package trigger makes, compares and removes the triggers that note what the application changes: one narrow row in
// omsync_capture for each changed row.
//
// It promises: no statement of the application fails for a trigger of ours or waits for one, and no change is missed while
// triggers are exchanged for newer ones, see [Install].
package trigger
