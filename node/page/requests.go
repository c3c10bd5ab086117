package page

import (
	"errors"
	"net/http"

	"github.com/omsync/omsync/internal/nodename"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/scoping"
)

// requestsData is what the view of requests for patients shows. Keys of patients are patients' data.
type requestsData struct {
	Requests []scoping.Entry
	More     bool
}

// asking returns for whom children ask.
func (a *asked) asking() (out []scoping.Entry, err error) {
	err = a.withNode(func(n *node.Node) error {
		return scoping.Look(a.ctx(), n, func(s *scoping.Session) error {
			out, err = s.Requests(a.ctx(), "")
			return err
		})
	})
	if errors.Is(err, scoping.ErrNoOwners) {
		return nil, nil // nobody can ask
	}
	return out, err
}

func (p *Page) requests(a *asked) error {
	if err := a.note("looked at for whom sites ask", ""); err != nil {
		return err
	}
	all, err := a.asking()
	if err != nil {
		return err
	}
	return a.show(http.StatusOK, "requests", "Sites that ask for patients", requestsData{all[:min(len(all), perPage)], len(all) > perPage})
}

// answer lets a child have a patient, or not: only one for whom it asks.
func (p *Page) answer(a *asked) error {
	verb, peer, key := a.r.PathValue("how"), a.r.PostFormValue("peer"), a.r.PostFormValue("key")
	if verb != "approve" && verb != "deny" || nodename.Check(peer) != nil {
		return errNothing
	}
	all, err := a.asking()
	if err != nil {
		return err
	}
	for _, e := range all {
		if e.Peer == peer && e.Key == key {
			return a.act([]string{"requests"}, "scope", verb, peer, "--", key)
		}
	}
	return errNothing
}
