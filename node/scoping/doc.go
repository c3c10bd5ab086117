// Package scoping is what people do about whom a child may have: they begin and end scopes, bring patients in and let them leave, answer
// what a child asks, and ask this node's own parent. Package scope has the rules.
//
// Each change is a transaction of its own behind the gate, after a seal. A patient is named by a key (a uuid), by an identifier that
// patient_identifier has, or by a name and a date of birth; where that is not one patient, nothing is changed.
package scoping
