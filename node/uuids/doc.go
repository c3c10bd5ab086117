// Package uuids gives uuids to rows that have none, so that they, and what refers to them, can go to other nodes.
//
// Each is random, as those that OpenMRS gives are. Two databases of which one is a copy of the other hold the same rows without a uuid:
// if both gave random ones, each row would become two. So a node writes down what it gives, in a list, before it gives it: the other takes
// the uuids from the list. A row counts as the same if it has the same number in the same table, and holds the same values. One that
// holds others is left alone and named, for a person to decide: see [Options].
package uuids
