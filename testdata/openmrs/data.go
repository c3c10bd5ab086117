// Package data holds the files of this folder: OpenMRS's tables as package internal/openmrs/gen wrote them, and a list of
// concepts to make clinics from.
package data

import _ "embed"

var (
	//go:embed schema-1.9.sql
	Schema19 string
	//go:embed schema-2.6.sql
	Schema26 string
	//go:embed concepts.tsv
	Concepts string
)
