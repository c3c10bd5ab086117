// Package accounts says who may use a node's page, and keeps what they did.
//
// Accounts are a file in the home folder, passwords as argon2id. A first password is set by a link from the terminal, once. It promises: what
// a role may do is decided in one place ([Role.May]); a role, a password or an account that is taken away counts from the next request on;
// and the log of what people did is only ever appended to.
package accounts
