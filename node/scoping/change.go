package scoping

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/scope"
	"github.com/omsync/omsync/scopes"
)

// wait is how long a change waits for other runs that hold the gate.
const wait = 2 * time.Minute

// A Session is scopes as one command sees them.
type Session struct {
	n     *node.Node
	q     sqldb.DB
	store *scopes.Store
	node  scope.Node
}

// Change runs f in a transaction behind the gate, after a seal, and commits what it changes; nothing if it returns an error. person is whose word
// it is. The caller has the node's lock.
func Change(ctx context.Context, n *node.Node, person string, f func(*Session) error) error {
	if _, err := capture.Seal(ctx, n.Journal, wait); err != nil {
		return err
	}
	return scopes.Change(ctx, n.Journal, wait, person, func(store *scopes.Store) error {
		s, err := session(n, store)
		if err != nil {
			return err
		}
		return f(s)
	})
}

// Look runs f on scopes as they are. Nothing can be changed.
func Look(ctx context.Context, n *node.Node, f func(*Session) error) error {
	c, err := n.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	store, err := scopes.Open(ctx, n.Journal, scopes.Options{Read: c, Cause: scopes.Person})
	if err != nil {
		return err
	}
	s, err := session(n, store)
	if err == nil {
		err = f(s)
	}
	if err == nil {
		err = s.store.Err()
	}
	return err
}

// ErrNoOwners means that the profile does not say whose rows are.
var ErrNoOwners = errors.New("the profile does not say whose rows are, so no child can have some patients only")

// session needs a data model that says whose rows are.
func session(n *node.Node, store *scopes.Store) (*Session, error) {
	if !store.HasOwners() {
		return nil, failure.Hinted(ErrNoOwners, "name the table of patients as owner.table in a profile of your own")
	}
	return &Session{n, store.DB(), store, store.Node()}, nil
}

// child returns a child by its name.
func (s *Session) child(ctx context.Context, name string) (*journal.Peer, error) {
	p, err := journal.PeerByName(ctx, s.q, name, false)
	switch {
	case err != nil:
		return nil, err
	case p == nil:
		return nil, s.n.NoPeer(name)
	case p.Role != access.Child:
		return nil, failure.Hinted(fmt.Errorf("%s is this node's parent: it gets everything, and says itself whom this node may have", name), "omsync fetch asks it for a patient")
	}
	return p, nil
}

// scoped returns a child that has a scope.
func (s *Session) scoped(ctx context.Context, name string) (*journal.Peer, error) {
	p, err := s.child(ctx, name)
	if err == nil && s.store.Child(p.ID).All {
		err = failure.Hinted(fmt.Errorf("%s gets all patients", name), "omsync scope set %s own gives it its own patients only", name)
	}
	return p, err
}

// Set gives a child a scope, with the patients whom it brought itself, or takes it away. approve, if not nil, says whether a person is to
// answer what the child asks. It returns how many patients are in the scope.
func (s *Session) Set(ctx context.Context, name string, all bool, approve *bool) (patients int, err error) {
	p, err := s.child(ctx, name)
	if err != nil {
		return 0, err
	}
	c := s.store.Child(p.ID)
	switch {
	case all:
		s.node.End(p.ID)
	case c.All && !features.Present().MayScope(p.Heard):
		return 0, failure.Hinted(fmt.Errorf("the program of %s is too old for a child that may have some patients only", name), "update omsync there, and have it send a file")
	case c.All:
		if err := s.publishStaff(ctx); err != nil {
			return 0, err
		}
		brought, err := s.broughtBy(ctx, append(slices.Clone(p.Before), p.ID))
		if err != nil {
			return 0, err
		}
		s.node.Begin(p.ID, brought)
	}
	if c = s.store.Child(p.ID); approve != nil && c.Approve != *approve {
		c.Approve = *approve
		s.store.SetChild(p.ID, c)
	}
	if all {
		return 0, s.store.Err()
	}
	for _, o := range s.store.Entries(p.ID) {
		if s.store.Entry(p.ID, o).In() {
			patients++
		}
	}
	return patients, s.store.Err()
}

// Outcome says what became of one patient.
type Outcome struct {
	Patient string `json:"patient"`        // as the person named it
	Key     string `json:"key"`            // its row key
	Done    bool   `json:"done"`           // false: it was so already
	Peer    string `json:"peer,omitempty"` //
}

// Add brings patients into a child's scope.
func (s *Session) Add(ctx context.Context, name string, patients []Patient) ([]Outcome, error) {
	p, err := s.scoped(ctx, name)
	if err != nil {
		return nil, err
	}
	return s.each(name, patients, func(o scope.Owner) bool {
		had := s.store.Entry(p.ID, o)
		s.node.Admit(p.ID, o, p.Link.Acked.Epoch)
		return !had.In()
	})
}

// Leave lets patients leave a child's scope. The child keeps what it has of them: see [Session.Purge].
func (s *Session) Leave(ctx context.Context, name string, patients []Patient) ([]Outcome, error) {
	p, err := s.scoped(ctx, name)
	if err != nil {
		return nil, err
	}
	return s.each(name, patients, func(o scope.Owner) bool { return s.node.Leave(p.ID, o) })
}

// Approve brings patients into a child's scope for whom it asked.
func (s *Session) Approve(ctx context.Context, name string, patients []Patient) ([]Outcome, error) {
	p, err := s.scoped(ctx, name)
	if err != nil {
		return nil, err
	}
	return s.each(name, patients, func(o scope.Owner) bool {
		asked := s.store.Entry(p.ID, o).Asked
		if asked {
			s.node.Admit(p.ID, o, p.Link.Acked.Epoch)
		}
		return asked
	})
}

// Deny refuses what a child asks.
func (s *Session) Deny(ctx context.Context, name string, patients []Patient) ([]Outcome, error) {
	p, err := s.scoped(ctx, name)
	if err != nil {
		return nil, err
	}
	return s.each(name, patients, func(o scope.Owner) bool { return s.node.Deny(p.ID, o) })
}

func (s *Session) each(peer string, patients []Patient, f func(scope.Owner) bool) ([]Outcome, error) {
	out := []Outcome{}
	for _, p := range patients {
		out = append(out, Outcome{p.Name, string(p.Key), f(p.Key), peer})
	}
	return out, s.store.Err()
}
