package scoping

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
	StateWaits   = "waits"   // a person at the parent is to answer
	StatePassed  = "passed"  // the parent does not know the patient, and asks its own parent
	StateNobody  = "nobody"  // no patient has the identifier
	StateSeveral = "several" // several have
	StateVoided  = "voided"  // it is voided, or the patient is
	StateKeyless = "keyless" // who has it has no key that other sites know
)

// Asked says how a request of this node stands.
type Asked struct {
	Patient string `json:"patient"`       // as the person named it
	Key     string `json:"key,omitempty"` // its row key
	State   string `json:"state"`         // see [StateHere]
}

// Open reports whether there is something to wait for.
func (a Asked) Open() bool {
	return a.State == StateAsked || a.State == StateComing || a.State == StateWaits || a.State == StatePassed
}

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

// Wanted returns whom names mean to somebody who asks a parent: by the key, or an identifier of somebody who is here; of who is not here, the
// identifier alone.
func (s *Session) Wanted(ctx context.Context, names []string) ([]Patient, error) {
	var out []Patient
	for some := range slices.Chunk(names, 500) {
		found, err := s.find(ctx, some)
		if err != nil {
			return nil, err
		}
		for _, name := range some {
			p := Patient{Name: name}
			switch p.Key, err = found.one(name, true); {
			case errors.Is(err, ErrNobody) && len(name) <= scope.MaxIdentifier:
			case err != nil:
				return nil, err
			}
			if !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out, nil
}

// Fetch asks this node's parent for patients.
func (s *Session) Fetch(patients []Patient) ([]Asked, error) {
	for _, p := range patients {
		if p.Key != "" {
			s.node.Ask(p.Key)
		} else if !s.node.Seek(p.Name) {
			return nil, fmt.Errorf("this node asks for %d identifiers already: wait until the parent has answered some", scope.MaxReplies)
		}
	}
	return s.Fetched(patients)
}

// Requested says how all requests stand: those that are open, and those by identifier that were answered.
func (s *Session) Requested() ([]Asked, error) {
	var patients []Patient
	known := map[scope.Owner]bool{}
	for _, name := range s.store.AllSought() {
		o := s.store.Sought(name).Owner
		if known[o] = true; string(o) != name {
			patients = append(patients, Patient{Name: name})
		} else {
			patients = append(patients, Patient{name, o})
		}
	}
	for _, o := range s.store.Wants() {
		if !known[o] {
			patients = append(patients, Patient{string(o), o})
		}
	}
	return s.Fetched(patients)
}

// unfound says how a request by identifier stands that named nobody yet.
var unfound = map[scope.Answer]string{scope.Open: StateAsked, scope.Passed: StatePassed, scope.Nobody: StateNobody, scope.Several: StateSeveral,
	scope.Voided: StateVoided, scope.Keyless: StateKeyless}

// Fetched says how requests for patients stand.
func (s *Session) Fetched(patients []Patient) ([]Asked, error) {
	patients = slices.Clone(patients)
	keys := make([]scope.Owner, len(patients))
	for i, p := range patients {
		if p.Key == "" {
			patients[i].Key = s.store.Sought(p.Name).Owner
		}
		keys[i] = patients[i].Key
	}
	here, err := s.store.Here(keys)
	if err != nil {
		return nil, err
	}
	out := []Asked{}
	for _, p := range patients {
		a := Asked{p.Name, string(p.Key), StateRefused}
		if p.Key == "" {
			a.State = unfound[s.store.Sought(p.Name).Answer]
			out = append(out, a)
			continue
		}
		has := s.store.Held(p.Key) != 0 || s.store.Whole()
		switch {
		case has && here[p.Key]:
			a.State = StateHere
		case s.store.Held(p.Key) != 0:
			a.State = StateComing
		case s.store.Want(p.Key) && (s.store.Sought(string(p.Key)).Answer == scope.Waits || s.store.Sought(p.Name).Answer == scope.Waits):
			a.State = StateWaits
		case s.store.Want(p.Key):
			a.State = StateAsked
		}
		out = append(out, a)
	}
	return out, s.store.Err()
}
