// Package rules decides what people see of conflict records, and what their decisions do: which records are one conflict, which conflicts
// are open, what is folded under what matters, and which edits a decision makes. It is pure: records and versions come in, and no row is
// read or written. Who may decide about which row, package access says; which of two decisions stays, package merge.
package rules
