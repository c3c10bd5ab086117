// Package pace says when a node that is always in step does what: when it looks, when it exchanges over which link, and how long it leaves
// alone what failed. It knows no clock, no database and no network: whoever uses it says what time it is and what happened, and is told
// what is due.
//
// It promises: a change here is due at every link that is up within seconds; a link that is down is tried again and again, never more often
// than its back-off allows, and at a time that chance chooses, so that many nodes that lost the same hub do not come back together; runs
// never follow each other so closely that they take more than half of the time; a stick is used once for each time that it is there.
//
// [Sign] and [Seen] tell a database with news from one without, [Backoff] has the times after failures, [Plan] puts them together.
package pace
