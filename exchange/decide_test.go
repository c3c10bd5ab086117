package exchange

import (
	"database/sql"
	"testing"

	"github.com/omsync/omsync/harmonise"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/match"
)

// What a person decided holds: with the load, one row gets the hub's values and goes under its key, what is kept apart stays two, and what is sent
// is new at the hub.
func TestDecide(t *testing.T) {
	hub, all := treeOf(t, apartProfile, apart, "clinic")
	clinic := all["clinic"]
	worked(t, hub, clinic)
	dbtest.Exec(t, hub.DB, "INSERT INTO kind (uuid, name) VALUES ('H-apart', 'Apart'), ('H-own', 'The own one')")
	dbtest.Exec(t, clinic.DB, "INSERT INTO kind (uuid, name) VALUES ('C-apart', 'Apart')", "DELETE FROM staff WHERE uuid = 'C-none'")
	ctx := t.Context()
	there := must(clinic.x.ReadMatch(ctx, clinic.peer("hub"), hub.exportMatch("clinic", t.TempDir())))
	decide := func(list ...match.Decision) error {
		t.Helper()
		m, err := clinic.x.Match(ctx, clinic.peer("hub"), there, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range list { // with the labels that stand beside them
			for _, row := range m.Here().Table(list[i].Table).Rows {
				if row.Key == list[i].Here {
					list[i].LabelHere = row.Label
				}
			}
		}
		if problems := m.Check(list); problems != nil {
			return problems[0]
		}
		return clinic.x.Decide(ctx, clinic.peer("hub"), list)
	}
	jane := match.Decision{Table: "staff", Here: "c-jane", There: "h-jane", Kind: match.Same}
	own := match.Decision{Table: "kind", Here: "c-own", There: "h-own", Kind: match.Same}
	// One that was wrong, and is changed.
	if err := decide(match.Decision{Table: "staff", Here: "c-bob", There: "h-jane", Kind: match.Same}); err != nil {
		t.Fatal(err)
	}
	if err := decide(jane, own, match.Decision{Table: "kind", Here: "c-apart", There: "h-apart", Kind: match.Apart}, match.Decision{Table: "staff", Here: "c-chief", Kind: match.Send}); err != nil {
		t.Fatal(err)
	}
	before := clinic.sums()["omsync_alias"]
	if err := decide(jane, match.Decision{Table: "staff", Here: "c-bob", There: "h-jane", Kind: match.Same}); err == nil {
		t.Error("two rows are mapped to one")
	}
	if clinic.sums()["omsync_alias"] != before {
		t.Error("a decision that was refused is kept")
	}
	kept, err := harmonise.LoadDecisions(clinic.x.Home, "hub", clinic.peer("hub").Link.Number)
	if err != nil || len(kept) != 4 {
		t.Errorf("%+v, %v", kept, err)
	}
	dbtest.Exec(t, clinic.DB, "UPDATE staff SET mail = NULL WHERE uuid = 'C-bob'") // which collides
	clinic.deliver(hub)
	hub.deliver(clinic)
	clinic.deliver(hub)
	for _, c := range []struct {
		n           *node
		query, want string
	}{
		{clinic, "SELECT GROUP_CONCAT(uuid ORDER BY uuid) FROM kind WHERE TRIM(name) IN ('Visit', 'Apart', 'The own one')", "C-apart,C-own,C-visit,H-apart"},
		{clinic, "SELECT GROUP_CONCAT(uuid ORDER BY uuid) FROM staff", "C-bob,C-chief,C-jane,H-ann,H-joe"},
		{hub, "SELECT GROUP_CONCAT(uuid ORDER BY uuid) FROM kind WHERE name IN ('Visit', 'Apart', 'The own one')", "H-apart,H-own,H-visit"},
		{hub, "SELECT GROUP_CONCAT(uuid ORDER BY uuid) FROM staff", "C-bob,C-chief,H-ann,H-jane,H-joe"},
		{hub, "SELECT GROUP_CONCAT(CONCAT(v.uuid, '=', k.uuid) ORDER BY v.uuid) FROM visit v JOIN kind k ON k.id = v.kind_id WHERE v.uuid LIKE 'C-%'", "C-v1=H-own,C-v2=H-visit,C-v3=H-visit,C-v4=H-own"},
		{hub, "SELECT GROUP_CONCAT(CONCAT(s.uuid, '=', k.uuid) ORDER BY s.uuid, k.uuid) FROM skill x JOIN staff s ON s.id = x.staff_id JOIN kind k ON k.id = x.kind_id WHERE s.uuid IN ('C-bob', 'H-jane')", "C-bob=H-own,H-jane=H-visit"},
	} {
		got := ""
		if err := sqldb.Each(ctx, c.n.DB, c.query, func(r []sql.RawBytes) error { got = string(r[0]); return nil }); err != nil || got != c.want {
			t.Errorf("%s: %s: %s, want %s (%v)", c.n.Name, c.query, got, c.want, err)
		}
	}
	if told := clinic.peer("hub").Link.Applied.Epoch; told == 0 {
		t.Fatal("nothing is applied")
	}
	// What is settled is known to the next comparison.
	m, _ := clinic.match("hub", hub.exportMatch("clinic", t.TempDir()))
	for _, l := range m.Report.OnlyHere {
		if l.Here != "c-apart" && l.Here != "c-twice" && l.Here != "c-null" && l.Here != "c-unused" && l.Here != "only.clinic" {
			t.Errorf("%+v", l)
		}
	}
	if m.Report.Waiting != 0 {
		t.Errorf("%d rows would wait", m.Report.Waiting)
	}
}
