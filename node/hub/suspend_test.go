package hub

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/nodetest"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/transport/web"
)

// A node that is suspended gets nothing more from a server: each request asks for its key, and its mail, each part of an upload and a
// download are requests; an upload that ends is looked at once more; and it does not join again. Resumed, it goes on.
func TestServerStopsASuspendedNode(t *testing.T) {
	hub := nodetest.New(t, filepath.Join(t.TempDir(), "hub"), "hub")
	s := &server{node: hub, log: slog.New(slog.DiscardHandler), lockWait: node.ServerWait}
	clinic, err := keys.Create(t.TempDir(), "kisumu", keys.X25519)
	nodetest.Check(t, err)
	v, err := hub.Invitations()
	nodetest.Check(t, err)
	token, _, err := v.Create("kisumu", access.Child, "", hub.Keys.Card(), time.Now(), time.Hour)
	nodetest.Check(t, err)
	request, err := token.Request(clinic)
	nodetest.Check(t, err)
	hub.Close() // gives the lock back, for joining takes it
	hub, err = node.OpenAll(t.Context(), hub.Home, node.Read, nodetest.Quiet)
	nodetest.Check(t, err)
	t.Cleanup(hub.Close)
	s.node = hub

	ask := func() map[string]error {
		_, join := s.join(t.Context(), "192.0.2.1", request)
		_, key := s.caller(t.Context(), "kisumu")
		upload := s.checkBatch(t.Context(), "kisumu", "kisumu-to-hub-0000000000-0000000001-abcdef.omsync", bytes.NewReader(nil), 0)
		return map[string]error{"join": join, "key": key, "upload": upload}
	}
	stopped := func(err error) bool {
		var p *web.Problem
		return errors.As(err, &p) && p.Status == http.StatusForbidden && p.Type == web.TypeSuspended
	}
	if _, err := s.join(t.Context(), "192.0.2.1", request); err != nil {
		t.Fatalf("join: %v", err)
	}
	for _, state := range []access.State{access.Active, access.Suspended, access.Active} {
		nodetest.Check(t, hub.SetPeerState(t.Context(), "kisumu", state))
		for what, err := range ask() {
			if got := stopped(err); got != (state == access.Suspended) {
				t.Errorf("%s, %s: %v", state, what, err)
			}
		}
	}
}
