// Package clinic writes what a new site's database begins with, as SQL: the tables of this one without rows, but for those that the
// application needs to start and one account that somebody can log in with. Which rows those are is the profile's matter
// ([schema.NewClinic]).
package clinic
