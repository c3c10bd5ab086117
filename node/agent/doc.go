// Package agent keeps a node always in step: it looks for changes here, waits for what hubs have, notices sticks, and has runs made over
// the links at which something is due. When what is due package pace says; what a run is the command does, as omsync sync.
//
//	every quarter of a second
//	  read the configuration, if it has changed: which links there are
//	  every two seconds: ask the database for a sign of news, and look which sticks are there
//	  have a run made over the links that are due, beside this, one at a time
//	for each server, beside this (waiter.go)
//	  wait at it for mail; where it cannot tell, say so
//
// It holds the node's lock only while a run is made, so commands, cron and a server go on beside it. It promises: only one agent of a node
// is at work; what is killed at any moment has lost nothing, since a run is; a stick is said to be done only when all that was written to it
// is on it.
package agent
