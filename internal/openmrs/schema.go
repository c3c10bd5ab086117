// Package openmrs is test data: the tables of OpenMRS, and synthetic clinics in them.
//
// Nothing here is about a real person or place. A clinic is made from a seed: the same options in an empty database
// make the same rows.
package openmrs

import (
	"fmt"
	"strings"

	data "github.com/omsync/omsync/testdata/openmrs"
)

// Schema returns the CREATE TABLE statements of an OpenMRS version, 2.6 (116 tables) or 1.9 (90 tables), in an order
// that works with foreign_key_checks=0. They run unchanged on MySQL 5.6 to 9 and on MariaDB. Another version panics.
func Schema(version string) []string {
	var text string
	switch version {
	case "1.9":
		text = data.Schema19
	case "2.6":
		text = data.Schema26
	default:
		panic(fmt.Sprintf("openmrs: no schema of version %q; there are 1.9 and 2.6", version))
	}
	var statements []string
	for s := range strings.SplitSeq(text, ";\n") {
		if i := strings.Index(s, "CREATE TABLE"); i >= 0 {
			statements = append(statements, s[i:])
		}
	}
	return statements
}
