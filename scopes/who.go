package scopes

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/scope"
)

// Who returns who has an identifier here.
func (s *Store) Who(identifier string) scope.Identity {
	if s.err != nil {
		return scope.Identity{}
	}
	all, err := s.Identities([]string{identifier})
	s.fails(err)
	return all[identifier]
}

// Identities returns who has some identifiers here, each by what it was asked by; nobody where the database has no identifiers as OpenMRS has them.
// Upper and lower case are the same.
func (s *Store) Identities(names []string) (map[string]scope.Identity, error) {
	t, identifiers := s.owners.Table, s.j.Catalogue.Named("patient_identifier")
	if len(names) == 0 || !HasColumns(identifiers, "identifier", "patient_id", "voided") || !HasColumns(t, "voided") || t.Integer == nil {
		return nil, nil
	}
	b := fmt.Appendf(nil, "SELECT i.identifier, p.%s, p.voided OR i.voided FROM %s i STRAIGHT_JOIN %s p ON p.%[1]s = i.patient_id WHERE i.identifier IN (",
		schema.Quote(t.Integer.Name), schema.Quote(identifiers.Name), schema.Quote(t.Name))
	c := identifiers.Column("identifier")
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = c.AppendLiteral(b, []byte(name))
	}
	type match struct {
		identifier string
		row        journal.Row
		voided     bool
	}
	var found []match
	var rows []journal.Row
	err := sqldb.Each(s.ctx, s.o.Read, string(append(b, ')')), func(r []sql.RawBytes) error {
		m := match{strings.ToLower(string(r[0])), journal.Row{Int: sqldb.Int(r[1])}, sqldb.Int(r[2]) != 0}
		found, rows = append(found, m), append(rows, m.row)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for identifiers: %w", err)
	}
	slices.SortFunc(rows, rowkey.Compare)
	keys, err := rowkey.Of(s.ctx, s.o.Read, t, slices.Compact(rows))
	if err != nil {
		return nil, err
	}
	out := map[string]scope.Identity{}
	for _, name := range names {
		i, lower := scope.Identity{}, strings.ToLower(name)
		for _, m := range found {
			switch key := keys[m.row]; {
			case m.identifier != lower:
			case m.voided:
				i.Voided = true
			case key == "":
				i.Keyless = true
			default:
				i.Owners = append(i.Owners, scope.Owner(journal.Canonical(t, key)))
			}
		}
		slices.Sort(i.Owners)
		i.Owners = slices.Compact(i.Owners)
		out[name] = i
	}
	return out, nil
}

// HasColumns reports whether there is such a table, with such columns.
func HasColumns(t *schema.Table, names ...string) bool {
	return t != nil && !slices.ContainsFunc(names, func(n string) bool { return t.Column(n) == nil })
}
