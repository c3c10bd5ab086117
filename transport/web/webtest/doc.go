// Package webtest is a hub for tests: a server over HTTP with two nodes that it knows, clients of theirs, and requests made by
// hand.
package webtest
