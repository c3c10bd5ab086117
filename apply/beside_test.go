package apply_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sites"
)

// A data model without foreign keys, and settings that hold the number of a row.
var besideSchema = []string{
	"CREATE TABLE person (person_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50), uuid CHAR(38) NOT NULL UNIQUE)",
	"CREATE TABLE concept (concept_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50), uuid CHAR(38) NOT NULL UNIQUE)",
	"CREATE TABLE letter (letter_id INT AUTO_INCREMENT PRIMARY KEY, person_id INT NOT NULL, copy_to INT, body TEXT, uuid CHAR(38) NOT NULL UNIQUE)",
	"CREATE TABLE note (note_id INT AUTO_INCREMENT PRIMARY KEY, person_id INT, body TEXT, uuid CHAR(38) NOT NULL UNIQUE)",
	"CREATE TABLE setting (property VARCHAR(100) PRIMARY KEY, content TEXT)",
}

const besideProfile = `
[undeclared."*"]
person_id = "person"

[undeclared.letter]
copy_to = "person"

[conditional.setting.content]
column = "property"
beside = true
targets = { "concept.true" = "concept", "*conceptId" = "concept" }
`

// besideSites is two connected sites whose rows have other numbers: one's number is a stranger's at the other.
func besideSites(t *testing.T, hubProfile, clinicProfile string) (hub, clinic *sites.Site) {
	t.Helper()
	hub = sites.New(t, "hub", hubProfile, besideSchema...)
	clinic = sites.New(t, "clinic", clinicProfile, besideSchema...)
	hub.Exec("INSERT INTO person VALUES (40, 'Amara', 'p-amara'), (41, 'Aziz', 'p-aziz')", "INSERT INTO concept VALUES (7, 'true', 'c-true'), (8, 'weight', 'c-weight')")
	clinic.Exec("INSERT INTO person VALUES (40, 'Bela', 'p-bela'), (41, 'Berta', 'p-berta')", "INSERT INTO concept VALUES (7, 'malaria', 'c-malaria'), (8, 'cough', 'c-cough')")
	hub.Exec("INSERT INTO letter VALUES (1, 40, 41, 'to Amara', 'l-1'), (2, 41, NULL, 'to Aziz', 'l-2')",
		"INSERT INTO setting VALUES ('concept.true', '7'), ('my.conceptId', '8'), ('uuid.conceptId', 'c-true'), ('gone.conceptId', '999999'), ('zero.conceptId', '0'), ('list.conceptId', '7,8'), ('empty.conceptId', NULL), ('limit', '8')")
	for _, s := range []*sites.Site{hub, clinic} {
		s.Init()
	}
	hub.Connect(clinic)
	return hub, clinic
}

// toWhom is the letters of a site with their persons and whom a copy goes to.
func toWhom(s *sites.Site) string {
	var out []string
	for _, r := range s.Query("SELECT l.body, COALESCE(p.name, '?'), COALESCE(c.name, '-') FROM letter l LEFT JOIN person p ON p.person_id = l.person_id LEFT JOIN person c ON c.person_id = l.copy_to ORDER BY l.uuid") {
		out = append(out, strings.Join(r, ", "))
	}
	return strings.Join(out, "; ")
}

// meant is a site's settings, with the names of the concepts in place of their numbers.
func meant(s *sites.Site, property string) string {
	return s.One("SELECT COALESCE(c.uuid, s.content, 'NULL') FROM setting s LEFT JOIN concept c ON c.concept_id = s.content AND s.content NOT LIKE '%,%' AND s.property <> 'limit' WHERE s.property = ?", property)
}

func TestReferencesThatNothingDeclares(t *testing.T) {
	t.Parallel()
	hub, clinic := besideSites(t, besideProfile, besideProfile)
	sites.Exchange(hub, clinic)
	if got := toWhom(clinic); got != "to Amara, Amara, Aziz; to Aziz, Aziz, -" {
		t.Errorf("letters at the clinic: %s", got)
	}
	for property, want := range map[string]string{"concept.true": "c-true", "my.conceptId": "c-weight", "uuid.conceptId": "c-true", "gone.conceptId": "999999",
		"zero.conceptId": "0", "list.conceptId": "7,8", "empty.conceptId": "NULL", "limit": "8"} {
		if got := meant(clinic, property); got != want {
			t.Errorf("setting %s is %s at the clinic, want %s", property, got, want)
		}
	}
	// Both ways, with edits, rows that come later than what refers to them, and deletions.
	clinic.Exec("INSERT INTO letter (person_id, copy_to, body, uuid) VALUES (40, 41, 'to Bela', 'l-3')", "UPDATE letter SET copy_to = 40 WHERE uuid = 'l-2'")
	hub.Exec("INSERT INTO concept VALUES (70, 'new', 'c-new')", "UPDATE setting SET content = '70' WHERE property = 'concept.true'", "INSERT INTO setting VALUES ('late.conceptId', '70')",
		"INSERT INTO note VALUES (1, 41, 'n', 'n-1')")
	sites.ExchangeTwice(hub, clinic)
	if got := toWhom(hub); got != "to Amara, Amara, Aziz; to Aziz, Aziz, Bela; to Bela, Bela, Berta" {
		t.Errorf("letters at the hub: %s", got)
	}
	if a, b := meant(clinic, "concept.true"), meant(clinic, "late.conceptId"); a != "c-new" || b != "c-new" {
		t.Errorf("settings name %s and %s, want c-new", a, b)
	}
	sites.Same(t, hub, clinic)
	sites.Quiet(t, hub, clinic)
}

// A load in parts sends settings before the concepts that they name.
func TestSettingsInALoadInParts(t *testing.T) {
	t.Parallel()
	hub, clinic := besideSites(t, besideProfile, besideProfile)
	hub.Exec("INSERT INTO setting VALUES ('a.conceptId', '500')", "INSERT INTO concept VALUES (500, 'x', 'c-500')")
	var statements []string
	for i := range 3000 {
		statements = append(statements, fmt.Sprintf("(%d, REPEAT(UUID(), 1), 'c-%d')", 1000+i, 1000+i))
	}
	hub.Exec("INSERT INTO concept VALUES " + strings.Join(statements, ","))
	files := hub.Export(clinic, sites.Parts(20_000))
	if len(files) < 2 {
		t.Fatalf("%d parts", len(files))
	}
	for _, f := range files {
		clinic.Import(f)
	}
	for property, want := range map[string]string{"concept.true": "c-true", "a.conceptId": "c-500", "gone.conceptId": "999999", "limit": "8"} {
		if got := meant(clinic, property); got != want {
			t.Errorf("setting %s is %s, want %s", property, got, want)
		}
	}
	if got := toWhom(clinic); got != "to Amara, Amara, Aziz; to Aziz, Aziz, -" {
		t.Errorf("letters: %s", got)
	}
	sites.ExchangeTwice(hub, clinic)
	sites.Same(t, hub, clinic)
}

// A concept that does not travel: what names it stays as it was sent, and stops nothing.
func TestSettingOfARowThatDoesNotTravel(t *testing.T) {
	t.Parallel()
	hub, clinic := besideSites(t, besideProfile+"\n[direction]\nnone = [\"concept\"]\n", besideProfile+"\n[direction]\nnone = [\"concept\"]\n")
	hub.Exec("INSERT INTO setting VALUES ('malaria.conceptId', '9')", "INSERT INTO concept VALUES (9, 'malaria', 'c-malaria')")
	sites.Exchange(hub, clinic)
	for property, want := range map[string]string{"concept.true": "7", "malaria.conceptId": "7", "limit": "8"} {
		if got := clinic.One("SELECT content FROM setting WHERE property = ?", property); got != want {
			t.Errorf("setting %s is %s, want %s", property, got, want)
		}
	}
}

// One of two peers does not know of the references, as the program of before: both go on, and nobody gets a stranger's letter from it.
func TestPeerThatDoesNotKnowOfReferences(t *testing.T) {
	t.Parallel()
	t.Run("the receiver", func(t *testing.T) {
		hub, clinic := besideSites(t, besideProfile, "none")
		sites.ExchangeTwice(hub, clinic)
		if got := clinic.One("SELECT content FROM setting WHERE property = 'concept.true'"); got != "7" {
			t.Errorf("concept.true is %s there, want the number as before", got)
		}
		if got := clinic.One("SELECT person_id FROM letter WHERE uuid = 'l-1'"); got != "40" {
			t.Errorf("the letter's person is %s there, want the number as before", got)
		}
	})
	t.Run("the sender", func(t *testing.T) {
		hub, clinic := besideSites(t, "none", besideProfile)
		hub.Exec("INSERT INTO note VALUES (1, 40, 'about Amara', 'n-1')", "INSERT INTO person VALUES (42, 'Abebe', 'p-abebe')")
		reports := sites.ExchangeTwice(hub, clinic)
		if got := toWhom(clinic); got != "" {
			t.Errorf("letters came: %s", got)
		}
		if got := clinic.One("SELECT COALESCE(person_id, 'none') FROM note WHERE uuid = 'n-1'"); got != "none" {
			t.Errorf("the note is about person %s", got)
		}
		if got := clinic.One("SELECT COUNT(*) FROM person"); got != "5" {
			t.Errorf("%s persons, want all", got)
		}
		if got := clinic.One("SELECT content FROM setting WHERE property = 'concept.true'"); got != "7" {
			t.Errorf("concept.true is %s, want what was sent", got)
		}
		for _, want := range []string{"letter.person_id", "note.person_id"} {
			if !slices.ContainsFunc(reports, func(r *apply.Report) bool {
				return slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, want) })
			}) {
				t.Errorf("nothing says that %s was left out", want)
			}
		}
		// What the message says to do.
		hub.Profile = clinic.Profile
		hub.Follow()
		sites.ExchangeTwice(hub, clinic)
		if got := toWhom(clinic); got != "to Amara, Amara, Aziz; to Aziz, Aziz, -" {
			t.Errorf("letters after the hub has the program too: %s", got)
		}
		if got := clinic.One("SELECT p.name FROM note n JOIN person p USING (person_id) WHERE n.uuid = 'n-1'"); got != "Amara" {
			t.Errorf("the note is about %s", got)
		}
	})
	t.Run("neither", func(t *testing.T) {
		hub, clinic := besideSites(t, "none", "none")
		sites.Exchange(hub, clinic)
		if got := clinic.One("SELECT person_id FROM letter WHERE uuid = 'l-1'"); got != "40" {
			t.Errorf("the letter's person is %s", got)
		}
	})
}

// A foreign key at one site alone: what it refers to travels in two ways, and arrives.
func TestForeignKeyAtOneSite(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"hub", "clinic"} {
		t.Run(at, func(t *testing.T) {
			hub, clinic := besideSites(t, besideProfile, besideProfile)
			s := map[string]*sites.Site{"hub": hub, "clinic": clinic}[at]
			s.Exec("ALTER TABLE letter ADD FOREIGN KEY (person_id) REFERENCES person (person_id), ADD FOREIGN KEY (copy_to) REFERENCES person (person_id)")
			s.Follow()
			clinic.Exec("INSERT INTO letter (person_id, copy_to, body, uuid) VALUES (40, NULL, 'to Bela', 'l-3')")
			sites.ExchangeTwice(hub, clinic)
			for _, s := range []*sites.Site{hub, clinic} {
				if got := toWhom(s); got != "to Amara, Amara, Aziz; to Aziz, Aziz, -; to Bela, Bela, -" {
					t.Errorf("letters at %s: %s", s.Name, got)
				}
			}
		})
	}
}

// The name of the columns that have the keys is a part of the format.
func TestBesideSuffix(t *testing.T) {
	if batch.BesideSuffix != "#key" {
		t.Errorf("%q", batch.BesideSuffix)
	}
}
