package exchange

import (
	"slices"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/openmrs"
)

// An OpenMRS 1.9 and one of 2.6 are compared by what both have.
func TestMatchVersions(t *testing.T) {
	hub, old := newNode(t, "hub", "openmrs", openmrs.Schema("2.6")), newNode(t, "old", "openmrs", openmrs.Schema("1.9"))
	hub.add(old, "child")
	old.add(hub, "parent")
	person := "INSERT INTO person (person_id, gender, birthdate, creator, date_created, uuid) VALUES "
	user := "INSERT INTO users (user_id, system_id, username, creator, date_created, person_id, uuid) VALUES "
	for _, n := range []*node{hub, old} {
		u := n.Name[:1]
		dbtest.Exec(t, n.DB, "SET foreign_key_checks = 0",
			person+"(1, 'M', NULL, 1, '2020-01-01', '"+u+"-p1'), (2, 'F', '1980-02-03', 1, '2020-01-01', '"+u+"-p2')",
			user+"(1, 'admin', 'admin', 1, '2020-01-01', 1, '"+u+"-admin'), (2, '5-1', 'jane', 1, '2020-01-01', 2, '"+u+"-jane')",
			"INSERT INTO encounter_type (encounter_type_id, name, description, creator, date_created, uuid) VALUES ("+map[string]string{"h": "7", "o": "1"}[u]+", 'VITALS ', '', 1, '2020-01-01', '"+u+"-vitals')",
			"INSERT INTO concept_reference_source (concept_source_id, name, description, creator, date_created, uuid) VALUES (1, 'CIEL', '', 1, '2020-01-01', '"+u+"-ciel')",
			"INSERT INTO concept_reference_term (concept_reference_term_id, concept_source_id, code, creator, date_created, uuid) VALUES (1, 1, '1065', 1, '2020-01-01', '"+u+"-1065')",
			"INSERT INTO concept_class (concept_class_id, name, description, creator, date_created, uuid) VALUES (1, 'Misc', '', 1, '2020-01-01', '"+u+"-misc')",
			"INSERT INTO concept_datatype (concept_datatype_id, name, description, creator, date_created, uuid) VALUES (1, 'N/A', '', 1, '2020-01-01', 'same')",
			"INSERT INTO concept (concept_id, class_id, datatype_id, creator, date_created, uuid) VALUES (1, 1, 1, 1, '2020-01-01', '"+u+"-yes')",
			"INSERT INTO concept_map_type (concept_map_type_id, name, creator, date_created, uuid) VALUES (1, 'SAME-AS', 1, '2020-01-01', '"+u+"-sameas')",
			"INSERT INTO concept_reference_map (concept_id, concept_reference_term_id, concept_map_type_id, creator, date_created, uuid) VALUES (1, 1, 1, 1, '2020-01-01', '"+u+"-map')",
			"INSERT INTO location_tag (location_tag_id, name, creator, date_created, uuid) VALUES (1, 'Login', 1, '2020-01-01', '"+u+"-login')",
			"INSERT INTO location (location_id, name, creator, date_created, uuid) VALUES (1, 'Ward', 1, '2020-01-01', 'ward')",
			"INSERT INTO location_tag_map VALUES (1, 1)",
			"SET foreign_key_checks = 1")
	}
	m, _ := old.match("hub", hub.exportMatch("old", t.TempDir()))
	want := []string{"concept proposed o-yes~h-yes 0", "concept_class matched o-misc~h-misc 0", "concept_map_type matched o-sameas~h-sameas 0", "concept_reference_source matched o-ciel~h-ciel 0", "concept_reference_term matched o-1065~h-1065 0",
		"encounter_type matched o-vitals~h-vitals 0", "location_tag matched o-login~h-login 0", "users matched o-admin~h-admin 0", "users proposed o-jane~h-jane 1"}
	if got := matchLines(m.Report); !slices.Equal(got, want) {
		t.Errorf("%q, want\n%q", got, want)
	}
	for _, c := range m.Report.Tables {
		if c.Table == "location_tag_map" && c.Same != 1 || c.Table == "concept_datatype" && c.Same != 1 || c.Table == "order_frequency" || c.Table == "care_setting" {
			t.Errorf("%+v", c)
		}
	}
	for _, l := range m.Report.Proposed {
		if l.Table == "concept" && !slices.Equal(l.For, []string{"same mapping: 1065", "same class: Misc", "same datatype: N/A"}) {
			t.Errorf("%q", l.For)
		}
	}
}
