package scopes

import (
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/scope"
)

// Gone tells of rows that are not here any more and were when a seal began: what refers to them led to them then.
func (s *Store) Gone(rows ...scope.Row) {
	if s.gone == nil {
		s.gone = map[scope.Row]bool{}
	}
	for _, row := range rows {
		s.gone[row] = true
	}
}

// Recall reads what is kept of the owners to whom places lead that rows had before.
func (s *Store) Recall(before map[scope.Row]scope.Place) {
	if len(s.children) == 0 || s.err != nil {
		return
	}
	var found []scope.Owner
	for row, p := range before {
		if p.Kind == scope.Own {
			found = append(found, scope.Owner(row.Key))
		}
		found = append(found, p.Owners...)
		for _, to := range p.To {
			if _, past := before[to]; !past {
				s.Place(to)
				found = s.gather(found, to, maxDepth)
			}
		}
	}
	s.readEntries(found)
}

// Died keeps with deletions of a table's rows whose the rows were, and knows that the rows are gone. It writes at once: the caller has written the
// deletions. Of rows without an owner what is kept of an earlier deletion stays.
func (s *Store) Died(t *schema.Table, owners map[string][]scope.Owner) error {
	if s.err != nil {
		return s.err
	}
	if s.dead == nil {
		s.dead = map[scope.Row]scope.Place{}
	}
	kind := s.kind(t)
	var graves []journal.Grave
	var dead []Known
	for key, of := range owners {
		row := scope.Row{Table: t.Name, Key: key}
		delete(s.local, row)
		delete(s.places, row)
		dead = append(dead, Known{Key: key})
		if kind != scope.Owned || len(of) == 0 {
			continue
		}
		s.dead[row] = scope.Place{Kind: kind, Owners: of}
		s.places[row] = s.dead[row]
		g := journal.Grave{Key: key}
		for _, o := range of {
			g.Owners = append(g.Owners, string(o))
		}
		graves = append(graves, g)
	}
	if t == s.owners.Table && len(s.children) > 0 {
		var names []scope.Owner
		for _, r := range dead {
			names = append(names, scope.Owner(r.Key))
		}
		s.readEntries(names)
		s.locate(dead)
	}
	if s.fails(journal.Bury(s.ctx, s.o.Write, s.j.Tables[t.Name].ID, graves)) {
		return s.err
	}
	return nil
}
