package hub

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/nodetest"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/transport/web"
)

// Who signs well is known, and told if it is suspended. Nobody else learns anything, and no signature passes for one of a node that is not
// there: not even the hub's own.
func TestCallers(t *testing.T) {
	n := nodetest.New(t, t.TempDir(), "hub")
	s := &server{node: n, log: slog.New(slog.DiscardHandler)}
	signers := map[string]*keys.Identity{"hub": n.Keys}
	for _, name := range []string{"kisumu", "late", "gone", "stranger"} {
		id, err := keys.Create(t.TempDir(), name, keys.X25519)
		nodetest.Check(t, err)
		if signers[name] = id; name != "stranger" {
			nodetest.Check(t, n.AddPeer(t.Context(), id.Card(), access.Child))
		}
	}
	nodetest.Check(t, n.SetPeerState(t.Context(), "late", access.Suspended))
	nodetest.Check(t, n.SetPeerState(t.Context(), "gone", access.Removed))
	message := []byte("GET")
	for _, name := range []string{"kisumu", "late", "gone", "stranger", "nobody"} {
		verify, err := s.caller(t.Context(), name)
		var p *web.Problem
		if told := errors.As(err, &p) && p.Type == web.TypeSuspended; verify == nil || told != (name == "late") || err != nil && !told {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for signer, id := range signers {
			sig, err := id.Sign(message)
			nodetest.Check(t, err)
			if good := verify(message, sig) == nil; good != (signer == name && (name == "kisumu" || name == "late")) {
				t.Errorf("signed by %s in the name of %s: %t", signer, name, good)
			}
		}
	}
}
