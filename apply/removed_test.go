package apply_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/journal"
)

// contentOf is what is kept of a row, with who had added it: "by N: column=value column=>table:key …", by name; "" if it is not kept.
func contentOf(t *testing.T, s *sites.Site, table, key string) string {
	t.Helper()
	authors, err := journal.LoadAuthors(t.Context(), s.DB)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := journal.DeletedRows(t.Context(), s.DB, s.J.Tables[table].ID, []string{key}, authors)
	if err != nil {
		t.Fatal(err)
	}
	d, ok := rows[key]
	if !ok {
		return ""
	}
	var out []string
	for _, c := range s.J.Catalogue.Table(table).Columns {
		switch v, there := d.Content[c.Name]; {
		case there && v.Text == nil:
			out = append(out, c.Name+"=NULL")
		case there && v.Table != "":
			out = append(out, c.Name+"=>"+v.Table+":"+*v.Text)
		case there:
			out = append(out, c.Name+"="+*v.Text)
		}
	}
	return fmt.Sprintf("by %d: %s", d.AddedBy, strings.Join(out, " "))
}

// What the hub's application deletes is kept whole by the seal, however it does, with references as keys: also to rows that were deleted in
// the same period, in any order.
func TestApplicationsDeletionsAreKept(t *testing.T) {
	hub, kisumu, _ := returnNetwork(t)
	kisumu.Exec("INSERT INTO place (name, uuid) VALUES ('of kisumu', 'p-kisumu')")
	sites.Exchange(kisumu, hub)
	byKisumu := hub.Peer(kisumu).ID
	for _, c := range []struct {
		name       string
		statements []string
		want       map[string]string // by table and key
	}{
		{"a child had added it", []string{"DELETE FROM place"}, map[string]string{
			"place p-kisumu": fmt.Sprintf("by %d: name=of kisumu uuid=p-kisumu", byKisumu), "place p-1": "by 0: name=ward 1 uuid=p-1"}},
		{"a tree in one transaction", []string{"START TRANSACTION", "DELETE FROM visit_type WHERE uuid = 't-3'", "DELETE FROM visit_type WHERE uuid = 't-1'", "DELETE FROM family", "COMMIT"}, map[string]string{
			"visit_type t-3": "by 0: name=dental code=NULL parent_id=>visit_type:t-1 family_id=NULL uuid=t-3",
			"visit_type t-1": "by 0: name=outpatient code=print(1) parent_id=NULL family_id=>family:f-1 uuid=t-1",
			"family f-1":     "by 0: name=care uuid=f-1",
		}},
		{"the referred row first, and its number to another", []string{"SET foreign_key_checks = 0", "DELETE FROM family", "INSERT INTO family (family_id, name, uuid) VALUES (1, 'another', 'f-2')",
			"DELETE FROM visit_type WHERE uuid = 't-1'", "SET foreign_key_checks = 1"}, map[string]string{
			"visit_type t-1": "by 0: name=outpatient code=print(1) parent_id=NULL family_id=>family:f-1 uuid=t-1",
		}},
		{"another uuid, twice, and then deleted", []string{"UPDATE visit_type SET uuid = 't-2b', name = 'changed' WHERE uuid = 't-2'", "UPDATE visit_type SET uuid = 't-2c' WHERE uuid = 't-2b'",
			"DELETE FROM visit_type WHERE uuid = 't-2c'"}, map[string]string{
			"visit_type t-2":  "by 0: name=other code=NULL parent_id=NULL family_id=NULL uuid=t-2",
			"visit_type t-2b": "", // nobody has heard of it
			"visit_type t-2c": "",
		}},
		{"replaced", []string{"REPLACE INTO visit_type (type_id, name, uuid) VALUES (2, 'new', 't-9')"}, map[string]string{
			"visit_type t-2": "by 0: name=other code=NULL parent_id=NULL family_id=NULL uuid=t-2", "visit_type t-9": ""}},
		{"it lives on", []string{"REPLACE INTO visit_type (type_id, name, uuid) VALUES (77, 'new', 't-2')"}, map[string]string{"visit_type t-2": ""}},
		{"a table that goes both ways", []string{"INSERT INTO visit (uuid) VALUES ('v-1')", "seal", "DELETE FROM visit"}, map[string]string{"visit v-1": ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			sites.Use(t, hub)
			for _, table := range []string{"visit", "visit_type", "family", "place"} { // as it was before
				hub.Exec("CREATE TABLE keep_" + table + " AS SELECT * FROM " + table)
			}
			for _, s := range c.statements {
				if s == "seal" {
					hub.Seal()
				} else {
					hub.Exec(s)
				}
			}
			hub.Seal()
			for name, want := range c.want {
				table, key, _ := strings.Cut(name, " ")
				if got := contentOf(t, hub, table, key); got != want {
					t.Errorf("%s\n got: %s\nwant: %s", name, got, want)
				}
			}
			if n := hub.One("SELECT COUNT(*) FROM omsync_removed"); n != "0" {
				t.Errorf("%s are left in omsync_removed", n)
			}
			hub.Exec("SET foreign_key_checks = 0", "DELETE FROM omsync_deleted")
			for _, table := range []string{"visit", "visit_type", "family", "place"} {
				hub.Exec("DELETE FROM "+table, "INSERT INTO "+table+" SELECT * FROM keep_"+table, "DROP TABLE keep_"+table)
			}
			hub.Exec("SET foreign_key_checks = 1")
			hub.Seal()
			hub.Exec("DELETE FROM omsync_deleted")
		})
	}
}

// With keep_deleted_days = 0 the triggers write nothing of a row, and to change that leaves no gap.
func TestNothingIsKept(t *testing.T) {
	hub, _, _ := returnNetwork(t)
	hub.J.KeepNone = true
	f := hub.Follow()
	if got := fmt.Sprint(f.Triggers, f.Missed); got != "[family place visit_type] []" {
		t.Errorf("triggers made again, and gaps: %s", got)
	}
	hub.Exec("DELETE FROM visit_type WHERE uuid = 't-2'")
	if n := hub.One("SELECT COUNT(*) FROM omsync_removed"); n != "0" {
		t.Errorf("%s rows were written", n)
	}
	hub.Seal()
	if got := contentOf(t, hub, "visit_type", "t-2"); got != "" {
		t.Errorf("kept: %s", got)
	}
	hub.J.KeepNone = false
	if got := fmt.Sprint(hub.Follow().Missed); got != "[]" {
		t.Errorf("gaps: %s", got)
	}
}

// A row that the application deletes while a file is on its way that needs it comes back too: the import asks for a seal first.
func TestRowDeletedJustNowReturns(t *testing.T) {
	hub, kisumu, migori := returnNetwork(t)
	kisumu.Exec("INSERT INTO visit (type_id, uuid) SELECT type_id, 'v-1' FROM visit_type WHERE uuid = 't-3'")
	up := kisumu.Export(hub)[0]
	hub.Exec("START TRANSACTION", "DELETE FROM visit_type WHERE uuid = 't-3'", "DELETE FROM visit_type WHERE uuid = 't-1'", "DELETE FROM family", "COMMIT")
	hub.Import(up)
	sites.ExchangeTwice(hub, kisumu, migori)
	for _, s := range []*sites.Site{hub, kisumu, migori} {
		shows(t, s, typesOf, "t-1 outpatient print(1) NULL f-1", "t-2 other NULL NULL NULL", "t-3 dental NULL t-1 NULL")
	}
	sites.Quiet(t, hub, kisumu, migori)
	sites.Same(t, hub, kisumu)
	sites.Same(t, hub, migori)
}

// What the server deletes by cascade is kept too, and comes back.
func TestCascadedRowReturns(t *testing.T) {
	schema := append([]string{}, returnSchema...)
	for i, ddl := range schema {
		schema[i] = strings.Replace(ddl, "REFERENCES family (family_id)", "REFERENCES family (family_id) ON DELETE CASCADE", 1)
	}
	hub, clinic := sites.New(t, "hub", returnProfile, schema...), sites.New(t, "clinic", returnProfile, schema...)
	hub.Exec("INSERT INTO family (name, uuid) VALUES ('care', 'f-1')", "INSERT INTO visit_type (name, code, family_id, uuid) VALUES ('outpatient', 'é', 1, 't-1')")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	sites.Exchange(hub, clinic)
	clinic.Exec("INSERT INTO visit (type_id, uuid) SELECT type_id, 'v-1' FROM visit_type")
	hub.Exec("DELETE FROM family")
	sites.ExchangeTwice(hub, clinic)
	shows(t, hub, typesOf, "t-1 outpatient é NULL f-1")
	sites.Quiet(t, hub, clinic)
	sites.Same(t, hub, clinic)
}
