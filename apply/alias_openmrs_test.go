package apply_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/openmrs"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/journal"
)

// things are the rows that several sites have which lived apart, by the ends of their uuids: each site but the first has another first letter.
type things map[string]string

// of is what the first site calls a row, by what any site calls it.
func (a things) of(key string) string {
	parts := strings.Split(key, "/")
	for i, p := range parts {
		if len(p) > 30 && p[0] > 'f' && a[p[1:]] != "" {
			parts[i] = a[p[1:]]
		}
	}
	return strings.Join(parts, "/")
}

// livedApart makes sites with OpenMRS 2.6 that lived apart: each has uuids and integers of its own for all that they have in common.
func livedApart(t *testing.T, patients int, names ...string) (all []*sites.Site, a things) {
	t.Helper()
	tables := openmrs.Schema("2.6")
	a = things{}
	for i, name := range names {
		s := sites.New(t, name, "openmrs", tables...)
		s.Waits, s.Listens = true, true
		o := openmrs.Options{Seed: int64(1 + i), Site: name, Patients: patients, Metadata: true, Offset: int64(i) * 700}
		if _, err := openmrs.Load(t.Context(), s.DB, o); err != nil {
			t.Fatal(err)
		}
		for _, r := range s.Query("SELECT table_name FROM information_schema.columns WHERE table_schema = DATABASE() AND column_name = 'uuid'") {
			if i > 0 {
				s.Exec(fmt.Sprintf("UPDATE `%s` SET uuid = CONCAT('%c', SUBSTRING(uuid, 2)) WHERE uuid <> ''", r[0], 'z'-i+1))
				continue
			}
			for _, u := range s.Query("SELECT uuid FROM `" + r[0] + "` WHERE uuid <> ''") {
				key := strings.ToLower(u[0])
				a[key[1:]] = key
			}
		}
		all = append(all, s)
	}
	return all, a
}

// clinicsApart makes a hub and a clinic that lived apart.
func clinicsApart(t *testing.T, patients int) (hub, clinic *sites.Site, a things) {
	t.Helper()
	all, a := livedApart(t, patients, "hub", "clinic")
	hub, clinic = all[0], all[1]
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	return hub, clinic, a
}

// decide has a person decide what is not certain: everything that the generator knows to be one thing.
func (a things) decide(t testing.TB, hub, clinic *sites.Site) (decided int) {
	t.Helper()
	var all []journal.Alias
	for _, table := range clinic.J.Replicated() {
		if !journal.HasAliases(table) || len(table.KeyColumns) != 1 || !table.KeyColumns[0].UUIDColumn {
			continue
		}
		there := map[string]string{}
		for _, r := range hub.Query("SELECT uuid FROM `" + table.Name + "`") {
			their := strings.ToLower(r[0])
			there[a.of(their)] = their
		}
		here := map[string]bool{}
		for _, r := range clinic.Query("SELECT uuid FROM `" + table.Name + "`") {
			here[strings.ToLower(r[0])] = true
		}
		for _, k := range clinic.J.Profile.NaturalKeys(clinic.J.Catalogue, table) { // what has one that is certain needs nobody
			if !k.Certain || k.Of != table {
				continue
			}
			where, columns := "TRUE", []string{}
			for _, c := range k.Columns {
				where += " AND " + c.Name + " <> ''"
				columns = append(columns, c.Name)
			}
			for _, f := range k.Where {
				where += fmt.Sprintf(" AND %s = '%s'", f.Column.Name, f.Value)
			}
			if len(k.Only) > 0 {
				where += " AND " + k.Columns[0].Name + " IN ('" + strings.Join(k.Only, "','") + "')"
			}
			for _, r := range clinic.Query("SELECT MIN(uuid) FROM `" + table.Name + "` WHERE " + where + " GROUP BY " + strings.Join(columns, ", ") + " HAVING COUNT(*) = 1") {
				delete(here, strings.ToLower(r[0]))
			}
		}
		for own := range here {
			if their := there[a.of(own)]; their != "" && their != own {
				all = append(all, journal.Alias{Peer: clinic.Peer(hub).ID, Table: clinic.J.Tables[table.Name].ID, Their: their, Own: own, From: journal.AliasDecided, At: 1})
			}
		}
	}
	if err := journal.PutAliases(t.Context(), clinic.J.DB, all); err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// once makes sure that nothing of what several sites have is at one of them under two keys.
func (a things) once(t testing.TB, s *sites.Site) {
	t.Helper()
	for table, rows := range s.Dump() {
		seen := map[string]bool{}
		for key := range rows {
			if seen[a.of(key)] {
				t.Errorf("%s has %s %s twice", s.Name, table, a.of(key))
			}
			seen[a.of(key)] = true
		}
	}
}

// named is a dump in the words of the first site. It knows nothing of aliases, nor of how omsync translates.
func (a things) named(d sites.Dumped) sites.Dumped {
	out := sites.Dumped{}
	for table, rows := range d {
		out[table] = map[string]map[string]string{}
		for key, row := range rows {
			named := map[string]string{}
			for c, v := range row {
				named[c] = a.of(v)
			}
			out[table][a.of(key)] = named
		}
	}
	return out
}

func TestOpenMRSThatLivedApart(t *testing.T) {
	if testing.Short() {
		t.Skip("loads two databases")
	}
	hub, clinic, a := clinicsApart(t, 6)
	before := hub.Dump()
	decided := a.decide(t, hub, clinic)
	sites.ExchangeTwice(hub, clinic)
	sites.Quiet(t, hub, clinic)
	a.once(t, hub)
	a.once(t, clinic)
	certain := map[string]int{}
	for _, l := range clinic.Aliases(hub) {
		table, _, _ := strings.Cut(l, " ")
		certain[table]++
	}
	if certain["encounter_type"] == 0 || certain["concept_class"] == 0 || certain["concept_name"] == 0 || decided == 0 {
		t.Errorf("%d decided, of tables %v", decided, certain)
	}
	for _, s := range []*sites.Site{hub, clinic} {
		if got := s.Query("SELECT CONVERT(reason USING utf8mb4), CONVERT(text USING utf8mb4), COUNT(*) FROM omsync_waiting GROUP BY 1, 2 LIMIT 10"); len(got) > 0 {
			t.Errorf("at %s wait %v", s.Name, got)
		}
	}
	for _, table := range []string{"encounter", "obs", "patient", "orders", "visit"} {
		mine := clinic.One("SELECT COUNT(*) FROM `" + table + "`")
		if got := fmt.Sprint(len(hub.Dump()[table])); got != mine || len(before[table]) == len(hub.Dump()[table]) {
			t.Errorf("%s: %s rows at the hub, %s at the clinic, %d before", table, got, mine, len(before[table]))
		}
	}
	sites.SameUnderAliases(t, clinic, hub, notShared(clinic)...)
	if t.Failed() {
		return
	}
	for _, q := range []string{"UPDATE encounter_type SET name = CONCAT(name, ' 2') WHERE encounter_type_id = (SELECT n FROM (SELECT MIN(encounter_type_id) n FROM encounter_type) x)",
		"UPDATE obs SET comments = 'hub' LIMIT 20", "UPDATE person SET gender = 'F' LIMIT 3", "UPDATE location SET description = 'renamed' LIMIT 2"} {
		hub.Exec(q)
	}
	clinic.Exec("UPDATE obs SET comments = 'clinic' ORDER BY obs_id DESC LIMIT 20", "UPDATE encounter SET encounter_datetime = '2024-01-02 03:04:05' LIMIT 10", "DELETE FROM person_attribute LIMIT 3")
	sites.ExchangeTwice(hub, clinic)
	sites.Quiet(t, hub, clinic)
	sites.SameUnderAliases(t, clinic, hub, notShared(clinic)...)
}

// notShared names the tables of which the clinic keeps rows that it sends to nobody.
func notShared(s *sites.Site) (out []string) {
	for _, t := range s.J.Replicated() {
		if !slices.Contains([]string{"both"}, t.Direction.String()) {
			out = append(out, t.Name)
		}
	}
	return out
}
