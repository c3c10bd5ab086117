package node_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/enrol"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/internal/nodetest"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/node"
)

// refused sees that an error says something, and what to do.
func refused(t *testing.T, err error, want string) {
	t.Helper()
	var f *failure.Failure
	if !errors.As(err, &f) || f.Hint == "" || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want a failure with a hint and %s", err, want)
	}
}

func card(t *testing.T, name string) keys.Card {
	t.Helper()
	id, err := keys.Create(t.TempDir(), name, keys.X25519)
	nodetest.Check(t, err)
	return id.Card()
}

// A node has one parent at most, and one peer of a name.
func TestWhoMayBeAdded(t *testing.T) {
	ctx := t.Context()
	n := nodetest.New(t, t.TempDir(), "kisumu")
	hub := card(t, "hub")
	for _, again := range []bool{false, true} {
		known, err := n.CheckPeer(ctx, hub, access.Parent)
		if err != nil || known != again {
			t.Fatalf("known %t, %v", known, err)
		}
		if !known {
			nodetest.Check(t, n.AddPeer(ctx, hub, access.Parent))
		}
	}
	_, err := n.CheckPeer(ctx, hub, access.Child)
	refused(t, err, "there is a peer hub already, as parent")
	_, err = n.CheckPeer(ctx, card(t, "hub"), access.Parent)
	refused(t, err, "another card or role")
	_, err = n.CheckPeer(ctx, card(t, "other"), access.Parent)
	refused(t, err, "this node has a parent already: hub")
	if known, err := n.CheckPeer(ctx, card(t, "other"), access.Child); known || err != nil {
		t.Errorf("a child beside the parent: known %t, %v", known, err)
	}
}

// Only active peers are exported to, and a peer that is removed does not come back by its token.
func TestPeerStates(t *testing.T) {
	ctx := t.Context()
	n := nodetest.New(t, t.TempDir(), "hub")
	_, err := n.ChoosePeers(ctx, nil)
	refused(t, err, "no active peer")
	refused(t, n.SetPeerState(ctx, "migori", access.Suspended), `there is no peer "migori"`)
	for _, name := range []string{"kisumu", "migori"} {
		nodetest.Check(t, n.AddPeer(ctx, card(t, name), access.Child))
	}
	nodetest.Check(t, n.SetPeerState(ctx, "migori", access.Suspended))
	if peers, err := n.ChoosePeers(ctx, nil); err != nil || len(peers) != 1 || peers[0].Name != "kisumu" {
		t.Errorf("chosen: %v, %v", peers, err)
	}
	if peers, err := n.ChoosePeers(ctx, []string{"kisumu", "kisumu"}); err != nil || len(peers) != 1 {
		t.Errorf("named twice: %v, %v", peers, err)
	}
	_, err = n.ChoosePeers(ctx, []string{"migori"})
	refused(t, err, "the peer migori is suspended")

	invitations, err := n.Invitations()
	nodetest.Check(t, err)
	token, _, err := invitations.Create("kisumu", access.Child, "", n.Keys.Card(), time.Now(), time.Hour)
	nodetest.Check(t, err)
	clinic, err := keys.Create(t.TempDir(), "kisumu", keys.X25519)
	nodetest.Check(t, err)
	request, err := token.Request(clinic)
	nodetest.Check(t, err)
	if _, err := invitations.Redeem(request, n.Keys.Card(), time.Now()); err != nil {
		t.Fatal(err)
	}
	// That goes also where what is stored of it is damaged, and then it can be added anew.
	dbtest.Exec(t, n.DB, "UPDATE omsync_peer SET link = '{' WHERE name = 'kisumu'")
	if err := n.SetPeerState(ctx, "kisumu", access.Suspended); err == nil || !strings.Contains(err.Error(), "omsync peer remove kisumu") {
		t.Errorf("a damaged link: %v", err)
	}
	nodetest.Check(t, n.SetPeerState(ctx, "kisumu", access.Removed))
	refused(t, n.SetPeerState(ctx, "kisumu", access.Removed), `there is no peer "kisumu"`)
	nodetest.Check(t, n.AddPeer(ctx, card(t, "kisumu"), access.Child))
	if _, err := invitations.Redeem(request, n.Keys.Card(), time.Now()); !errors.Is(err, enrol.ErrUnknownToken) {
		t.Errorf("the token of a peer that was removed: %v", err)
	}
}

// A database that is another node is never taken for this one's.
func TestDatabaseOfAnotherNode(t *testing.T) {
	ctx := t.Context()
	n := nodetest.New(t, filepath.Join(t.TempDir(), "a"), "a")
	other := nodetest.New(t, filepath.Join(t.TempDir(), "b"), "b")
	nodetest.Check(t, n.CheckOwner(ctx))
	n.Close()
	n.DSN = other.DSN
	nodetest.Check(t, n.Connect(ctx))
	refused(t, n.CheckOwner(ctx), "belongs to the node b")
	n.Close()
	refused(t, n.Load(ctx, nodetest.Quiet), "belongs to the node b")
}

// What keeps a node out of its server is said with where that is set.
func TestServerThatDoesNotAnswer(t *testing.T) {
	n := nodetest.New(t, t.TempDir(), "a")
	n.Close()
	n.DSN = "root@unix(" + filepath.Join(n.Home, "none") + ")/db"
	err := n.Connect(t.Context())
	refused(t, err, "does not answer")
	var f *failure.Failure
	if errors.As(err, &f) && !strings.Contains(f.Hint, filepath.Join(n.Home, "omsync.toml")) {
		t.Errorf("the hint: %s", f.Hint)
	}
}

// Of two runs that change a node one is at work at a time; those that only read go on.
func TestOpenToChange(t *testing.T) {
	n := nodetest.New(t, t.TempDir(), "a")
	one, err := node.Open(t.Context(), n.Home, node.Change)
	nodetest.Check(t, err)
	if _, err := node.Open(t.Context(), n.Home, node.Change); !errors.Is(err, node.ErrLocked) {
		t.Errorf("a second: %v", err)
	}
	reader, err := node.OpenAll(t.Context(), n.Home, node.Read, nodetest.Quiet)
	nodetest.Check(t, err)
	reader.Close()
	one.Close()
	again, err := node.OpenAll(t.Context(), n.Home, node.Change, nodetest.Quiet)
	nodetest.Check(t, err)
	again.Close()
}
