package apply_test

import (
	"context"
	"slices"
	"testing"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/scope"
	"github.com/omsync/omsync/scopes"
	purging "github.com/omsync/omsync/scopes/purge"
)

// leavePurged lets patients leave a child's scope, who are to be deleted there, and returns who did.
func leavePurged(t *testing.T, parent, child *sites.Site, who ...scope.Owner) (left []scope.Owner) {
	t.Helper()
	id := peerID(t, parent, child)
	decideOn(t, parent, func(store *scopes.Store) {
		var err error
		if left, err = purging.Leave(context.Background(), parent.J, store, id, who); err != nil {
			t.Fatal(err)
		}
	})
	return left
}

// purgeAt deletes at a site whom it may delete.
func purgeAt(t *testing.T, s *sites.Site) (out []*purging.Purged) {
	t.Helper()
	o := purging.Options{Wait: sites.Wait, Seal: func(ctx context.Context) error {
		_, err := capture.Seal(ctx, s.J, sites.Wait)
		return err
	}}
	err := purging.Run(context.Background(), s.J, o, func(p *purging.Purged) error {
		out = append(out, p)
		return nil
	})
	if err != nil {
		t.Fatalf("at %s: %v", s.Name, err)
	}
	return out
}

// leave has a patient leave a child's scope, and in some schedules be deleted there.
func (w *scopeWorld) leave(parent, child *sites.Site, o scope.Owner) {
	if w.purges != nil && w.purges.IntN(3) > 0 {
		if slices.Contains(leavePurged(w.t, parent, child, o), o) {
			w.tell("%s is to be deleted at %s", o, child.Name)
			w.left[child.Name][string(o)] = true
		}
		return
	}
	id := peerID(w.t, parent, child)
	decideScope(w.t, parent, func(node scope.Node) {
		if node.Leave(id, o) {
			w.left[child.Name][string(o)] = true
		}
	})
}

// deliver imports a file, and does what a run does afterwards.
func (w *scopeWorld) deliver(f *sites.File) {
	w.tell("%s: %s", f.Name, f.To.Import(f).Outcome)
	if w.purges == nil {
		return
	}
	for _, p := range purgeAt(w.t, f.To) {
		w.tell("%s deletes %s: %v", f.To.Name, p.Owner, p.Tables)
		if w.purged++; w.restores > 0 {
			w.forget() // its parent may have lost what it had acknowledged
		}
	}
}
