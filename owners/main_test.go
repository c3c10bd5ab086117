package owners

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/openmrs"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// place is a database under test.
type place struct {
	db  *sql.DB
	cat *schema.Catalogue
	*schema.Owners
}

// newPlace makes a database of the statements and reads it by the built-in profile, corrected by text.
func newPlace(t *testing.T, profile, text string, ddl ...string) *place {
	t.Helper()
	s := dbtest.Server(t)
	name, _ := s.Database(t, ddl...)
	return readPlace(t, s.Open(t, name), name, profile, text)
}

func readPlace(t *testing.T, db *sql.DB, name, profile, text string) *place {
	t.Helper()
	p, err := schema.Builtin(profile)
	if err == nil && text != "" {
		p, err = schema.ParseProfile("site.toml", []byte(text), p)
	}
	if err != nil {
		t.Fatal(err)
	}
	c, err := schema.Read(t.Context(), db, name, p)
	if err != nil {
		t.Fatal(err)
	}
	o, err := c.Owners()
	if err != nil {
		t.Fatal(err)
	}
	return &place{db, c, o}
}

// generated makes a database of OpenMRS 2.6 with patients, or one of 1.9 with what fits it.
func generated(t *testing.T, version string, patients int) *place {
	t.Helper()
	s := dbtest.Server(t)
	name, _ := s.Database(t, openmrs.Schema("2.6")...)
	db := s.Open(t, name)
	if _, err := openmrs.Load(t.Context(), db, openmrs.Options{Seed: 7, Site: "kisumu", Patients: patients, Metadata: true, Traps: true}); err != nil {
		t.Fatal(err)
	}
	if version == "2.6" {
		return readPlace(t, db, name, "openmrs", "")
	}
	old, _ := s.Database(t, openmrs.Schema(version)...)
	fill(t, s.Open(t, old), name, old)
	return readPlace(t, s.Open(t, old), old, "openmrs", "")
}

// fill copies into the tables of an older OpenMRS what the columns have in common, and gives others that must have a value one.
func fill(t *testing.T, db *sql.DB, from, to string) {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	do := func(query string) {
		t.Helper()
		if _, err := conn.ExecContext(t.Context(), query); err != nil {
			t.Fatalf("%v\nin %s", err, query)
		}
	}
	do("SET foreign_key_checks = 0")
	do("SET sql_mode = ''")
	columns := func(database string) map[string][]string {
		out := map[string][]string{}
		query := "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = '" + database + "' ORDER BY table_name, ordinal_position"
		if err := sqldb.Each(t.Context(), conn, query, func(r []sql.RawBytes) error {
			out[string(r[0])] = append(out[string(r[0])], schema.Quote(string(r[1])))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return out
	}
	newer, older := columns(from), columns(to)
	for table, list := range older {
		both := slices.DeleteFunc(slices.Clone(list), func(c string) bool { return !slices.Contains(newer[table], c) })
		if len(both) == 0 {
			continue
		}
		names := strings.Join(both, ", ")
		do(fmt.Sprintf("INSERT IGNORE INTO %s.%s (%s) SELECT %[3]s FROM %s.%[2]s", to, schema.Quote(table), names, from))
	}
	// What 1.9 alone has.
	do("INSERT INTO active_list (active_list_id, active_list_type_id, person_id, concept_id, start_date, creator, date_created, uuid) SELECT patient_id, 1, patient_id, 1, '2020-01-01', 1, '2020-01-01', UUID() FROM patient WHERE patient_id % 3 = 0")
	do("INSERT INTO active_list_allergy (active_list_id) SELECT active_list_id FROM active_list WHERE active_list_id % 2 = 0")
	do("INSERT INTO active_list_problem (active_list_id) SELECT active_list_id FROM active_list WHERE active_list_id % 2 = 1")
}

// all returns the identities of all rows of a table.
func (p *place) all(t *testing.T, x *schema.Table) (rows []journal.Row) {
	t.Helper()
	err := sqldb.Each(t.Context(), p.db, "SELECT "+journal.Identity(x, "")+" FROM "+schema.Quote(x.Name), func(r []sql.RawBytes) error {
		rows = append(rows, journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// integers returns the first column of a query's rows.
func integers(t *testing.T, db sqldb.DB, query string) (out []int64) {
	t.Helper()
	err := sqldb.Each(context.Background(), db, query, func(r []sql.RawBytes) error {
		out = append(out, sqldb.Int(r[0]))
		return nil
	})
	if err != nil {
		t.Fatalf("%v in %s", err, query)
	}
	return out
}
