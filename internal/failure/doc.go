// Package failure gives errors what a person at a command line needs besides the message: an exit code and a remedy.
//
// It promises: what any package says with it reaches the user unchanged, however often the error is wrapped on its way. Which other
// errors have which exit code is for the command to say, which knows all packages.
package failure
