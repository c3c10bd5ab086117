package scoping

import (
	"context"
	"database/sql"
	"fmt"
	"unicode/utf8"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/scope"
	"github.com/omsync/omsync/scopes"
)

// A Query is whom somebody looks for.
type Query struct {
	Given, Family string
	Born          string // a day, as in 1985-11-28
	Most          int    // patients in the answer
}

// A Candidate is somebody who was found: as little as tells people apart.
type Candidate struct {
	Key        string // row key
	Identifier string // the preferred one; empty: none
	Given      string
	Family     string // its first letter
	Born       int    // the year
	Sex        string
	Clinic     string // where the identifier is from; empty: not known
}

// Search looks for patients here, for a child that is named, and writes into the log of scopes whom it was told of. Who is voided, or has no key,
// is not found.
func Search(ctx context.Context, n *node.Node, child string, q Query) (found []Candidate, err error) {
	err = Look(ctx, n, func(s *Session) error {
		p, err := s.child(ctx, child)
		if err != nil {
			return err
		}
		if found, err = s.candidates(ctx, q); err != nil {
			return err
		}
		var owners []scope.Owner
		for _, c := range found {
			owners = append(owners, scope.Owner(c.Key))
		}
		return scopes.NoteSearch(ctx, s.q, p.ID, owners, n.Journal.Now())
	})
	return found, err
}

func (s *Session) candidates(ctx context.Context, q Query) (out []Candidate, err error) {
	names, err := s.names()
	if err != nil {
		return nil, err
	}
	var rows []journal.Row
	byRow := map[journal.Row]Candidate{}
	query := fmt.Sprintf("SELECT p.%s, MIN(n.given_name), MIN(n.family_name), YEAR(r.birthdate), r.gender%s FROM %s GROUP BY p.%[1]s, r.birthdate, r.gender ORDER BY p.%[1]s LIMIT %[4]d",
		schema.Quote(s.store.OwnerTable().Integer.Name), s.identifierOf(), names.where(q.Given, q.Family, q.Born), q.Most)
	err = sqldb.Each(ctx, s.q, query, func(r []sql.RawBytes) error {
		row := journal.Row{Int: sqldb.Int(r[0])}
		first, size := utf8.DecodeRune(r[2])
		c := Candidate{Given: string(r[1]), Born: int(sqldb.Int(r[3])), Sex: string(r[4]), Identifier: string(r[5]), Clinic: string(r[6])}
		if size > 0 {
			c.Family = string(first)
		}
		rows, byRow[row] = append(rows, row), c
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for patients: %w", err)
	}
	for _, row := range rows {
		keys, err := s.keysOf(ctx, s.store.OwnerTable(), []journal.Row{row})
		if err != nil {
			return nil, err
		}
		if len(keys) == 1 {
			c := byRow[row]
			c.Key = string(keys[0])
			out = append(out, c)
		}
	}
	return out, nil
}

// identifierOf returns columns with a patient's identifier, and the name of where it is from.
func (s *Session) identifierOf() string {
	cat := s.n.Journal.Catalogue
	t, place := cat.Named("patient_identifier"), cat.Named("location")
	if !scopes.HasColumns(t, "identifier", "patient_id", "voided", "preferred", "location_id", "patient_identifier_id") || !scopes.HasColumns(place, "location_id", "name") {
		return ", NULL, NULL"
	}
	const one = ", (SELECT %s FROM %s i%s WHERE i.patient_id = p.patient_id AND i.voided = 0 ORDER BY i.preferred DESC, i.patient_identifier_id LIMIT 1)"
	return fmt.Sprintf(one, "i.identifier", schema.Quote(t.Name), "") +
		fmt.Sprintf(one, "l.name", schema.Quote(t.Name), " LEFT JOIN "+schema.Quote(place.Name)+" l ON l.location_id = i.location_id")
}
