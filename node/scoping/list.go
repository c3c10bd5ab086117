package scoping

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/scope"
	"github.com/omsync/omsync/scopes"
)

// A Child says what one child may have.
type Child struct {
	Peer     string   `json:"peer"`
	All      bool     `json:"all"`
	Approve  bool     `json:"approve,omitempty"`
	Patients int      `json:"patients"`        // in its scope
	Asking   int      `json:"asking"`          // for whom it asks, and a person is to answer
	Rules    []string `json:"rules,omitempty"` // that fill its scope
}

// Children returns what this node's children may have.
func (s *Session) Children(ctx context.Context) ([]Child, error) {
	peers, err := journal.Peers(ctx, s.q)
	if err != nil {
		return nil, err
	}
	out := []Child{}
	for _, p := range peers {
		if p.Role != access.Child {
			continue
		}
		c := s.store.Child(p.ID)
		child := Child{Peer: p.Name, All: c.All, Approve: c.Approve}
		if !c.All {
			child.Patients, child.Rules = s.count(p.ID), s.store.Rules(p.ID).Names
			child.Asking = len(s.store.Asking(p.ID))
		}
		out = append(out, child)
	}
	return out, s.store.Err()
}

func (s *Session) count(p merge.Peer) (n int) {
	for _, o := range s.store.Entries(p) {
		if s.store.Entry(p, o).In() {
			n++
		}
	}
	return n
}

// An Entry says what is kept of one patient and one child.
type Entry struct {
	Peer  string `json:"peer"`
	Key   string `json:"key"`
	State string `json:"state"`          // in, left, asked or refused
	Rule  bool   `json:"rule,omitempty"` // only a rule brought the patient in
	Here  bool   `json:"here"`           // the patient is here
}

func state(e scope.Entry) string {
	switch {
	case e.Asked:
		return "asked"
	case e.In():
		return "in"
	case e.Gone != 0:
		return "left"
	}
	return "refused"
}

// Of returns of whom something is kept for a child: whom it may have, asks for, or had.
func (s *Session) Of(ctx context.Context, name string) ([]Entry, error) {
	p, err := s.scoped(ctx, name)
	if err != nil {
		return nil, err
	}
	return s.entries(p, s.store.Entries(p.ID))
}

// Requests returns for whom the child of a name asks, or all children, where a person is to answer.
func (s *Session) Requests(ctx context.Context, name string) ([]Entry, error) {
	peers, err := journal.Peers(ctx, s.q)
	if err != nil {
		return nil, err
	}
	if name != "" {
		p, err := s.child(ctx, name)
		if err != nil {
			return nil, err
		}
		peers = []*journal.Peer{p}
	}
	out := []Entry{}
	for _, p := range peers {
		if p.Role != access.Child {
			continue
		}
		some, err := s.entries(p, s.store.Asking(p.ID))
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	return out, nil
}

func (s *Session) entries(p *journal.Peer, owners []scope.Owner) ([]Entry, error) {
	out := []Entry{}
	s.store.Know(owners)
	here, err := s.store.Here(owners)
	if err != nil {
		return nil, err
	}
	for _, o := range owners {
		e := s.store.Entry(p.ID, o)
		out = append(out, Entry{p.Name, string(o), state(e), e.Rule, here[o]})
	}
	return out, s.store.Err()
}

// Shown is all that is kept of a patient.
type Shown struct {
	Key   string `json:"key"`
	Here  bool   `json:"here"`
	Asked bool   `json:"asked_above"` // this node asks its parent
	Held  bool   `json:"held"`        // the parent said that this node has the patient in its scope
	// Purging: the parent has this node delete what it has of the patient, and nothing is deleted yet; Purged: it is.
	Purging bool    `json:"purging,omitempty"`
	Purged  bool    `json:"purged,omitempty"`
	Entries []Entry `json:"children"`
	Log     []Event `json:"log"`
}

// An Event is a line of the log.
type Event struct {
	At    time.Time `json:"at"`
	Peer  string    `json:"peer"`
	Event string    `json:"event"`
	Cause string    `json:"cause"`
	By    string    `json:"by,omitempty"`
}

// shownEvents is how many of the latest events are shown.
const shownEvents = 100

// Show returns who has a patient in its scope, why, and since when.
func (s *Session) Show(ctx context.Context, patient Patient) (*Shown, error) {
	peers, err := journal.Peers(ctx, s.q)
	if err != nil {
		return nil, err
	}
	here, err := s.store.Here([]scope.Owner{patient.Key})
	if err != nil {
		return nil, err
	}
	out := &Shown{Key: string(patient.Key), Here: here[patient.Key], Asked: s.store.Want(patient.Key), Held: s.store.Held(patient.Key) != 0,
		Entries: []Entry{}, Log: []Event{}}
	u := s.store.Purging(patient.Key)
	out.Purging, out.Purged = u.Told != 0 && !u.Done, u.Done
	names := map[merge.Peer]string{}
	for _, p := range peers {
		names[p.ID] = p.Name
		if p.Role != access.Child {
			continue
		}
		switch e := s.store.Entry(p.ID, patient.Key); {
		case s.store.Child(p.ID).All:
			out.Entries = append(out.Entries, Entry{p.Name, out.Key, "in", false, out.Here})
		case e != scope.Entry{}:
			out.Entries = append(out.Entries, Entry{p.Name, out.Key, state(e), e.Rule, out.Here})
		}
	}
	events, err := scopes.LogOf(ctx, s.q, patient.Key, shownEvents)
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		by := strings.Join(slices.DeleteFunc([]string{e.Person, e.Rule}, func(s string) bool { return s == "" }), " ")
		out.Log = append(out.Log, Event{time.UnixMicro(e.At).UTC(), names[e.Peer], e.Event, string(e.Cause), by})
	}
	return out, s.store.Err()
}
