// Package status is where a node stands: what was sealed, sent, acknowledged and applied, with whom, and since when a link is down.
//
// It promises to change nothing, and to be right as of one moment for each number, not for all of them: it takes no lock.
package status
