// Package anyschema has no program: its tests make database schemas at random, let two sites on servers of two kinds work in them
// at random, and compare what the sites hold in the end. What they compare by is their own: they read whole tables, and name rows by the
// rules that the documents state, without the packages under test.
package anyschema
