package scoping

import (
	"context"
	"fmt"
	"slices"

	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/scope"
	"github.com/omsync/omsync/scopes/purge"
)

// Purge lets patients leave a child's scope, and has the child delete what it has of them. All must be here: of others the child may hold what
// nobody else does.
func (s *Session) Purge(ctx context.Context, name string, patients []Patient) ([]Outcome, error) {
	p, err := s.scoped(ctx, name)
	if err != nil {
		return nil, err
	}
	owners := make([]scope.Owner, len(patients))
	for i, patient := range patients {
		owners[i] = patient.Key
	}
	here, err := s.store.Here(owners)
	if err != nil {
		return nil, err
	}
	for _, o := range owners {
		if !here[o] {
			return nil, failure.Hinted(fmt.Errorf("%w with the key %s, so %s may hold what nobody else does", ErrNobody, o, name), "omsync scope leave %s %s, without --purge", name, o)
		}
	}
	left, err := purge.Leave(ctx, s.n.Journal, s.store, p.ID, owners)
	if err != nil {
		return nil, err
	}
	return s.each(name, patients, func(o scope.Owner) bool { return slices.Contains(left, o) })
}
