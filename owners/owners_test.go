package owners

import (
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// walked is whose the rows are by a walk of the test's own: it reads whole tables, and the foreign keys as the server declares them, and knows
// nothing of paths.
type walked struct {
	rows map[string]map[journal.Row]map[string]string // by table and identity: the values of columns with a reference
	refs map[string]map[string][2]string              // by table and column: the table and column referred to
	at   map[[2]string]map[string]journal.Row         // by table and column: the row with a value
	memo map[string]map[journal.Row]map[int64]bool
}

// notWalked are columns that say who did something, where, or what it is about, and those that link a row to others of its table.
var notWalked = []string{"creator", "changed_by", "voided_by", "retired_by", "provider_id", "orderer", "obs_group_id", "previous_version", "previous_order_id",
	"parent_order_group", "previous_order_group", "parent", "dispenser"}

func walk(t *testing.T, p *place) *walked {
	t.Helper()
	w := &walked{map[string]map[journal.Row]map[string]string{}, map[string]map[string][2]string{}, map[[2]string]map[string]journal.Row{}, map[string]map[journal.Row]map[int64]bool{}}
	query := "SELECT table_name, column_name, referenced_table_name, referenced_column_name FROM information_schema.key_column_usage WHERE table_schema = '" +
		p.cat.Database + "' AND referenced_table_name IS NOT NULL"
	err := sqldb.Each(t.Context(), p.db, query, func(r []sql.RawBytes) error {
		if !slices.Contains(notWalked, string(r[1])) {
			w.refer(string(r[0]), string(r[1]), string(r[2]), string(r[3]))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.refer("active_list_allergy", "active_list_id", "active_list", "active_list_id")
	w.refer("active_list_problem", "active_list_id", "active_list", "active_list_id")
	for _, x := range p.cat.Tables {
		w.rows[x.Name] = map[journal.Row]map[string]string{}
		query := "SELECT " + journal.Identity(x, "") + ", t.* FROM " + schema.Quote(x.Name) + " t"
		err := sqldb.Each(t.Context(), p.db, query, func(r []sql.RawBytes) error {
			row := journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])}
			values := map[string]string{}
			for i, c := range x.Columns {
				if r[2+i] == nil {
					continue
				}
				values[c.Name] = string(r[2+i])
				if x.Integer == c {
					w.place(x.Name, c.Name, values[c.Name], row)
				}
			}
			w.rows[x.Name][row] = values
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *walked) refer(table, column, to, toColumn string) {
	if w.refs[table] == nil {
		w.refs[table] = map[string][2]string{}
	}
	w.refs[table][column] = [2]string{to, toColumn}
}

func (w *walked) place(table, column, value string, row journal.Row) {
	at := [2]string{table, column}
	if w.at[at] == nil {
		w.at[at] = map[string]journal.Row{}
	}
	w.at[at][value] = row
}

// of returns all patients that a row leads to, by any way.
func (w *walked) of(table string, row journal.Row) map[int64]bool {
	if out, ok := w.memo[table][row]; ok {
		return out
	}
	if w.memo[table] == nil {
		w.memo[table] = map[journal.Row]map[int64]bool{}
	}
	out := map[int64]bool{}
	w.memo[table][row] = out // round a circle nothing is found
	switch table {
	case "patient":
		out[row.Int] = true
		return out
	case "person":
		if _, is := w.rows["patient"][row]; is {
			out[row.Int] = true
		}
		return out
	case "users", "provider", "location", "concept", "cohort":
		return out
	}
	for column, ref := range w.refs[table] {
		if to, ok := w.at[ref][w.rows[table][row][column]]; ok {
			maps.Copy(out, w.of(ref[0], to))
		}
	}
	return out
}

// strays moves some rows of a generated clinic to other patients, to nobody and in circles, as the data of real sites has it.
func strays(t *testing.T, p *place) {
	t.Helper()
	conn, err := p.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	first := "(SELECT * FROM (SELECT MIN(%s) FROM %s) x)"
	for _, s := range []string{
		"SET foreign_key_checks = 0",
		"UPDATE note SET patient_id = NULL, obs_id = " + fmt.Sprintf(first, "obs_id", "obs") + " WHERE note_id % 3 = 0",
		"UPDATE note SET patient_id = NULL, obs_id = NULL, encounter_id = NULL WHERE note_id % 5 = 1",
		"UPDATE note SET parent = note_id",
		"UPDATE obs SET obs_group_id = obs_id WHERE obs_id % 7 = 0",
		"UPDATE concept_proposal SET obs_id = NULL WHERE concept_proposal_id % 2 = 0",
		"UPDATE visit SET patient_id = 99999999 WHERE visit_id % 11 = 0",                                                            // not there
		"UPDATE relationship SET person_a = person_b WHERE relationship_id % 4 = 0",                                                 // with oneself
		"UPDATE relationship SET person_a = 88888888 WHERE relationship_id % 5 = 0",                                                 // with nobody
		"UPDATE obs SET person_id = (SELECT MIN(person_id) FROM users), encounter_id = NULL, order_id = NULL WHERE obs_id % 13 = 0", // about a user
		"UPDATE person_address SET person_id = (SELECT MAX(person_id) FROM users) WHERE person_address_id % 17 = 0",
		"SET foreign_key_checks = 1",
	} {
		if _, err := conn.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%v in %s", err, s)
		}
	}
}

// Upward: the owners of every row are those that a walk of all references finds. Downward: the rows of an owner are those of which upward
// names it.
func TestOwnersOfGeneratedClinics(t *testing.T) {
	for _, version := range []string{"1.9", "2.6"} {
		t.Run(version, func(t *testing.T) {
			p := generated(t, version, 150)
			strays(t, p)
			w := walk(t, p)
			seen := map[string]int{}
			everybody := integers(t, p.db, "SELECT patient_id FROM patient")
			var some []int64
			for i, n := range everybody {
				if i%3 == 0 {
					some = append(some, n)
				}
			}
			for _, x := range p.cat.Tables {
				kind := p.Of(x).Kind
				rows := p.all(t, x)
				up, err := Of(t.Context(), p.db, p.Owners, x, rows)
				if err != nil {
					t.Fatal(err)
				}
				down := map[journal.Row]bool{}
				err = bounds{17, 40, 7}.rows(t.Context(), p.db, p.Owners, x, append(some, some[0], 77777777), func(page []journal.Row) error {
					if len(page) == 0 || len(page) > 7 {
						t.Errorf("%s: a page of %d rows", x.Name, len(page))
					}
					for _, r := range page {
						if down[r] {
							t.Errorf("%s: row %v came twice", x.Name, r)
						}
						down[r] = true
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range rows {
					want := w.of(x.Name, r)
					if kind != schema.Owned {
						if len(want) > 0 {
							t.Fatalf("%s is %v, and row %v belongs to %v", x.Name, kind, r, want)
						}
						continue
					}
					seen[x.Name]++
					if got := up[r].Owners; !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
						t.Errorf("%s, row %v: owners %v, want %v", x.Name, r, got, want)
					}
					checkRefs(t, p, w, x, r, up[r], want)
					in := 0
					for n := range want {
						if slices.Contains(some, n) {
							in++
						}
					}
					if down[r] != (in > 0) {
						t.Errorf("%s, row %v: found downward %t, %d of its owners asked for", x.Name, r, down[r], in)
					}
				}
			}
			for _, x := range p.cat.Tables {
				if p.Of(x).Kind == schema.Owned && seen[x.Name] == 0 {
					t.Errorf("%s has no rows: nothing was compared", x.Name)
				}
			}
		})
	}
}

// checkRefs fails unless what a row refers to leads to its owners, each reference to some; or, where it has none, is all that is there.
func checkRefs(t *testing.T, p *place, w *walked, x *schema.Table, r journal.Row, ends Ends, owners map[int64]bool) {
	t.Helper()
	together := map[int64]bool{}
	for _, ref := range ends.Refs {
		to := p.Leads(ref.Column)
		if value := w.rows[x.Name][r][ref.Column.Name]; value != ref.Value || to == nil {
			t.Errorf("%s, row %v: %s is %q, not %q, and leads to %v", x.Name, r, ref.Column.Name, value, ref.Value, to)
			continue
		}
		its := map[int64]bool{}
		if row, ok := w.at[[2]string{to.Table.Name, to.Name}][ref.Value]; ok {
			its = w.of(to.Table.Name, row)
		}
		if len(owners) > 0 && len(its) == 0 {
			t.Errorf("%s, row %v: %s leads to no owner, and others do", x.Name, r, ref.Column.Name)
		}
		maps.Copy(together, its)
	}
	if x.Name != "patient" && !maps.Equal(together, owners) {
		t.Errorf("%s, row %v: its references lead to %v, it belongs to %v", x.Name, r, together, owners)
	}
	if len(owners) == 0 && x.Name != "person" {
		for _, c := range p.Of(x).Columns() {
			if value, ok := w.rows[x.Name][r][c.Name]; ok && !slices.Contains(ends.Refs, Ref{c, value}) {
				t.Errorf("%s, row %v: belongs to nobody, and %s = %s is not said", x.Name, r, c.Name, value)
			}
		}
	}
}

// A person who is no patient owns nothing. What a relationship with one says is the patient's alone.
func TestPeopleWhoAreNoPatients(t *testing.T) {
	p := generated(t, "2.6", 60)
	table := p.cat.Table
	relatives := integers(t, p.db, "SELECT r.person_b FROM relationship r LEFT JOIN patient p ON p.patient_id = r.person_b WHERE p.patient_id IS NULL UNION SELECT r.person_a FROM relationship r LEFT JOIN patient p ON p.patient_id = r.person_a WHERE p.patient_id IS NULL ORDER BY 1")
	if len(relatives) == 0 {
		t.Fatal("there are no relatives")
	}
	through := func(t2, via string, ids ...int64) (out []int64) {
		t.Helper()
		err := Through(t.Context(), p.db, p.Owners, table(t2), table(via), ids, func(page []journal.Row) error {
			for _, r := range page {
				out = append(out, r.Int)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	id := fmt.Sprint(relatives[0])
	for query, got := range map[string][]int64{
		"SELECT person_name_id FROM person_name WHERE person_id = " + id + " ORDER BY 1":                                                                        through("person_name", "person", relatives[0]),
		"SELECT relationship_id FROM relationship WHERE person_a = " + id + " OR person_b = " + id + " ORDER BY 1":                                              through("relationship", "person", relatives[0]),
		"SELECT e.encounter_provider_id FROM encounter_provider e JOIN (SELECT MIN(encounter_id) n FROM encounter_provider) x ON e.encounter_id = n ORDER BY 1": through("encounter_provider", "encounter", integers(t, p.db, "SELECT MIN(encounter_id) FROM encounter_provider")...),
	} {
		if want := integers(t, p.db, query); len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	for pair, got := range map[string][]int64{"person through itself": through("person", "person", relatives[0]), "obs through encounters": through("obs", "encounter", 1, 2, 3), "users through persons": through("users", "person", 1, 2)} {
		if got != nil {
			t.Errorf("%s: %v", pair, got)
		}
	}
	if got := p.Of(table("users")).Names; len(got) != 1 || got[0].Name != "person_id" {
		t.Errorf("users name people by %v", got)
	}
}
