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
	"github.com/omsync/omsync/enrol"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/config"
	"github.com/omsync/omsync/transport/web"
)

// lonely is a server whose database does not answer.
func lonely(t *testing.T) *server {
	t.Helper()
	home := t.TempDir()
	db, _, err := sqldb.Open("root@unix(" + filepath.Join(home, "none") + ")/none")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	id, err := keys.Create(home, "hub", keys.X25519)
	if err != nil {
		t.Fatal(err)
	}
	n := &node.Node{Config: &config.Config{Node: "hub", Home: home}, Keys: id, DB: db}
	return &server{node: n, log: slog.New(slog.DiscardHandler), lockWait: node.ServerWait}
}

// TestCheckWithoutDatabase holds a server to keeping what came while it cannot check it: hours of a weak link.
func TestCheckWithoutDatabase(t *testing.T) {
	s := lonely(t)
	err := s.checkBatch(t.Context(), "kisumu", "kisumu-to-hub-0000000000-0000000001-abcdef.omsync", bytes.NewReader(nil), 0)
	var p *web.Problem
	if !errors.As(err, &p) || p.Status != http.StatusServiceUnavailable {
		t.Errorf("%v: want a problem that passes", err)
	}
}

// TestJoinAsksFirst has strangers ask while a command holds the node's lock: they are turned away at once, and hold nothing.
// Who is invited is told to come again.
func TestJoinAsksFirst(t *testing.T) {
	s := lonely(t)
	held, err := node.AcquireLock(t.Context(), s.node.Home, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	clinic, err := keys.Create(t.TempDir(), "kisumu", keys.X25519)
	if err != nil {
		t.Fatal(err)
	}
	open, err := enrol.OpenRequest(clinic)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for _, body := range [][]byte{nil, []byte("{}"), open} {
		var p *web.Problem
		if _, err := s.join(t.Context(), "192.0.2.1", body); !errors.As(err, &p) || p.Status != http.StatusForbidden && p.Status != http.StatusBadRequest {
			t.Errorf("%.20q: %v", body, err)
		}
	}
	if d := time.Since(began); d > node.ServerWait/2 {
		t.Errorf("strangers waited %v for the lock", d)
	}
	v, err := s.node.Invitations()
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := v.Create("kisumu", access.Child, "", s.node.Keys.Card(), time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	body, err := token.Request(clinic)
	if err != nil {
		t.Fatal(err)
	}
	s.lockWait = time.Millisecond
	var p *web.Problem
	if _, err := s.join(t.Context(), "192.0.2.1", body); !errors.As(err, &p) || p.Status != http.StatusServiceUnavailable {
		t.Errorf("the invited node: %v", err)
	}
}
