package scoping

import (
	"context"
	"errors"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/scope"
)

// What became of a request, as [Asked.State] says it.
const (
	StateHere    = "here"    // the parent lets this node have the patient, who is here
	StateComing  = "coming"  // it lets this node have the patient, and had not got the patient itself: who comes with a later exchange
	StateAsked   = "asked"   // it has not answered
	StateRefused = "refused" // a person refused
)

// Asked says how a request of this node stands.
type Asked struct {
	Patient string `json:"patient"`       // as the person named it
	Key     string `json:"key,omitempty"` // its row key
	State   string `json:"state"`         // see [StateHere]
}

// Open reports whether there is something to wait for.
func (a Asked) Open() bool { return a.State == StateAsked || a.State == StateComing }

// Parent returns the name of this node's parent.
func (s *Session) Parent(ctx context.Context) (string, error) {
	peers, err := journal.Peers(ctx, s.q)
	for _, p := range peers {
		if p.Role == access.Parent && p.State.Exchanges() {
			return p.Name, err
		}
	}
	if err == nil {
		err = failure.Hinted(errors.New("this node has no parent that it could ask for a patient"), "at a hub, omsync scope add CHILD brings a patient to a child")
	}
	return "", err
}

// Fetch asks this node's parent for patients.
func (s *Session) Fetch(patients []Patient) ([]Asked, error) {
	for _, p := range patients {
		s.node.Ask(p.Key)
	}
	return s.Fetched(patients)
}

// Fetched says how requests for patients stand.
func (s *Session) Fetched(patients []Patient) ([]Asked, error) {
	keys := make([]scope.Owner, len(patients))
	for i, p := range patients {
		keys[i] = p.Key
	}
	here, err := s.store.Here(keys)
	if err != nil {
		return nil, err
	}
	out := []Asked{}
	for _, p := range patients {
		a := Asked{p.Name, string(p.Key), StateRefused}
		has := s.store.Held(p.Key) != 0 || s.store.Whole()
		switch {
		case has && here[p.Key]:
			a.State = StateHere
		case s.store.Held(p.Key) != 0:
			a.State = StateComing
		case s.store.Want(p.Key):
			a.State = StateAsked
		}
		out = append(out, a)
	}
	return out, s.store.Err()
}
