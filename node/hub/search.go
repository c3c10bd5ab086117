package hub

import (
	"context"
	"net/http"

	"github.com/omsync/omsync/node/scoping"
	"github.com/omsync/omsync/transport/web"
)

// search looks for patients for a node, where that is allowed.
func (s *server) search(ctx context.Context, node string, q web.Search) ([]web.Patient, error) {
	if !s.node.Scope.Search {
		return nil, web.NewProblem(http.StatusForbidden, web.TypeRefused, "%s lets no clinic search for patients: its people allow it by search = true under [scope]", s.node.Node)
	}
	found, err := scoping.Search(ctx, s.node, node, scoping.Query{Given: q.Given, Family: q.Family, Born: q.Born, Most: web.MaxPatients})
	if err != nil {
		return nil, err
	}
	var out []web.Patient
	for _, f := range found {
		out = append(out, web.Patient(f))
	}
	return out, nil
}
