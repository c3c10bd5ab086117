package apply_test

import (
	"context"
	"fmt"
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

// Who leaves a clinic's scope to be deleted there goes with everything, wherever it was made. Nobody hears of a deletion, a person who works there stays one,
// and who comes back comes whole.
func TestPurge(t *testing.T) {
	t.Parallel()
	n := newScoped(t, 3, "kisumu")
	k := n.site("kisumu")
	n.own(n.hub, k, "h1", "h2", "h3")
	n.exchange()
	register(k, "kim")
	visit(k, "h1-here", "h1")
	do(k, "INSERT INTO relationship (uuid, kind, person_a, person_b) VALUES ('r12', 'sister', [person h1], [person h2]), ('r23', 'sister', [person h2], [person h3])")
	do(n.hub, "INSERT INTO users (uuid, username, person_id) VALUES ('u3', 'nurse', [person h3])")
	n.exchange()
	before := n.hub.Dump()
	if left := leavePurged(t, n.hub, k, "h1", "kim", "h3", "nobody"); len(left) != 3 {
		t.Errorf("%v left", left)
	}
	if got := purgeAt(t, k); len(got) != 0 {
		t.Errorf("%+v before the clinic heard of it", got)
	}
	n.exchange()
	got := purgeAt(t, k)
	if len(got) != 3 || len(purgeAt(t, k)) != 0 {
		t.Errorf("%+v", got)
	}
	for table, want := range map[string]string{"person": "boss,h2,h3", "patient": "1", "person_name": "h2-name", "encounter": "h2-visit", "obs": "h2-visit-obs", "encounter_note": "h2-visit-note", "users": "u1,u3"} {
		query := "SELECT GROUP_CONCAT(uuid ORDER BY uuid) FROM " + table
		if table == "patient" {
			query = "SELECT COUNT(*) FROM patient"
		}
		if got := k.One(query); got != want {
			t.Errorf("of %s there is %s at the clinic, want %s", table, got, want)
		}
	}
	if got := k.One("SELECT COUNT(*) FROM relationship"); got != "0" {
		t.Errorf("%s relationships with who is gone", got)
	}
	if got := k.One("SELECT COUNT(*) FROM omsync_version v JOIN omsync_table t ON t.id = v.table_id WHERE t.name IN ('encounter', 'obs') AND v.local_id NOT IN (SELECT encounter_id FROM encounter UNION SELECT obs_id FROM obs)"); got != "0" {
		t.Errorf("%s versions of rows that are gone", got)
	}
	n.exchange()
	if after := n.hub.Dump(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the hub had %v, and has %v", before, after)
	}
	for _, s := range []*sites.Site{n.hub, k} {
		if got := s.One("SELECT COUNT(*) FROM omsync_tombstone"); got != "0" {
			t.Errorf("%s tombstones at %s", got, s.Name)
		}
	}
	n.admit(n.hub, k, "h1", "kim", "h3")
	n.exchange()
	n.whole(n.hub, k, "h1", "h2", "h3", "kim")
	if got := k.One("SELECT GROUP_CONCAT(uuid ORDER BY uuid) FROM relationship"); got != "r12,r23" {
		t.Errorf("the relationships %s came back", got)
	}
	if purgeAt(t, k); k.One("SELECT COUNT(*) FROM patient") != "4" {
		t.Error("who came back is deleted again")
	}
}

// What stands against it keeps a patient there whole, until it is out of the way, or for good.
func TestPurgeWaits(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		sites           []string
		first, then     func(n *scoped, k *sites.Site)
		goes, comesBack bool
	}{
		"a row of a table that is not exchanged refers to the patient": {
			first: func(_ *scoped, k *sites.Site) {
				do(k, "INSERT INTO sym_list (patient_id) VALUES ([person h1])")
			},
			then: func(_ *scoped, k *sites.Site) { k.Exec("DELETE FROM sym_list") }, goes: true},
		"a visit that the hub does not have": {
			first: func(_ *scoped, k *sites.Site) { visit(k, "late", "h1") },
			then:  func(n *scoped, _ *sites.Site) { n.exchange() }, comesBack: true},
		"an edit that the hub does not have": {
			first: func(_ *scoped, k *sites.Site) { do(k, "UPDATE person SET city = 'Ahero' WHERE uuid = 'h1'") },
			then:  func(n *scoped, _ *sites.Site) { n.exchange() }, comesBack: true},
		"a row that nothing names elsewhere": {
			first: func(_ *scoped, k *sites.Site) {
				k.Exec("ALTER TABLE encounter MODIFY uuid CHAR(38) NULL")
				do(k, "INSERT INTO encounter (uuid, patient_id) VALUES (NULL, [person h1])")
			},
			then: func(n *scoped, _ *sites.Site) { n.exchange() }},
		"a child of its own": {sites: []string{"siaya"}, then: func(n *scoped, _ *sites.Site) { n.exchange() }},
	} {
		t.Run(what, func(t *testing.T) {
			n := newScoped(t, 2, "kisumu")
			k := n.site("kisumu")
			k.Exec("CREATE TABLE sym_list (patient_id INT, FOREIGN KEY (patient_id) REFERENCES patient (patient_id))")
			k.Follow()
			for _, name := range c.sites {
				n.below(k, name)
			}
			n.own(n.hub, k, "h1", "h2")
			n.exchange()
			leavePurged(t, n.hub, k, "h1")
			n.send(n.hub, k)
			if c.first != nil {
				c.first(n, k)
			}
			all := k.Dump()
			if got := purgeAt(t, k); len(got) != 0 || fmt.Sprint(k.Dump()) != fmt.Sprint(all) {
				t.Errorf("%+v, and %v is there", got, k.Dump())
			}
			c.then(n, k)
			if got := purgeAt(t, k); len(got) > 0 != c.goes {
				t.Errorf("then %+v", got)
			}
			n.exchange()
			left := "1"
			if !c.goes {
				left = "2"
			}
			if got := k.One("SELECT COUNT(*) FROM patient"); got != left {
				t.Errorf("%s patients at the clinic", got)
			}
			if in := n.hub.One("SELECT COUNT(*) FROM omsync_scope WHERE since > 0"); (in == "2") != c.comesBack {
				t.Errorf("%s are in its scope", in)
			}
		})
	}
}

// What the application writes after the seal is found, and keeps the patient there.
func TestPurgeBesideTheApplication(t *testing.T) {
	t.Parallel()
	for what, write := range map[string]func(*sites.Site){
		"a visit": func(k *sites.Site) { visit(k, "meanwhile", "h1") },
		"an edit": func(k *sites.Site) { do(k, "UPDATE obs SET value_text = '62' WHERE uuid = 'h1-visit-obs'") },
	} {
		n := newScoped(t, 1, "kisumu")
		k := n.site("kisumu")
		n.own(n.hub, k, "h1")
		n.exchange()
		leavePurged(t, n.hub, k, "h1")
		n.send(n.hub, k)
		seals := 0
		o := purging.Options{Wait: sites.Wait, Seal: func(context.Context) error {
			k.Seal()
			if seals++; seals == 1 {
				write(k)
			}
			return nil
		}}
		err := purging.Run(t.Context(), k.J, o, func(p *purging.Purged) error {
			t.Errorf("%s: %+v", what, p)
			return nil
		})
		if err != nil || seals != 2 {
			t.Errorf("%s: %d seals, %v", what, seals, err)
		}
		n.exchange()
		n.whole(n.hub, k, "h1")
	}
}

// purge has a patient leave a clinic's scope, to be deleted there, or come into it.
func (w *scopeWorld) purge() {
	clinics := w.all[2:] // who has children deletes nobody
	child := clinics[w.purges.IntN(len(clinics))]
	parent := w.parents[child]
	in := column(w.t, parent, "SELECT s.owner_key FROM omsync_scope s JOIN omsync_peer p ON p.id = s.peer_id WHERE s.since > 0 AND p.name = '"+child.Name+"' ORDER BY 1")
	if len(in) == 0 || w.purges.IntN(3) == 0 {
		if here := patients(w.t, parent); len(here) > 0 {
			o := here[w.purges.IntN(len(here))]
			w.tell("%s admits %s at %s", parent.Name, o, child.Name)
			w.admit(parent, child, scope.Owner(o))
		}
		return
	}
	o := in[w.purges.IntN(len(in))]
	if len(leavePurged(w.t, parent, child, scope.Owner(o))) > 0 {
		w.tell("%s has %s deleted at %s", parent.Name, o, child.Name)
		w.left[child.Name][o] = true
	}
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
