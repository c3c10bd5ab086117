package doctor_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/openmrs"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/node/config"
	"github.com/omsync/omsync/node/doctor"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// opened returns a site's node, with a home folder of its own.
func opened(t *testing.T, s *sites.Site) *node.Node {
	t.Helper()
	c := &config.Config{Node: s.Name, DSN: s.DSN, Home: filepath.Join(os.TempDir(), "omsync-doctor-"+s.Database)}
	if _, err := os.Stat(c.Home); err != nil {
		t.Cleanup(func() { os.RemoveAll(c.Home) })
		_, err := keys.Create(c.Home, c.Node, keys.X25519)
		if err == nil {
			err = c.Write()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return &node.Node{Config: c, DB: s.J.DB, Database: s.Database, Journal: s.J}
}

// examine returns the findings by check.
func examine(t *testing.T, s *sites.Site) map[string]doctor.Finding {
	t.Helper()
	found, err := doctor.Examine(t.Context(), opened(t, s), doctor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]doctor.Finding{}
	for _, f := range found {
		if f.What == "" || f.Level != doctor.OK && f.Do == "" {
			t.Errorf("a finding that says nothing: %+v", f)
		}
		out[f.Check] = f
	}
	return out
}

// Each check is ok at first, and finds what is done to it.
func TestExamine(t *testing.T) {
	s := sites.New(t, "hub", "openmrs", openmrs.Schema("2.6")...)
	s.Exec("SET foreign_key_checks = 0")
	order := "INSERT INTO orders (order_id, order_type_id, concept_id, orderer, encounter_id, creator, date_created, voided, patient_id, uuid, order_number, order_action, urgency, care_setting) VALUES "
	identifier := "INSERT INTO patient_identifier (patient_id, identifier, identifier_type, location_id, creator, date_created, voided, uuid) VALUES "
	user := "INSERT INTO users (user_id, system_id, username, creator, date_created, person_id, uuid) VALUES "
	s.Exec("INSERT INTO patient_identifier_type (patient_identifier_type_id, name, creator, date_created, uuid, uniqueness_behavior) VALUES (1, 'a', 1, '2020-01-01', 't-1', NULL), (2, 'b', 1, '2020-01-01', 't-2', 'NON_UNIQUE'), (3, 'c', 1, '2020-01-01', 't-3', 'LOCATION')",
		order+"(1, 1, 1, 1, 1, 1, '2020-01-01', 0, 1, 'o-1', 'ORD-1', 'NEW', 'ROUTINE', 1), (2, 1, 1, 1, 1, 1, '2020-01-01', 0, 1, 'o-2', 'ORD-2', 'NEW', 'ROUTINE', 1)",
		// One patient's own, another type's, a voided one, one that need not be unique, one of another place.
		identifier+"(1, 'secret', 1, 1, 1, '2020-01-01', 0, 'i-1'), (1, 'secret', 1, 2, 1, '2020-01-01', 0, 'i-2'), (2, 'secret', 2, 1, 1, '2020-01-01', 0, 'i-3'), (3, 'secret', 2, 1, 1, '2020-01-01', 0, 'i-4'), (2, 'secret', 1, 1, 1, '2020-01-01', 1, 'i-5'), (4, 'secret', 3, 1, 1, '2020-01-01', 0, 'i-6'), (5, 'secret', 3, 2, 1, '2020-01-01', 0, 'i-7')",
		user+"(1, 'admin', '', 1, '2020-01-01', 1, 'u-1'), (2, '3-4', 'ann', 1, '2020-01-01', 1, 'u-2'), (3, '3-4', 'ben', 1, '2020-01-01', 1, 'u-3')")
	s.Init()
	hopes := []string{"server settings", "disk space", "backup of the home folder", "peers", "dangling references"} // what no test can promise, or has to be done first
	for name, f := range examine(t, s) {
		if f.Level != doctor.OK && !slices.Contains(hopes, name) {
			t.Errorf("%s: %+v", name, f)
		}
	}
	for _, c := range []struct {
		check     string
		level     doctor.Level
		says      string
		statement string
	}{
		{"values that must be different", doctor.Fail, "orders.order_number: 1 values that several rows have (such as o-1 and o-3)", order + "(3, 1, 1, 1, 1, 1, '2020-01-01', 1, 1, 'o-3', 'ORD-1', 'NEW', 'ROUTINE', 1)"},
		{"values that must be different", doctor.Fail, "patient_identifier.identifier and identifier_type: 1 values that several rows have (such as i-1 and i-8)", identifier + "(2, 'secret', 1, 3, 1, '2020-01-01', 0, 'i-8')"},
		{"values that must be different", doctor.Fail, "identifier_type: 2 values", identifier + "(6, 'secret', 3, 1, 1, '2020-01-01', 0, 'i-9')"},
		{"names to log in", doctor.Fail, "users: admin (numbers 1 4)", user + "(4, '4-2', 'ADMIN', 1, '2020-01-01', 1, 'u-4')"},
		{"triggers of the application", doctor.Warn, "a_trigger", "CREATE TRIGGER a_trigger BEFORE INSERT ON field FOR EACH ROW INSERT INTO location_tag (name, creator, date_created, uuid) VALUES ('a', 1, '2020-01-01', UUID())"},
		{"tables", doctor.Warn, "a_table: ", "CREATE TABLE a_table (a INT) ENGINE=MyISAM"},
		{"unknown tables", doctor.Warn, "a_module_bed", "CREATE TABLE a_module_bed (a_module_bed_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE) ENGINE=InnoDB"},
	} {
		s.Exec(c.statement)
		s.Reopen()
		if f := examine(t, s)[c.check]; f.Level != c.level || !strings.Contains(f.What, c.says) || strings.Contains(f.What+f.Do, "secret") {
			t.Errorf("%s: %+v, want %s %q", c.check, f, c.level, c.says)
		}
	}
	// Mended, each is fine again.
	s.Exec("UPDATE orders SET order_number = 'ORD-3' WHERE order_id = 3", "UPDATE patient_identifier SET identifier = uuid WHERE uuid IN ('i-8', 'i-9')", "UPDATE users SET username = 'other' WHERE user_id = 4",
		"DROP TRIGGER a_trigger", "CREATE TRIGGER a_trigger BEFORE INSERT ON field FOR EACH ROW BEGIN IF @omsync_quiet IS NULL THEN INSERT INTO location_tag (name, creator, date_created, uuid) VALUES ('a', 1, '2020-01-01', UUID()); END IF; END",
		"DROP TABLE a_table", "DROP TABLE a_module_bed")
	s.Reopen()
	mended := examine(t, s)
	for _, check := range []string{"values that must be different", "names to log in", "triggers of the application", "tables", "unknown tables"} {
		if f := mended[check]; f.Level != doctor.OK {
			t.Errorf("%s is mended, and still: %+v", check, f)
		}
	}
	s.Exec("DROP TRIGGER " + s.One("SELECT trigger_name FROM information_schema.triggers WHERE event_object_schema = DATABASE() AND event_object_table = 'obs' AND event_manipulation = 'INSERT'"))
	if f := examine(t, s)["triggers"]; f.Level != doctor.Fail || !strings.Contains(f.What, "obs") {
		t.Errorf("%+v", f)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := doctor.Examine(gone, opened(t, s), doctor.Options{}); err == nil {
		t.Error("an examination that was broken off says nothing")
	}
}
