package scopes

import (
	"slices"

	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/scope"
)

// Kind returns how rows of a table belong to owners. A table whose rows are nobody's counts as owned: no path leads from it.
func (s *Store) Kind(t *schema.Table) scope.Kind { return s.kind(t) }

// Columns returns the columns that say whose the rows of a table are, or whom they name.
func (s *Store) Columns(t *schema.Table) []*schema.Column { return s.firstSteps(t) }

// IsBase reports whether owners have the key of a table's rows: a person is a patient or not, and only another row says so.
func (s *Store) IsBase(t *schema.Table) bool { return slices.Contains(s.owners.Bases, t) }

// Owners returns what the catalogue knows of owners.
func (s *Store) Owners() *schema.Owners { return s.owners }
