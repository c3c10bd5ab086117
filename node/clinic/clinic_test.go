package clinic_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/internal/openmrs"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/node/clinic"
	"github.com/omsync/omsync/node/preflight"
	"github.com/omsync/omsync/schema"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// OtherDSN is the environment variable that names a second server of another kind, on which the clinic is made.
const OtherDSN = "OMSYNC_TEST_CLINIC_DSN"

// write writes a site's file for a new clinic.
func write(t *testing.T, s *sites.Site, out io.Writer, o clinic.Options) (*clinic.Written, error) {
	t.Helper()
	db, name, err := sqldb.Open(s.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if o.Profile = s.Profile; o.Catalogue == nil {
		if o.Catalogue, err = schema.Read(t.Context(), db, name, s.Profile); err != nil {
			t.Fatal(err)
		}
	}
	return clinic.Write(t.Context(), db, out, o)
}

// load runs a file's statements as the client mysql does.
func load(t *testing.T, s *sites.Site, text string) {
	t.Helper()
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, 64<<20)
	end, statement := ";", ""
	for lines.Scan() {
		line := lines.Text()
		if d, ok := strings.CutPrefix(line, "DELIMITER "); ok {
			end = d
			continue
		}
		if statement == "" && (line == "" || strings.HasPrefix(line, "-- ")) {
			continue
		}
		statement += line + "\n"
		if strings.HasSuffix(line, end) {
			s.Exec(strings.TrimSuffix(strings.TrimSuffix(statement, "\n"), end))
			statement = ""
		}
	}
	if strings.TrimSpace(statement) != "" {
		t.Fatalf("a statement without an end: %.200s", statement)
	}
}

// bookkeeping is what a started OpenMRS has in tables that do not travel.
func bookkeeping() []string {
	return []string{
		"REPLACE INTO liquibasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, EXECTYPE) VALUES ('1', 'o''m', 'core.xml', '2020-01-02 03:04:05', 1, 'EXECUTED'), ('2', 'ü', 'core.xml', '2020-01-02', 2, 'EXECUTED')",
		"REPLACE INTO liquibasechangeloglock (ID, LOCKED, LOCKGRANTED, LOCKEDBY) VALUES (1, 1, '2026-01-01', 'the hub')",
		`INSERT INTO scheduler_task_config (task_config_id, name, schedulable_class, repeat_interval, start_on_startup, started, created_by, date_created, last_execution_time, uuid) SELECT
			7, 'Close visits', 'org.openmrs.scheduler.tasks.AutoCloseVisitsTask', 60, 1, 1, MAX(user_id), '2020-01-01', '2026-01-01', 'task-7' FROM users`,
		"INSERT INTO scheduler_task_config (task_config_id, name, schedulable_class, repeat_interval, start_on_startup, started, created_by, date_created, uuid) VALUES (8, 'Report', 'org.example.Mail', 60, 1, 1, NULL, '2020-01-01', 'task-8')",
		"INSERT INTO scheduler_task_config_property (name, value, task_config_id) VALUES ('a', 'taken', 7), ('b', 'not', 8)",
		"INSERT INTO global_property (property, property_value, uuid) VALUES ('x.database_version', '1.2', 'g-1'), ('x.started', 'true', 'g-2'), ('x.password', 'secret', 'g-3'), ('x.words', 'it''s \\\\ \\n é', 'g-4')",
		"REPLACE INTO global_property (property, property_value, uuid) SELECT 'concept.true', MIN(concept_id), 'g-5' FROM concept",
		"UPDATE users SET password = 'p', salt = 's', secret_question = 'q', secret_answer = 'a'",
		"CREATE VIEW a_view AS SELECT property FROM b_view",
		"CREATE OR REPLACE VIEW b_view AS SELECT property FROM global_property",
		"CREATE FUNCTION a_function (a INT) RETURNS INT DETERMINISTIC BEGIN DECLARE b INT; SET b = a + 1; RETURN b; END",
		"CREATE TRIGGER a_trigger BEFORE UPDATE ON field FOR EACH ROW BEGIN SET NEW.description = 'touched'; END",
	}
}

// A clinic that begins with the file has what the hub has once they have exchanged, without a conflict, and its administrator.
func TestNewClinic(t *testing.T) {
	for _, version := range []string{"2.6", "1.9"} {
		t.Run(version, func(t *testing.T) { testNewClinic(t, version) })
	}
}

func testNewClinic(t *testing.T, version string) {
	hub := sites.New(t, "hub", "openmrs", openmrs.Schema(version)...)
	fill(t, hub, version)
	statements := bookkeeping()
	statements[8], statements[9] = strings.Replace(statements[9], "CREATE OR REPLACE", "CREATE", 1), statements[8]
	hub.Exec(statements...)
	hub.Init()
	var out bytes.Buffer
	written, err := write(t, hub, &out, clinic.Options{Password: "Correct1horse"})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "omsync_capture") || strings.Contains(out.String(), "DEFINER=") || strings.Contains(out.String(), "Correct1horse") {
		t.Error("the file holds what is not to be in it")
	}
	server := dbtest.Server(t)
	if dsn := os.Getenv(OtherDSN); dsn != "" {
		server = &dbtest.ServerInfo{DSN: dsn}
	}
	kisumu := sites.NewOn(t, server, "kisumu", "openmrs")
	load(t, kisumu, out.String())
	checkClinic(t, kisumu, written)
	kisumu.Init()
	hub.Connect(kisumu)
	sites.Exchange(hub, kisumu)
	sites.Quiet(t, hub, kisumu)
	if at, here := hub.Dump(), kisumu.Dump(); !reflect.DeepEqual(at, here) {
		for name := range maps.Keys(at) {
			if !reflect.DeepEqual(at[name], here[name]) {
				t.Errorf("%s differs: %d and %d rows", name, len(at[name]), len(here[name]))
			}
		}
	}
	for _, s := range []*sites.Site{hub, kisumu} {
		if c := s.Conflicts(); len(c) > 0 {
			t.Errorf("conflicts at %s: %q", s.Name, c)
		}
	}
	checkLogin(t, kisumu)
	if got := hub.One("SELECT password FROM users WHERE system_id = 'admin'"); got != "p" {
		t.Errorf("the hub's own password is now %q", got)
	}
}

// fill makes the rows of a hub that is at work.
func fill(t *testing.T, hub *sites.Site, version string) {
	if version == "2.6" {
		o := openmrs.Options{Seed: 3, Site: "hub", Patients: 3, Metadata: true, Offset: 300}
		if _, err := openmrs.Load(context.Background(), hub.DB, o); err != nil {
			t.Fatal(err)
		}
		hub.Exec("UPDATE users SET changed_by = (SELECT id FROM (SELECT MAX(user_id) AS id FROM users) x) WHERE system_id = 'admin'")
		return
	}
	hub.Exec("SET foreign_key_checks = 0",
		"INSERT INTO person (person_id, gender, creator, date_created, uuid) VALUES (1, '', 1, '2020-01-01', 'p-1'), (2, '', 1, '2020-01-01', 'p-2'), (3, 'F', 1, '2020-01-01', 'p-3')",
		"INSERT INTO person_name (person_id, given_name, family_name, creator, date_created, uuid) VALUES (1, 'Super', 'User', 1, '2020-01-01', 'n-1'), (3, 'A', 'Patient', 1, '2020-01-01', 'n-3')",
		"INSERT INTO users (user_id, system_id, username, creator, date_created, person_id, uuid) VALUES (1, 'admin', '', 1, '2020-01-01', 1, 'u-1'), (2, 'daemon', 'daemon', 1, '2020-01-01', 2, 'u-2')",
		"INSERT INTO patient (patient_id, creator, date_created) VALUES (3, 1, '2020-01-01')",
		"INSERT INTO role (role, description, uuid) VALUES ('System Developer', '', 'r-1')",
		"INSERT INTO user_role (user_id, role) VALUES (1, 'System Developer')",
		"INSERT INTO concept_class (concept_class_id, name, description, creator, date_created, uuid) VALUES (1, 'Misc', '', 1, '2020-01-01', 'cc-1')",
		"INSERT INTO concept_datatype (concept_datatype_id, name, description, creator, date_created, uuid) VALUES (1, 'N/A', '', 1, '2020-01-01', 'cd-1')",
		"INSERT INTO concept (concept_id, datatype_id, class_id, creator, date_created, uuid) VALUES (5, 1, 1, 1, '2020-01-01', 'c-5')",
		"SET foreign_key_checks = 1")
}

// checkClinic looks at what was loaded.
func checkClinic(t *testing.T, s *sites.Site, written *clinic.Written) {
	t.Helper()
	for query, want := range map[string]string{
		"SELECT COUNT(*) FROM patient": "0",
		"SELECT COUNT(*) FROM liquibasechangelog WHERE ID IN ('1', '2') AND FILENAME = 'core.xml'":                                                     "2",
		"SELECT AUTHOR FROM liquibasechangelog WHERE ID = '1'":                                                                                         "o'm",
		"SELECT CONCAT(LOCKED, IFNULL(LOCKGRANTED, '-'), IFNULL(LOCKEDBY, '-')) FROM liquibasechangeloglock":                                           "0--",
		"SELECT GROUP_CONCAT(name) FROM scheduler_task_config WHERE uuid LIKE 'task-%' AND last_execution_time IS NULL":                                "Close visits",
		"SELECT GROUP_CONCAT(value) FROM scheduler_task_config_property WHERE name IN ('a', 'b')":                                                      "taken",
		"SELECT GROUP_CONCAT(property ORDER BY property) FROM global_property WHERE uuid LIKE 'g-%'":                                                   "x.database_version,x.started,x.words",
		"SELECT property_value FROM global_property WHERE property = 'x.words'":                                                                        "it's \\ \n é",
		"SELECT COUNT(*) FROM users WHERE system_id IN ('admin', 'daemon')":                                                                            "2",
		"SELECT COUNT(*) FROM users WHERE system_id <> 'admin' AND (password IS NOT NULL OR salt IS NOT NULL)":                                         "0",
		"SELECT COUNT(*) FROM users WHERE secret_answer IS NOT NULL OR secret_question IS NOT NULL":                                                    "0",
		"SELECT COUNT(*) FROM users u LEFT JOIN person p USING (person_id) WHERE p.uuid IS NULL":                                                       "0",
		"SELECT COUNT(*) FROM scheduler_task_config t LEFT JOIN users u ON u.user_id = t.created_by WHERE u.uuid IS NULL AND t.created_by IS NOT NULL": "0",
		"SELECT COUNT(*) FROM a_view WHERE property = 'x.words'":                                                                                       "1",
		"SELECT a_function(2)": "3",
		"SELECT GROUP_CONCAT(trigger_name) FROM information_schema.triggers WHERE event_object_schema = DATABASE()": "a_trigger",
		"SELECT COUNT(*) > 0 FROM user_role": "1",
	} {
		if got := s.One(query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	if written.Tables < 90 || fmt.Sprint(written.Left) == "[]" {
		t.Errorf("%+v", written)
	}
	checkLogin(t, s)
}

// checkLogin looks at the password as OpenMRS does.
func checkLogin(t *testing.T, s *sites.Site) {
	t.Helper()
	r := s.Query("SELECT password, salt FROM users WHERE system_id = 'admin'")[0]
	sum := sha512.Sum512([]byte("Correct1horse" + r[1]))
	if r[0] != hex.EncodeToString(sum[:]) || len(r[1]) != 128 {
		t.Errorf("password %s, salt %s", r[0], r[1])
	}
}

// Nobody to log in, or several, is said; and so is a profile that says nothing.
func TestNewClinicRefuses(t *testing.T) {
	hub := sites.New(t, "hub", "openmrs", openmrs.Schema("1.9")...)
	hub.Exec("SET foreign_key_checks = 0")
	user := "INSERT INTO users (user_id, system_id, username, creator, date_created, person_id, retired, uuid) VALUES "
	for _, c := range []struct{ statement, admin, want string }{
		{"DELETE FROM users", "", `nobody in users logs in as "admin"`},
		{user + "(1, 'admin', '', 1, '2020-01-01', 1, 1, 'u-1')", "", `"admin" in users is retired: nobody could log in`},
		{user + "(2, '3-4', 'ADMIN', 1, '2020-01-01', 1, 0, 'u-2')", "", `2 rows of users log in as "admin"`},
		{"DO 0", "nobody", `nobody in users logs in as "nobody"`},
		{"DO 0", "3-4", "<nil>"},
	} {
		hub.Exec(c.statement)
		if _, err := write(t, hub, io.Discard, clinic.Options{First: c.admin, Password: "x"}); fmt.Sprint(err) != c.want {
			t.Errorf("%s, %q: %v, want %s", c.statement, c.admin, err, c.want)
		}
	}
	other := sites.New(t, "other", "none", "CREATE TABLE a (id INT PRIMARY KEY, uuid CHAR(38)) ENGINE=InnoDB")
	if _, err := write(t, other, io.Discard, clinic.Options{}); err == nil || !strings.Contains(err.Error(), "does not say what a new clinic needs") {
		t.Error(err)
	}
	if _, err := write(t, hub, full{}, clinic.Options{First: "3-4"}); !errors.Is(err, errFull) {
		t.Errorf("a full disk: %v", err)
	}
}

var errFull = errors.New("no space")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

// A password that is made can be chosen, and is another each time.
func TestPassword(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		p, err := clinic.MakePassword()
		if err != nil || clinic.CheckPassword(p) != nil || seen[p] || len(p) != 16 {
			t.Fatalf("%q, %v", p, err)
		}
		seen[p] = true
	}
	for _, p := range []string{"", "Short1a", "alllower1", "ALLUPPER1", "NoDigitsAtAll"} {
		if clinic.CheckPassword(p) == nil {
			t.Errorf("%q is taken", p)
		}
	}
}

// What an account may not see is said, with the statement that helps.
func TestRights(t *testing.T) {
	hub := sites.New(t, "hub", "openmrs", openmrs.Schema("1.9")...)
	hub.Exec("SET foreign_key_checks = 0",
		"INSERT INTO users (user_id, system_id, username, creator, date_created, person_id, uuid) VALUES (1, 'admin', '', 1, '2020-01-01', 1, 'u-1')",
		"CREATE VIEW a_view AS SELECT property FROM global_property")
	user := "cl" + hub.Database[len(hub.Database)-8:]
	hub.Exec("CREATE USER '"+user+"'@'localhost' IDENTIFIED BY 'x'", "GRANT "+preflight.AllPrivileges+" ON `"+hub.Database+"`.* TO '"+user+"'@'localhost'")
	t.Cleanup(func() { hub.DB.Exec("DROP USER '" + user + "'@'localhost'") })
	poor := *hub
	poor.DSN = strings.Replace(hub.DSN, "root@", user+":x@", 1)
	_, err := write(t, &poor, io.Discard, clinic.Options{Password: "x"})
	var f *failure.Failure
	if !errors.As(err, &f) || !strings.Contains(f.Hint, "GRANT SHOW VIEW ON") {
		t.Fatalf("%v", err)
	}
	hub.Exec("GRANT SHOW VIEW ON `" + hub.Database + "`.* TO '" + user + "'@'localhost'")
	if _, err := write(t, &poor, io.Discard, clinic.Options{Password: "x"}); err != nil {
		t.Error(err)
	}
	hub.Exec("CREATE PROCEDURE a_procedure () SELECT 1", "GRANT EXECUTE ON `"+hub.Database+"`.* TO '"+user+"'@'localhost'")
	if _, err := write(t, &poor, io.Discard, clinic.Options{Password: "x"}); !errors.As(err, &f) || !strings.Contains(f.Hint, "SHOW_ROUTINE") {
		t.Errorf("%v", err)
	}
}
