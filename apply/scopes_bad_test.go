package apply_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/scope"
)

// unverified takes files that a test has changed.
func unverified(o *apply.Options) {
	o.Verify = func(*batch.Header, []byte, []byte) error { return nil }
}

// asking is a file of a child's that asks for owners, and says nothing else.
func asking(t *testing.T, f *sites.File, wants ...string) *sites.File {
	t.Helper()
	return forge(t, f, func(w *batch.Writer) error { return w.Scope(&batch.ScopeItem{Wants: wants}) })
}

// A child that guesses identifiers is held to the same quota: each guess is a line of the log, and enough of them would push out the others.
func TestScopeManyIdentifiers(t *testing.T) {
	t.Parallel()
	n := newScoped(t, 2, "kisumu")
	k := n.site("kisumu")
	n.own(n.hub, k)
	n.exchange()
	do(k, "INSERT INTO concept (uuid, name) VALUES ('c9', 'pulse')")
	f := k.Export(n.hub)[0]
	guesses := func(identifiers ...string) error {
		file := forge(t, f, func(w *batch.Writer) error { return w.Scope(&batch.ScopeItem{Seeks: identifiers}) }, func(h *batch.Header) {
			if need := (batch.Need{Feature: batch.Identifiers, Version: "0.1.0"}).String(); !slices.Contains(h.Requests, need) {
				h.Requests = append(h.Requests, need)
			}
		})
		_, err := n.hub.ImportErr(file, func(o *apply.Options) {
			unverified(o)
			o.Quotas = access.Amounts{access.Requests: 3, access.Restores: 10, access.Histories: 10}
		})
		return err
	}
	for range 2 { // the same again uses nothing
		if err := guesses("g1", "g2"); err != nil {
			t.Fatal(err)
		}
	}
	var over *access.OverQuota
	if err := guesses("g1", "g3", "g4"); !errors.As(err, &over) || over.Quota != access.Requests || over.Used != 2 || over.More != 2 {
		t.Errorf("one too many: %v", err)
	}
}

// A child that asks for keys at random has an entry kept of each, up to its quota; then it is stopped, and nothing of the file is kept. It gets
// nobody by that but whose key it guessed, and other children notice nothing.
//
//	OMSYNC_TEST_REQUESTS=100000 go test -v -run TestScopeManyRequests ./apply
func TestScopeManyRequests(t *testing.T) {
	t.Parallel()
	n := newScoped(t, 2, "kisumu", "migori")
	k, m := n.site("kisumu"), n.site("migori")
	n.own(n.hub, k)
	n.own(n.hub, m)
	n.exchange()
	do(k, "INSERT INTO concept (uuid, name) VALUES ('c9', 'pulse')")
	f := k.Export(n.hub)[0]
	const each = batch.MaxWants
	all := environment(t, "OMSYNC_TEST_REQUESTS", 2*each)
	quota := func(o *apply.Options) {
		unverified(o)
		o.Quotas = access.Amounts{access.Requests: uint64(all), access.Restores: 10, access.Histories: 10}
	}
	for from := 0; from < all; from += each {
		var wants []string
		for i := from; i < min(from+each, all); i++ {
			wants = append(wants, fmt.Sprintf("00000000-dead-4ead-8ead-%012d", i))
		}
		for range 2 { // the same again uses nothing
			if _, err := n.hub.ImportErr(asking(t, f, wants...), quota); err != nil {
				t.Fatal(err)
			}
		}
	}
	var over *access.OverQuota
	if _, err := n.hub.ImportErr(asking(t, f, "h1", "h2"), quota); !errors.As(err, &over) || over.Quota != access.Requests || over.Used != uint64(all) || over.More != 2 {
		t.Errorf("one too many: %v", err)
	}
	if x := n.hub.One("SELECT COUNT(*) FROM omsync_scope WHERE since > 0"); x != fmt.Sprint(all) {
		t.Errorf("%s owners are in scopes, want %d", x, all)
	}
	if x := n.hub.One("SELECT COUNT(*) FROM omsync_scope_log WHERE event = 'entered' AND cause = 'request'"); x != fmt.Sprint(all) {
		t.Errorf("%s admissions are in the log, want %d", x, all)
	}
	if used := n.hub.Peer(k).Used; used.Stopped == nil || used.Stopped.Quota != access.Requests {
		t.Errorf("it is not stopped: %+v", used)
	}
	n.exchange()
	n.whole(n.hub, k)
	do(n.hub, "UPDATE person SET gender = 'M' WHERE uuid = 'boss'")
	n.exchange()
	if g := m.One("SELECT gender FROM person WHERE uuid = 'boss'"); g != "M" {
		t.Errorf("another child does not get what is new: %s", g)
	}
}

// A child asks for everybody. With approval nobody comes until a person says so; without, who is known to it by key comes, and the log has it.
func TestScopeAsksForEverybody(t *testing.T) {
	t.Parallel()
	n := newScoped(t, 3, "kisumu")
	k := n.site("kisumu")
	p := peerID(t, n.hub, k)
	n.own(n.hub, k)
	decideScope(t, n.hub, func(node scope.Node) {
		c := node.Child(p)
		c.Approve = true
		node.SetChild(p, c)
	})
	n.exchange()
	do(k, "INSERT INTO concept (uuid, name) VALUES ('c9', 'pulse')")
	f := k.Export(n.hub)[0]
	importForged(t, n.hub, asking(t, f, "h1", "h2", "h3", "h1", "%", "h_"))
	n.exchange()
	n.whole(n.hub, k)
	if x := n.hub.One("SELECT COUNT(*) FROM omsync_scope_log WHERE event = 'asked' AND cause = 'request'"); x != "5" {
		t.Errorf("%s requests are in the log, want 5", x)
	}
	if e := entry(t, n.hub, p, "h2"); e.In() || !e.Asked {
		t.Errorf("a person is to answer: %+v", e)
	}
	decideScope(t, n.hub, func(node scope.Node) {
		node.Admit(p, "h1", 0)
		node.Deny(p, "h2")
	})
	n.exchange()
	n.whole(n.hub, k, "h1")
}

// Whoever names a patient's key in a row of its own gets the patient: that is what the key is for. It gets nobody else, the log says whose rows
// were the reason, and where the row belongs to two patients both are named.
func TestScopeRowThatDragsAPatientIn(t *testing.T) {
	t.Parallel()
	n := newScoped(t, 3, "kisumu", "migori")
	k, m := n.site("kisumu"), n.site("migori")
	p := peerID(t, n.hub, k)
	n.own(n.hub, k)
	n.own(n.hub, m, "h2")
	n.exchange()
	do(k, "INSERT INTO person (uuid, gender) VALUES ('h1', 'X')", "INSERT INTO patient (patient_id) VALUES ([person h1])") // the key of a patient whom it never had
	n.exchange()
	n.whole(n.hub, k, "h1")
	if x := n.hub.One("SELECT GROUP_CONCAT(DISTINCT owner_key, ' ', event, ' ', cause) FROM omsync_scope_log WHERE peer_id = ? AND owner_key <> ''", uint32(p)); x != "h1 entered import" {
		t.Errorf("the log says %s", x)
	}
	register(k, "kim")
	do(k, "INSERT INTO relationship (uuid, kind, person_a, person_b) VALUES ('r1', 'sister', [person kim], [person h1])")
	n.exchange()
	n.whole(n.hub, k, "h1", "kim")
	n.whole(n.hub, m, "h2")
	if x := m.One("SELECT COUNT(*) FROM relationship"); x != "0" {
		t.Error("a relationship of others came")
	}
}

// A child's word that all may have a person counts only where it may send users: where these come from the parent alone it cannot know of any.
func TestScopeForgedPublic(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		profile string
		public  string
	}{{careProfile, "1"}, {careProfile + "[direction]\ndown = [\"users\"]\n", "0"}} {
		hub, k := scopedSite(t, "hub", c.profile, careTables("1")), scopedSite(t, "kisumu", c.profile, careTables("1000"))
		hub.Listens = false
		hub.Init()
		register(hub, "h1")
		k.Init()
		hub.Connect(k)
		n := &scoped{t: t, hub: hub, all: []*sites.Site{hub, k}}
		n.own(hub, k, "h1")
		n.exchange()
		do(k, "UPDATE person SET gender = 'X' WHERE uuid = 'h1'")
		f := k.Export(hub)[0]
		table := batch.Table{Name: "person", Root: "person", Key: []batch.Column{{Name: "uuid"}}, Columns: []batch.Column{{Name: "gender", Slot: 1}, {Name: batch.PublicColumn}}}
		importForged(t, hub, forge(t, f, func(w *batch.Writer) error {
			number, err := w.Table(table)
			if err != nil {
				return err
			}
			key, err := w.Keys(number, []batch.Values{{Bytes: [][]byte{[]byte("h1")}}})
			if err != nil {
				return err
			}
			return w.Rows(&batch.Rows{Table: number, Keys: []uint32{key}, Columns: []batch.Values{{Bytes: [][]byte{[]byte("Y")}}, {Bytes: [][]byte{[]byte("1")}}},
				Masks: []uint64{3}, Times: []int64{1}, Authors: []string{"kisumu"}, Epochs: []uint64{f.Made.Upto}})
		}))
		if x := hub.One("SELECT COUNT(*) FROM omsync_public"); x != c.public {
			t.Errorf("%q: %s persons are public, want %s", c.profile, x, c.public)
		}
	}
}
