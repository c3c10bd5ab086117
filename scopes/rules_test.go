package scopes_test

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/scope"
	"github.com/omsync/omsync/scopes"
)

// lastAt returns the keys of the patients one of whose last n encounters was at a place, as somebody would find them who reads all encounters.
func lastAt(t *testing.T, db *sql.DB, place, n int) (out []scope.Owner) {
	t.Helper()
	seen, at := map[string]int{}, map[string]bool{}
	err := sqldb.Each(t.Context(), db, "SELECT p.uuid, e.location_id FROM encounter e JOIN person p ON p.person_id = e.patient_id WHERE e.voided = 0 ORDER BY e.encounter_datetime DESC, e.encounter_id DESC", func(r []sql.RawBytes) error {
		key := strings.ToLower(string(r[0]))
		if seen[key]++; seen[key] <= n && int(sqldb.Int(r[1])) == place {
			at[key] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for key := range at {
		out = append(out, scope.Owner(key))
	}
	slices.Sort(out)
	return out
}

func number(t *testing.T, db *sql.DB, query string) (n int) {
	t.Helper()
	if err := db.QueryRow(query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A rule brings in whom it wants, is asked of those alone of whom an encounter changed, costs next to nothing where none did, and takes out nobody who
// is voided, whom it cannot be asked of, or most of all.
func TestRulesOfOpenMRS(t *testing.T) {
	db, j := newNode(t, 60)
	dbtest.Exec(t, db, "UPDATE patient SET voided = 0", "UPDATE encounter SET voided = 0, location_id = IF(patient_id % 2 = 0, (SELECT MIN(location_id) FROM location), (SELECT MAX(location_id) FROM location))",
		"UPDATE encounter SET location_id = (SELECT MIN(location_id) FROM location) WHERE encounter_id % 7 = 0", "UPDATE location SET name = 'Ahero' WHERE location_id = (SELECT * FROM (SELECT MIN(location_id) FROM location) l)")
	place := number(t, db, "SELECT MIN(location_id) FROM location")
	rules := map[string]scope.Rule{"ahero": {Location: "Ahero"}, "ahero3": {Location: "Ahero", Encounters: 3}}
	follow := func(sure bool, change func(*scopes.Store)) (f scopes.Followed, statements int) {
		t.Helper()
		if _, err := capture.Seal(t.Context(), j, time.Minute); err != nil {
			t.Fatal(err)
		}
		err := scopes.Change(t.Context(), j, time.Minute, "alice", func(s *scopes.Store) (err error) {
			if change != nil {
				change(s)
			}
			if f, err = s.Rule(1, rules, false); err != nil {
				return err
			}
			return s.Fill(1, &f, sure)
		})
		if err != nil {
			t.Fatal(err)
		}
		c := &counted{DB: db}
		s, err := scopes.Open(context.Background(), j, scopes.Options{Read: c})
		if err != nil {
			t.Fatal(err)
		}
		c.n = 0
		if _, err := s.Rule(1, rules, false); err != nil {
			t.Fatal(err)
		}
		return f, c.n
	}
	in := func() (out []scope.Owner) {
		s, err := scopes.Open(t.Context(), j, scopes.Options{Read: db})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range s.Entries(1) {
			if s.Entry(1, o).In() {
				out = append(out, o)
			}
		}
		return out
	}
	named := func(names ...string) func(*scopes.Store) {
		return func(s *scopes.Store) {
			s.SetChild(1, scope.Child{})
			kept := s.Rules(1)
			kept.Names = names
			s.SetRules(1, kept)
		}
	}
	same := func(what string, want []scope.Owner) {
		t.Helper()
		if got := in(); !slices.Equal(got, want) || len(want) == 0 {
			t.Errorf("%s: %d are in the scope, not %d", what, len(got), len(want))
		}
	}

	f, quiet := follow(false, named("ahero"))
	same("the last encounter", lastAt(t, db, place, 1))
	if !f.Full || quiet != 2 {
		t.Errorf("full %v; with nothing new it takes %d statements, not 2", f.Full, quiet)
	}
	f, _ = follow(false, named("ahero3"))
	same("the last three", lastAt(t, db, place, 3))
	if !f.Full {
		t.Error("another rule is not asked of all")
	}

	// One patient comes, and one goes.
	stranger := number(t, db, "SELECT MIN(patient_id) FROM encounter WHERE patient_id NOT IN (SELECT patient_id FROM encounter WHERE location_id = (SELECT MIN(location_id) FROM location))")
	known := number(t, db, "SELECT MIN(patient_id) FROM encounter WHERE location_id = (SELECT MIN(location_id) FROM location)")
	dbtest.Exec(t, db, fmt.Sprintf("UPDATE encounter SET location_id = %d WHERE patient_id = %d", place, stranger),
		fmt.Sprintf("UPDATE encounter SET location_id = (SELECT MAX(location_id) FROM location) WHERE patient_id = %d", known))
	f, quiet = follow(false, nil)
	if f.Full || f.Asked != 2 || len(f.Enter) != 1 || len(f.Leave) != 1 || quiet != 2 {
		t.Errorf("%+v, then %d statements", f, quiet)
	}
	same("one comes and one goes", lastAt(t, db, place, 3))

	// Who is voided stays, so that the child hears of it.
	before := in()
	dbtest.Exec(t, db, fmt.Sprintf("UPDATE patient SET voided = 1 WHERE patient_id = %d", stranger), fmt.Sprintf("UPDATE encounter SET voided = 1 WHERE patient_id = %d", stranger))
	if f, _ = follow(false, nil); f.Asked != 1 || len(f.Leave) > 0 {
		t.Errorf("a voided patient: %+v", f)
	}
	same("a voided patient", before)

	// A place that is not there any more, a rule that is not, and one that takes out most: nobody leaves.
	dbtest.Exec(t, db, fmt.Sprintf("UPDATE location SET name = 'Ahero HC' WHERE location_id = %d", place), fmt.Sprintf("UPDATE encounter SET location_id = (SELECT MAX(location_id) FROM location) WHERE patient_id <> %d", known))
	if f, _ = follow(false, nil); f.Trouble == nil || len(f.Leave) > 0 {
		t.Errorf("a location that is not there: %+v", f)
	}
	kept := rules
	rules = nil
	if f, _ = follow(false, nil); f.Trouble == nil || len(f.Leave) > 0 {
		t.Errorf("a rule that is not there: %+v", f)
	}
	same("what cannot be asked", before)
	rules = maps.Clone(kept)
	rules["ahero3"] = scope.Rule{Location: "Ahero HC", Encounters: 3}
	if f, _ = follow(false, nil); f.Trouble == nil || !strings.Contains(f.Trouble.Error(), "nobody leaves until a person says so") || len(f.Leave) > 0 {
		t.Errorf("a rule that takes out most: %+v", f)
	}
	same("most would leave", before)
	if f, _ = follow(true, nil); f.Trouble != nil || len(f.Leave) == 0 {
		t.Errorf("a person says so: %+v", f)
	}
	s, err := scopes.Open(t.Context(), j, scopes.Options{Read: db})
	if err != nil {
		t.Fatal(err)
	}
	if log, err := scopes.LogOf(t.Context(), db, before[0], 9); err != nil || len(log) == 0 || log[0].Cause != scopes.Rule || log[0].Rule != "ahero" {
		t.Errorf("%+v, %v, rules %v", log, err, s.Rules(1))
	}
}

// Programmes and attributes.
func TestRulesOfProgrammesAndAttributes(t *testing.T) {
	db, j := newNode(t, 30)
	for name, c := range map[string]struct {
		rule scope.Rule
		want string
	}{
		"programme": {scope.Rule{Program: "%program"}, "SELECT DISTINCT p.uuid FROM patient_program e JOIN person p ON p.person_id = e.patient_id WHERE e.voided = 0 AND e.date_completed IS NULL AND e.program_id = (SELECT MIN(program_id) FROM patient_program)"},
		"attribute": {scope.Rule{Attribute: "%attribute", Value: "Ahero"}, "SELECT DISTINCT p.uuid FROM person_attribute e JOIN person p USING (person_id) JOIN patient q ON q.patient_id = p.person_id WHERE e.voided = 0 AND e.value = 'Ahero'"},
	} {
		dbtest.Exec(t, db, "UPDATE person_attribute SET value = IF(person_id % 2 = 0, 'Ahero', 'elsewhere'), person_attribute_type_id = (SELECT * FROM (SELECT MIN(person_attribute_type_id) FROM person_attribute) a)")
		for of, query := range map[*string]string{&c.rule.Program: "SELECT uuid FROM program WHERE program_id = (SELECT MIN(program_id) FROM patient_program)",
			&c.rule.Attribute: "SELECT uuid FROM person_attribute_type WHERE person_attribute_type_id = (SELECT MIN(person_attribute_type_id) FROM person_attribute)"} {
			if *of != "" {
				if err := db.QueryRow(query).Scan(of); err != nil {
					t.Fatal(err)
				}
			}
		}
		var want []scope.Owner
		if err := sqldb.Each(t.Context(), db, c.want, func(r []sql.RawBytes) error {
			want = append(want, scope.Owner(strings.ToLower(string(r[0]))))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		slices.Sort(want)
		s := begin(t, j, db)
		s.SetChild(2, scope.Child{})
		s.SetRules(2, journal.ScopeRules{Names: []string{name}})
		f, err := s.Rule(2, map[string]scope.Rule{name: c.rule}, true)
		if err != nil || f.Trouble != nil || !slices.Equal(f.Enter, want) || len(want) == 0 {
			t.Errorf("%s: %d enter, not %d; %v, %v", name, len(f.Enter), len(want), err, f.Trouble)
		}
	}
}
