package apply_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/internal/openmrs"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/scope"
	"github.com/omsync/omsync/scopes"
)

// A clinic gets what all share, and of the hub's patients those in its scope, whole.
func TestScopeOwn(t *testing.T) {
	t.Parallel()
	n := newScoped(t, 4, "kisumu", "migori")
	k, m := n.site("kisumu"), n.site("migori")
	n.own(n.hub, k)
	n.own(n.hub, m)
	n.exchange()
	n.whole(n.hub, k)
	for _, query := range []string{"SELECT GROUP_CONCAT(name) FROM concept", "SELECT GROUP_CONCAT(username, person.uuid) FROM users JOIN person USING (person_id)"} {
		if a, b := n.hub.One(query), k.One(query); a != b || a == "" {
			t.Errorf("%s: %s at the hub, %s at the clinic", query, a, b)
		}
	}
	if x := k.One("SELECT COUNT(*) FROM person_name"); x != "0" {
		t.Errorf("%s names at the clinic", x)
	}
	register(k, "kim")
	register(m, "mia")
	n.exchange()
	n.whole(n.hub, k, "kim")
	n.whole(n.hub, m, "mia")
	n.whole(n.hub, n.hub, "h1", "h2", "h3", "h4", "kim", "mia")
	do(n.hub, "UPDATE person SET gender = 'M' WHERE uuid IN ('kim', 'mia', 'h1')")
	visit(n.hub, "kim-at-hub", "kim")
	n.exchange()
	n.whole(n.hub, k, "kim")
	if g := k.One("SELECT gender FROM person WHERE uuid = 'kim'"); g != "M" {
		t.Errorf("an edit at the hub did not come: %s", g)
	}
	n.admit(n.hub, k, "h1", "mia")
	early := n.hub.Export(k)
	n.exchange()
	n.whole(n.hub, k, "kim", "mia", "h1")
	do(k, "UPDATE person SET gender = 'N' WHERE uuid = 'mia'")
	visit(k, "mia-at-kisumu", "mia")
	n.exchange()
	n.whole(n.hub, m, "mia")
	for _, s := range []*sites.Site{n.hub, m} {
		if g := s.One("SELECT gender FROM person WHERE uuid = 'mia'"); g != "N" {
			t.Errorf("at %s an edit made at kisumu did not come: %s", s.Name, g)
		}
	}

	// Who leaves is not sent, and stays as they are there.
	before := n.hub.Export(k, sites.Full)
	p := peerID(t, n.hub, k)
	decideScope(t, n.hub, func(node scope.Node) { node.Leave(p, "h1") })
	do(n.hub, "UPDATE person SET gender = 'X' WHERE uuid IN ('h1', 'kim')")
	n.exchange()
	if g := k.One("SELECT GROUP_CONCAT(gender ORDER BY uuid) FROM person WHERE uuid IN ('h1', 'kim')"); g != "M,X" {
		t.Errorf("after h1 left: %s", g)
	}
	if e := held(t, k, "h1"); e != 0 {
		t.Errorf("the clinic takes h1 for one in its scope, since %d", e)
	}
	for _, f := range append(before, early...) {
		k.Import(f)
	}
	n.exchange()
	if e := entry(t, n.hub, p, "h1"); e.In() {
		t.Errorf("old files brought h1 back: %+v", e)
	}

	// The clinic asks, for one who left and one who never was in; both come whole, with what was deleted meanwhile.
	do(n.hub, "DELETE FROM encounter_note WHERE uuid = 'h1-visit-note'")
	decideScope(t, k, func(node scope.Node) { node.SetWant("h1", true); node.Ask("h2"); node.Ask("nobody") })
	n.exchange()
	n.whole(n.hub, k, "kim", "mia", "h1", "h2")
	if e := held(t, k, "nobody"); e == 0 {
		t.Error("who is not here yet may enter, and the clinic was not told")
	}
	register(n.hub, "nobody")
	n.exchange()
	n.whole(n.hub, k, "kim", "mia", "h1", "h2", "nobody")

	// The clinic writes about somebody whom it has from before, and who left.
	decideScope(t, n.hub, func(node scope.Node) { node.Leave(p, "h2") })
	visit(k, "h2-again", "h2")
	visit(n.hub, "h2-meanwhile", "h2")
	n.exchange()
	n.whole(n.hub, k, "kim", "mia", "h1", "h2", "nobody")

	// A record of a conflict goes with its patient, and only so.
	do(k, "UPDATE person SET city = 'Ahero' WHERE uuid = 'mia'")
	do(m, "UPDATE person SET city = 'Siaya' WHERE uuid = 'mia'")
	n.exchange()
	if a, b, c := n.hub.Conflicts(), k.Conflicts(), m.Conflicts(); len(a) == 0 || !slices.Equal(a, b) || !slices.Equal(a, c) {
		t.Errorf("records at the hub %q, at kisumu %q, at migori %q", a, b, c)
	}

	// Without a scope it gets everything.
	decideScope(t, n.hub, func(node scope.Node) { node.End(p) })
	n.exchange()
	n.whole(n.hub, k, patients(t, n.hub)...)
	sites.Same(t, n.hub, k)
}

// held returns the parent's epoch at which a node heard that it may have an owner.
func held(t *testing.T, s *sites.Site, o scope.Owner) (epoch uint64) {
	t.Helper()
	decideScope(t, s, func(node scope.Node) { epoch = node.Held(o) })
	return epoch
}

// entry returns what a node keeps of a child and an owner.
func entry(t *testing.T, s *sites.Site, p merge.Peer, o scope.Owner) (e scope.Entry) {
	t.Helper()
	decideScope(t, s, func(node scope.Node) { e = node.Entry(p, o) })
	return e
}

// A request climbs through a node in the middle, which gets whom those below it get.
func TestScopeMiddle(t *testing.T) {
	t.Parallel()
	n := newScoped(t, 3, "county")
	c := n.site("county")
	k := n.below(c, "kisumu")
	n.own(n.hub, c)
	n.own(c, k)
	n.exchange()
	n.whole(n.hub, c)
	decideScope(t, k, func(node scope.Node) { node.Ask("h2") })
	n.exchange()
	n.whole(n.hub, c, "h2")
	n.whole(n.hub, k, "h2")
	register(k, "kim")
	do(n.hub, "UPDATE person SET gender = 'X' WHERE uuid = 'h2'")
	do(k, "DELETE FROM encounter_note WHERE uuid = 'h2-visit-note'")
	n.exchange()
	n.whole(n.hub, c, "h2", "kim")
	n.whole(n.hub, k, "h2", "kim")
	n.whole(n.hub, n.hub, "h1", "h2", "h3", "kim")
	if x := n.hub.One("SELECT COUNT(*) FROM encounter_note WHERE uuid = 'h2-visit-note'"); x != "0" {
		t.Error("a deletion did not come up")
	}
}

// The same with OpenMRS's own tables and generated patients: scopes that overlap, and a patient who is fetched whole.
func TestScopeOpenMRS(t *testing.T) {
	t.Parallel()
	n := &scoped{t: t}
	for i, name := range []string{"hub", "kisumu", "migori"} {
		var ddl []string
		for _, q := range openmrs.Schema("2.6") {
			ddl = append(ddl, strings.Replace(q, "ENGINE=InnoDB", fmt.Sprintf("ENGINE=InnoDB AUTO_INCREMENT=%d", 1+2000*i), 1))
		}
		n.all = append(n.all, scopedSite(t, name, "openmrs", ddl))
	}
	n.hub = n.all[0]
	n.hub.Listens = false
	if _, err := openmrs.Load(context.Background(), n.hub.DB, openmrs.Options{Seed: 1, Site: "hub", Patients: 8, Metadata: true}); err != nil {
		t.Fatal(err)
	}
	for _, s := range n.all {
		s.Init()
	}
	k, m := n.all[1], n.all[2]
	n.hub.Connect(k)
	n.hub.Connect(m)
	p := patients(t, n.hub)
	n.own(n.hub, k, scope.Owner(p[0]), scope.Owner(p[1]))
	n.own(n.hub, m, scope.Owner(p[1]), scope.Owner(p[2]))
	n.exchange()
	n.whole(n.hub, k, p[0], p[1])
	n.whole(n.hub, m, p[1], p[2])
	if a, b := n.hub.One("SELECT COUNT(*) FROM concept"), k.One("SELECT COUNT(*) FROM concept"); a != b || a == "0" {
		t.Errorf("%s concepts at the hub, %s at the clinic", a, b)
	}
	do(k, "UPDATE person SET gender = 'X' WHERE uuid = '"+p[1]+"'")
	do(m, "UPDATE person SET cause_of_death_non_coded = 'none' WHERE uuid = '"+p[1]+"'")
	decideScope(t, k, func(node scope.Node) { node.Ask(scope.Owner(p[5])) })
	n.exchange()
	n.whole(n.hub, k, p[0], p[1], p[5])
	n.whole(n.hub, m, p[1], p[2])
	for _, s := range n.all {
		if x := s.One("SELECT CONCAT(gender, cause_of_death_non_coded) FROM person WHERE uuid = ?", p[1]); x != "Xnone" {
			t.Errorf("at %s %s", s.Name, x)
		}
	}
	if x := k.One("SELECT COUNT(*) FROM omsync_waiting"); x != "0" {
		t.Errorf("%s rows wait at the clinic: %v", x, column(t, k, "SELECT CONCAT(reason, ' ', column_name, ' ', text) FROM omsync_waiting LIMIT 5"))
	}
}

// A child that is removed and added again has the scope that it had, and asks for whom it had been told of.
func TestScopePeersAddedAgain(t *testing.T) {
	t.Parallel()
	n := newScoped(t, 3, "kisumu")
	k := n.site("kisumu")
	n.own(n.hub, k, "h1")
	n.exchange()
	n.hub.Disconnect(k)
	do(n.hub, "UPDATE person SET gender = 'X' WHERE uuid IN ('h1', 'h2')")
	n.hub.Connect(k)
	if err := scopes.Carry(t.Context(), n.hub.J.DB, k.Name, peerID(t, n.hub, k)); err != nil {
		t.Fatal(err)
	}
	if err := scopes.AskAgain(t.Context(), k.J, k.J.DB); err != nil {
		t.Fatal(err)
	}
	n.exchange()
	n.whole(n.hub, k, "h1")
	if g := k.One("SELECT gender FROM person WHERE uuid = 'h1'"); g != "X" {
		t.Errorf("what was done meanwhile did not come: %s", g)
	}
	if e := held(t, k, "h1"); e == 0 {
		t.Error("the child was not told again whom it has")
	}
	if x := k.One("SELECT COUNT(*) FROM omsync_want"); x != "0" {
		t.Errorf("%s requests are not answered", x)
	}

	// The same where the child has lost everything: another machine.
	n.hub.Disconnect(k)
	fresh := n.below(n.hub, "kisumu2")
	fresh.Name = "kisumu"
	n.hub.Exec("UPDATE omsync_peer SET name = 'kisumu' WHERE name = 'kisumu2'")
	if err := scopes.Carry(t.Context(), n.hub.J.DB, "kisumu", peerID(t, n.hub, fresh)); err != nil {
		t.Fatal(err)
	}
	n.all = []*sites.Site{n.hub, fresh}
	fresh.Exec("UPDATE omsync_node SET name = 'kisumu'")
	fresh.Reopen()
	n.exchange()
	n.whole(n.hub, fresh, "h1")
}

// What becomes another patient's at the hub goes to who has that one; who had it goes on having it, and gets the new owner.
func TestScopeMoves(t *testing.T) {
	t.Parallel()
	n := newScoped(t, 4, "kisumu", "migori")
	k, m := n.site("kisumu"), n.site("migori")
	n.own(n.hub, k, "h1")
	n.own(n.hub, m, "h2")
	n.exchange()
	n.whole(n.hub, k, "h1")
	do(n.hub, "UPDATE encounter SET patient_id = [person h2] WHERE uuid = 'h1-visit'", "UPDATE obs SET person_id = [person h2] WHERE uuid = 'h1-visit-obs'")
	n.exchange()
	n.whole(n.hub, k, "h1", "h2")
	n.whole(n.hub, m, "h2")
	if x := m.One("SELECT COUNT(*) FROM encounter_note WHERE uuid = 'h1-visit-note'"); x != "1" {
		t.Error("what refers to a row that moved did not come with it")
	}
	do(n.hub, "INSERT INTO relationship (uuid, kind, person_a, person_b) VALUES ('r1', 'sister', [person h2], [person h3])")
	n.exchange()
	if x := k.One("SELECT COUNT(*) FROM relationship"); x != "0" {
		t.Error("a relationship with somebody who is not in the scope came")
	}
	n.admit(n.hub, m, "h3")
	n.exchange()
	do(m, "UPDATE encounter SET patient_id = [person h3] WHERE uuid = 'h2-visit'", "UPDATE obs SET person_id = [person h3] WHERE uuid = 'h2-visit-obs'")
	n.exchange()
	n.whole(n.hub, m, "h2", "h3")
	n.whole(n.hub, k, "h1", "h2", "h3")
	for _, s := range []*sites.Site{k, m} {
		if x := s.One("SELECT COUNT(*) FROM relationship"); x != "1" {
			t.Errorf("%s relationships at %s", x, s.Name)
		}
	}
}

// A child whose program is too old cannot have a scope: nothing goes to it.
func TestScopeOldProgram(t *testing.T) {
	t.Parallel()
	n := newScoped(t, 1, "kisumu")
	k := n.site("kisumu")
	k.Features = features.Known{{Name: features.Rules, Since: "0.1.0"}}
	n.exchange()
	n.whole(n.hub, k, "h1")
	for _, f := range n.files {
		if f.To != k {
			continue
		}
		h, err := batch.ReadHeader(bytes.NewReader(f.Data))
		if err != nil || h.HasScopes() {
			t.Errorf("%s: %v, %v", f.Name, h, err)
		}
	}
	n.own(n.hub, k, "h1")
	do(n.hub, "UPDATE person SET gender = 'X' WHERE uuid = 'h1'")
	if files, err := n.hub.ExportErr(k); !errors.Is(err, export.ErrNoScopes) || len(files) != 0 {
		t.Errorf("%d files, %v", len(files), err)
	}
	k.Features = features.Present()
	n.send(k, n.hub, sites.Full)
	n.exchange()
	if g := k.One("SELECT gender FROM person WHERE uuid = 'h1'"); g != "X" {
		t.Errorf("once the program is new: %s", g)
	}
}

// send has one site send to another.
func (n *scoped) send(from, to *sites.Site, o ...func(*export.Options)) {
	n.t.Helper()
	for _, f := range from.Export(to, o...) {
		n.look(f)
		to.Import(f)
	}
}

// A child that says what only a parent may say of scopes, or that all may have what they may not, changes nothing by it.
func TestScopeForged(t *testing.T) {
	t.Parallel()
	n := newScoped(t, 2, "kisumu", "migori")
	k, m := n.site("kisumu"), n.site("migori")
	n.own(n.hub, k)
	n.own(n.hub, m)
	n.exchange()
	do(k, "INSERT INTO concept (uuid, name) VALUES ('c9', 'pulse')") // which the forged file has not
	f := k.Export(n.hub)[0]
	table := batch.Table{Name: "obs", Root: "obs", Key: []batch.Column{{Name: "uuid"}}, Columns: []batch.Column{{Name: "value_text", Slot: 1}, {Name: batch.PublicColumn}}}
	importForged(t, n.hub, forge(t, f, func(w *batch.Writer) error {
		said := &batch.ScopeItem{Said: true, Whole: true, Entered: []string{"h1"}, Left: []string{"h2"}, Wants: []string{"\x00'; DROP TABLE person", "h1"}}
		if err := w.Scope(said); err != nil {
			return err
		}
		number, err := w.Table(table)
		if err != nil {
			return err
		}
		key, err := w.Keys(number, []batch.Values{{Bytes: [][]byte{[]byte("h2-visit-obs")}}})
		if err != nil {
			return err
		}
		return w.Rows(&batch.Rows{Table: number, Keys: []uint32{key}, Columns: []batch.Values{{Bytes: [][]byte{[]byte("62")}}, {Bytes: [][]byte{[]byte("1")}}},
			Masks: []uint64{3}, Times: []int64{1}, Authors: []string{"kisumu"}, Epochs: []uint64{1000}})
	}))
	if x := n.hub.One("SELECT COUNT(*) FROM omsync_public JOIN omsync_table ON id = table_id WHERE name = 'obs'"); x != "0" {
		t.Error("a child made an observation public")
	}
	if x := n.hub.One("SELECT COUNT(*) FROM omsync_held"); x != "0" {
		t.Error("a child told its parent of a scope")
	}
	n.exchange()
	n.whole(n.hub, m)
	n.whole(n.hub, k, "h1", "h2") // it asked for one, and wrote about the other
}
