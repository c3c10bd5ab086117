package apply_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/openmrs"
	"github.com/omsync/omsync/internal/sites"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// network is a hub and two clinics below it, on OpenMRS 2.6, each with integers of its own that overlap with the others'.
type network struct {
	t                   *testing.T
	hub, kisumu, migori *sites.Site
}

func (n *network) all() []*sites.Site { return []*sites.Site{n.hub, n.kisumu, n.migori} }

// newNetwork makes the three: the hub with a small clinic's data, kisumu with some rights of its own under other uuids,
// migori empty. Then they exchange until all hold the same.
func newNetwork(t *testing.T) *network {
	t.Helper()
	tables := openmrs.Schema("2.6")
	from := func(first int) (out []string) { // the integers of tables that have their own; quicker than to alter them all
		for _, q := range tables {
			out = append(out, strings.Replace(q, "ENGINE=InnoDB", fmt.Sprintf("ENGINE=InnoDB AUTO_INCREMENT=%d", first), 1))
		}
		return out
	}
	n := &network{t: t, hub: sites.New(t, "hub", "openmrs", tables...), kisumu: sites.New(t, "kisumu", "openmrs", from(20)...),
		migori: sites.New(t, "migori", "openmrs", from(35)...)}
	ctx := context.Background()
	if _, err := openmrs.Load(ctx, n.hub.DB, openmrs.Options{Seed: 1, Site: "hub", Patients: 12, Metadata: true}); err != nil {
		t.Fatal(err)
	}
	n.kisumu.Exec("INSERT INTO role (role, description, uuid) VALUES ('Nurse', 'made here', 'kisumu-nurse')",
		"INSERT INTO privilege (privilege, description, uuid) VALUES ('Get Patients', 'made here', 'kisumu-get-patients')",
		"INSERT INTO role_privilege (role, privilege) VALUES ('Nurse', 'Get Patients')")
	for _, s := range n.all() {
		s.Init()
	}
	n.hub.Connect(n.kisumu)
	n.hub.Connect(n.migori)
	sites.ExchangeTwice(n.all()...)
	sites.Quiet(t, n.all()...)
	n.same()
	if a, b := local(n.hub, "[location name=Republic]"), local(n.kisumu, "[location name=Republic]"); a == b {
		t.Fatalf("the sites' integers are the same: %s", a)
	}
	return n
}

func (n *network) same() {
	n.t.Helper()
	sites.Same(n.t, n.hub, n.kisumu)
	sites.Same(n.t, n.hub, n.migori)
}

// admin is the uuid of the administrator, whom every site has from the hub.
const admin = "82f18b44-6814-11e8-923f-e9a88dcb533f"

// reference is "[table uuid]" or "[table column=value]" in a statement: the row's integer at that site.
var reference = regexp.MustCompile(`\[(\w+) (?:(\w+)=)?([^\]]+)\]`)

// local puts a site's own integers in the place of references.
func local(s *sites.Site, statement string) string {
	return reference.ReplaceAllStringFunc(statement, func(r string) string {
		m := reference.FindStringSubmatch(r)
		table, column, value := m[1], m[2], m[3]
		if table == "concept" && column == "name" {
			return s.One("SELECT concept_id FROM concept_name WHERE name = ? AND locale = 'en'", value)
		}
		if column == "" {
			column = "uuid"
		}
		return s.One(fmt.Sprintf("SELECT %s FROM %s WHERE %s = ?", s.J.Catalogue.Table(table).PrimaryKey[0].Name, table, column), value)
	})
}

// do executes statements at a site.
func do(s *sites.Site, statements ...string) {
	for _, q := range statements {
		s.Exec(local(s, q))
	}
}

// put inserts a row: uuid ("" where the table has none), what is given, and who made it when, where the table says so.
func put(s *sites.Site, table, uuid, values string) {
	t := s.J.Catalogue.Table(table)
	q := "INSERT INTO " + table + " SET " + values
	if uuid != "" {
		q += ", uuid = '" + uuid + "'"
	}
	for _, c := range [][2]string{{"creator", "[users " + admin + "]"}, {"date_created", "'2024-05-06 07:08:09'"}} {
		if t.Column(c[0]) != nil && !strings.Contains(values, c[0]) {
			q += ", " + c[0] + " = " + c[1]
		}
	}
	do(s, strings.Replace(q, "SET , ", "SET ", 1))
}

// patient registers somebody: person, patient, name, identifier and address, with uuids that begin alike.
func patient(s *sites.Site, uuid string) {
	put(s, "person", uuid, "gender = 'F', birthdate = '1990-01-31'")
	put(s, "patient", "", "patient_id = [person "+uuid+"]")
	put(s, "person_name", uuid+"-name", "person_id = [person "+uuid+"], given_name = 'Achieng', family_name = 'Otieno', preferred = 1")
	put(s, "patient_identifier", uuid+"-number", "patient_id = [person "+uuid+"], identifier = '"+uuid+"', identifier_type = [patient_identifier_type name=OpenMRS ID], location_id = [location name=Unknown Location], preferred = 1")
	put(s, "person_address", uuid+"-address", "person_id = [person "+uuid+"], city_village = 'Ahero'")
}

// purge deletes a patient and all that patient added.
func purge(s *sites.Site, uuid string) {
	for _, table := range []string{"person_address", "patient_identifier", "person_name"} {
		column := map[bool]string{true: "patient_id", false: "person_id"}[table == "patient_identifier"]
		do(s, "DELETE FROM "+table+" WHERE "+column+" = [person "+uuid+"]")
	}
	do(s, "DELETE FROM patient WHERE patient_id = [person "+uuid+"]", "DELETE FROM person WHERE uuid = '"+uuid+"'")
}

func encounter(s *sites.Site, uuid, patient string) {
	put(s, "encounter", uuid, "patient_id = [person "+patient+"], encounter_type = [encounter_type name=Adult visit], encounter_datetime = '2024-05-06 07:08:09', location_id = [location name=Unknown Location]")
}

func obs(s *sites.Site, uuid, patient, encounter, concept, values string) {
	put(s, "obs", uuid, "person_id = [person "+patient+"], encounter_id = [encounter "+encounter+"], concept_id = [concept name="+concept+"], obs_datetime = '2024-05-06 07:08:09', "+values)
}

// next is the integer that a table gives to its next row from now on.
func next(s *sites.Site, n int, tables ...string) {
	for _, t := range tables {
		s.Exec(fmt.Sprintf("ALTER TABLE %s AUTO_INCREMENT = %d", t, n))
	}
}

// scenario is something that people do at the sites, and what all three must hold once they have exchanged.
type scenario struct {
	name   string
	before func(n *network) // is exchanged before do
	do     func(n *network)
	holds  [][2]string       // a query, and the one value that it must give at every site
	at     map[string]string // "site: query" and the value that it must give there
}

// play runs scenarios one after the other on one network: each has rows of its own. Every file is imported twice, and what
// a clinic did reaches the other through the hub. In the end the whole databases are compared.
func play(t *testing.T, n *network, list []scenario) {
	for _, s := range list {
		t.Run(s.name, func(t *testing.T) {
			sites.Use(t, n.all()...)
			n := &network{t, n.hub, n.kisumu, n.migori}
			if s.before != nil {
				s.before(n)
				sites.ExchangeTwice(n.all()...)
			}
			s.do(n)
			sites.ExchangeTwice(n.all()...)
			for _, h := range s.holds {
				for _, site := range n.all() {
					n.holds(site, h[0], h[1])
				}
			}
			for query, want := range s.at {
				name, query, _ := strings.Cut(query, ": ")
				for _, site := range n.all() {
					if site.Name == name {
						n.holds(site, query, want)
					}
				}
			}
			sites.Quiet(t, n.all()...)
		})
	}
	sites.Use(t, n.all()...)
	(&network{t, n.hub, n.kisumu, n.migori}).same()
}

func (n *network) holds(s *sites.Site, query, want string) {
	n.t.Helper()
	if got := s.One(local(s, query)); got != want {
		n.t.Errorf("at %s: %q, want %q\nfrom: %s", s.Name, got, want, query)
	}
}

// TestScenarios plays what people do with OpenMRS, all on one network.
func TestScenarios(t *testing.T) {
	n := newNetwork(t)
	for _, theme := range []struct {
		name string
		list []scenario
	}{
		{"people", people()}, {"care", care()}, {"rights", rights()}, {"dictionary", dictionary()}, {"both", both()},
	} {
		t.Run(theme.name, func(t *testing.T) { play(t, n, theme.list) })
	}
	t.Run("clinics", func(t *testing.T) { clinics(t, n) })
}

// clinics lets both clinics register patients of all kinds at once, through the application, and the hub delete some.
func clinics(t *testing.T, n *network) {
	sites.Use(t, n.all()...)
	for i, s := range n.all()[1:] {
		o := openmrs.Options{Seed: int64(2 + i), Site: s.Name, Patients: 10, Traps: s == n.migori}
		if _, err := openmrs.Load(context.Background(), s.DB, o); err != nil {
			t.Fatal(err)
		}
	}
	sites.ExchangeTwice(n.all()...)
	// Who may do what is the hub's to say: what the clinics' own people may do stays there.
	rights := []string{"user_role", "user_property"}
	for _, s := range n.all()[1:] {
		sites.Same(t, n.hub, s, rights...)
	}
	sites.Quiet(t, n.all()...)
	for _, table := range []string{"allergy_reaction", "relationship", "person_address", "patient_state"} {
		n.hub.Exec("DELETE FROM " + table)
	}
	n.kisumu.Exec("UPDATE obs SET comments = 'seen' WHERE obs_id % 3 = 0")
	sites.ExchangeTwice(n.all()...)
	for _, s := range n.all()[1:] {
		sites.Same(t, n.hub, s, rights...)
		if left := s.One("SELECT COUNT(*) FROM person_address"); left != "0" {
			t.Errorf("%s has %s addresses left", s.Name, left)
		}
	}
	sites.Quiet(t, n.all()...)
}
