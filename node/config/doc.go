// Package config is omsync.toml, the configuration in a node's home folder: read, checked and written.
//
// It promises: what [Read] returns can be worked with; what is wrong with the file is said with its line, a key that is not known
// above all, and without quoting what may be a password; a file with a password that others can read is refused; and what the
// package writes, it reads back. It opens nothing that the configuration names but files with a password or a profile.
//
// [Settings] is the list of all that can be set, with defaults.
package config
