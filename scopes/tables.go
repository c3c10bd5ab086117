package scopes

import (
	"database/sql"
	"slices"
	"time"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/scope"
)

// Kind returns how rows of a table belong to owners. A table whose rows are nobody's counts as owned: no path leads from it.
func (s *Store) Kind(t *schema.Table) scope.Kind { return s.kind(t) }

// ByOwner reports whether rows of a table go to a child with a scope by the owners that they have.
func (s *Store) ByOwner(t *schema.Table) bool {
	kind := s.kind(t)
	return kind == scope.Own || kind == scope.Owned
}

// Columns returns the columns that say whose the rows of a table are, or whom they name.
func (s *Store) Columns(t *schema.Table) []*schema.Column { return s.firstSteps(t) }

// IsBase reports whether owners have the key of a table's rows: a person is a patient or not, and only another row says so.
func (s *Store) IsBase(t *schema.Table) bool { return slices.Contains(s.owners.Bases, t) }

// AskedLast returns when this node last asked its parent for somebody whom it asks for still; the zero time: it asks for nobody.
func (s *Store) AskedLast() (at time.Time) {
	s.each("for whom this node asks", []byte("SELECT MAX(made_at) FROM (SELECT made_at FROM omsync_want UNION ALL SELECT made_at FROM omsync_sought WHERE answer <= 2) a"), func(r []sql.RawBytes) error {
		if r[0] != nil {
			at = time.UnixMicro(sqldb.Int(r[0]))
		}
		return nil
	})
	return at
}

// Owners returns what the catalogue knows of owners.
func (s *Store) Owners() *schema.Owners { return s.owners }
