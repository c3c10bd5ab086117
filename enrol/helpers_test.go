package enrol

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/keys"
)

var start = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

func newNode(t testing.TB, name string, kind keys.Kind) *keys.Identity {
	t.Helper()
	id, err := keys.Create(filepath.Join(t.TempDir(), "keys"), name, kind)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func newFolder(t testing.TB) *Invitations {
	t.Helper()
	v, err := OpenInvitations(filepath.Join(t.TempDir(), "invitations"))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// site is a hub with an invitation for kisumu that is valid for a day, and the node that wants to join by it.
type site struct {
	v      *Invitations
	hub    keys.Card
	clinic *keys.Identity
	token  Token
	id     string
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{v: newFolder(t), hub: newNode(t, "nairobi", keys.X25519).Card(), clinic: newNode(t, "kisumu", keys.X25519)}
	s.token, s.id = s.invite(t, "kisumu")
	return s
}

func (s *site) invite(t testing.TB, name string) (Token, string) {
	t.Helper()
	token, i, err := s.v.Create(name, access.Child, "", s.hub, start, day)
	if err != nil {
		t.Fatal(err)
	}
	return token, i.ID
}

func (s *site) request(t testing.TB) []byte {
	t.Helper()
	return must(s.token.Request(s.clinic))(t)
}

func (s *site) invitation(t testing.TB) Invitation {
	t.Helper()
	for _, i := range must(s.v.List())(t) {
		if i.ID == s.id {
			return i
		}
	}
	t.Fatalf("invitation %s is not there", s.id)
	return Invitation{}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// atOnce runs f n times at the same time.
func atOnce(n int, f func(i int)) {
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for i := range n {
		wg.Go(func() { <-gate; f(i) })
	}
	close(gate)
	wg.Wait()
}
