package schema

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/openmrs"
)

// page is docs/openmrs.md by its headings.
func page(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile("../docs/openmrs.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, part := range strings.Split(string(data), "\n## ")[1:] {
		title, text, _ := strings.Cut(part, "\n")
		out[title] = text
	}
	return out
}

var code = regexp.MustCompile("`([^`]+)`")

// firstCells is what the first cells of the rows of a text's tables name.
func firstCells(text string) (names []string) {
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "| `") {
			for _, m := range code.FindAllStringSubmatch(strings.Split(line, "|")[1], -1) {
				names = append(names, m[1])
			}
		}
	}
	return names
}

// docs/openmrs.md says of each table and setting what the profile says, and leaves none out.
func TestOpenMRSPage(t *testing.T) {
	p, text := builtin(t, "openmrs"), page(t)
	l := p.layers[0]
	for title, lists := range map[string][][]string{
		"What stays at its site": {l.Never},
		"What goes down only":    {l.Direction.Down},
		"What a clinic may add":  {l.Direction.Add},
		"What goes both ways":    {l.Direction.Both, l.Travel},
	} {
		compare(t, title, firstCells(text[title]), slices.Concat(lists...))
	}
	directions := map[string]access.Direction{"What stays at its site": access.None, "What goes down only": access.Down, "What a clinic may add": access.Add}
	for title, want := range directions {
		for _, pattern := range firstCells(text[title]) {
			example := strings.ReplaceAll(pattern, "*", "x")
			if got, named := p.named(example); got != want || !named {
				t.Errorf("%s: %s goes %s, named %t; the page says %s", title, example, got, named, want)
			}
		}
	}
	settings := text["Settings"]
	for table, pattern := range map[string]*RowFilter{"global_property": p.RowFilter("global_property"), "user_property": p.RowFilter("user_property")} {
		for _, name := range pattern.Patterns {
			if !strings.Contains(settings, "`"+name+"`") {
				t.Errorf("Settings does not name %s, which the filter of %s has", name, table)
			}
		}
	}
	for table, columns := range map[string]string{"global_property": "property_value", "user_property": "property_value"} {
		for name, to := range l.Conditional[table][columns].Targets {
			if !regexp.MustCompile("(?m)^\\|[^|]*`" + regexp.QuoteMeta(name) + "`[^|]*\\| `" + to + "` \\|").MatchString(settings) {
				t.Errorf("Settings does not say that %s names a row of %s", name, to)
			}
		}
	}
	n, beginning := p.NewClinic(), text["To begin a clinic"]
	for table := range n.Only {
		n.Rows = append(n.Rows, table)
	}
	for table := range n.With {
		n.Rows = append(n.Rows, table)
	}
	compare(t, "To begin a clinic", firstCells(beginning), append(append(n.Rows, n.Account), n.People...))
	for _, name := range slices.Concat(n.Only["global_property"].Although, n.Only["scheduler_task_config"].Take, n.Only["jobrunr_metadata"].Take, n.Also) {
		if !strings.Contains(beginning, "`"+name+"`") {
			t.Errorf("To begin a clinic does not name %s", name)
		}
	}
	references := text["References that no foreign key declares"]
	for column := range l.Undeclared["*"] {
		if !strings.Contains(references, "`"+column+"`") {
			t.Errorf("%s is taken for a reference, and the page does not say so", column)
		}
	}
}

// The statements of docs/openmrs.md find, and mend, what two sites made twice.
func TestOpenMRSPageStatements(t *testing.T) {
	var statements []string
	for _, m := range regexp.MustCompile(`(?m)(?:^    .*\n)+`).FindAllString(page(t)["To upgrade a network of sites"], -1) {
		statements = append(statements, strings.TrimSuffix(strings.TrimSpace(m), ";"))
	}
	if len(statements) != 2 {
		t.Fatalf("the page has %d statements: %q", len(statements), statements)
	}
	s := dbtest.Server(t)
	name, _ := s.Database(t, openmrs.Schema("2.6")...)
	db := s.Open(t, name)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	order := "INSERT INTO orders (order_id, order_type_id, concept_id, orderer, encounter_id, creator, date_created, voided, patient_id, uuid, order_number, previous_order_id, order_action, urgency, care_setting) VALUES "
	for _, q := range []string{"SET foreign_key_checks = 0", order + `
		(1, 1, 1, 1, 1, 1, '2020-01-01', 0, 1, 'o-1', 'ORD-1', NULL, 'NEW', 'ROUTINE', 1), (2, 1, 1, 1, 1, 1, '2020-01-01', 0, 1, 'o-2', 'ORD-2', NULL, 'NEW', 'ROUTINE', 1),
		(3, 1, 1, 1, 1, 1, '2020-01-01', 0, 1, 'd-1', 'ORD-3', 1, 'DISCONTINUE', 'ROUTINE', 1), (4, 1, 1, 1, 1, 1, '2020-01-01', 0, 1, 'd-1-clinic', 'ORD-2', 1, 'DISCONTINUE', 'ROUTINE', 1),
		(5, 1, 1, 1, 1, 1, '2020-01-01', 0, 1, 'd-2', 'ORD-5', 2, 'DISCONTINUE', 'ROUTINE', 1), (6, 1, 1, 1, 1, 1, '2020-01-01', 1, 1, 'd-2-void', 'ORD-6', 2, 'DISCONTINUE', 'ROUTINE', 1)`,
		statements[0], statements[0]} {
		if _, err := conn.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	var live, number string
	if err := conn.QueryRowContext(t.Context(), "SELECT GROUP_CONCAT(uuid ORDER BY order_id) FROM orders WHERE voided = 0").Scan(&live); err != nil || live != "o-1,o-2,d-1,d-2" {
		t.Errorf("orders that are left: %s, %v", live, err)
	}
	var n int
	if err := conn.QueryRowContext(t.Context(), statements[1]).Scan(&number, &n); err != nil || number != "ORD-2" || n != 2 {
		t.Errorf("doubles: %s, %d, %v", number, n, err)
	}
}

func compare(t *testing.T, title string, page, profile []string) {
	t.Helper()
	for _, name := range page {
		if !slices.Contains(profile, name) {
			t.Errorf("%s: the page has %s, and the profile has not", title, name)
		}
	}
	for _, name := range profile {
		if !slices.Contains(page, name) {
			t.Errorf("%s: the profile has %s, and the page has not", title, name)
		}
	}
}
