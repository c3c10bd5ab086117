// Package preflight finds out before anything is made whether a server and an account will do.
//
// It promises: what init needs and what capture needs later is tried once, for what grants say by role, pattern and proxy cannot be
// reckoned out; what is lacking comes back with the statement that an administrator is to run; and nothing stays behind in the
// database.
package preflight
