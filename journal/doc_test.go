package journal

import (
	"database/sql"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/sqldb"
)

// Every table that Create makes is in doc.go, with every column, and Drop knows it.
func TestDocumentation(t *testing.T) {
	db, _ := newNode(t)
	doc := documented(t)
	columns := map[string][]string{}
	check(t, sqldb.Each(t.Context(), db, "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY 1, ordinal_position", func(r []sql.RawBytes) error {
		columns[string(r[0])] = append(columns[string(r[0])], string(r[1]))
		return nil
	}))
	same(t, "tables in doc.go", slices.Sorted(maps.Keys(doc)), slices.Sorted(maps.Keys(columns)))
	for table, names := range columns {
		for _, c := range names {
			if !slices.Contains(doc[table], c) {
				t.Errorf("%s.%s is not in doc.go", table, c)
			}
		}
		for _, c := range doc[table] {
			if !slices.Contains(names, c) {
				t.Errorf("doc.go has %s.%s, and the table has not", table, c)
			}
		}
	}
}

// documented returns the columns that doc.go names, by table.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	heading := regexp.MustCompile(`^// (omsync_[a-z_]+): `)
	column := regexp.MustCompile(`^//\t([a-z_]+(?:, [a-z_]+)*)(?: |$)`)
	out := map[string][]string{}
	table := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if m := heading.FindStringSubmatch(line); m != nil {
			table = m[1]
			out[table] = nil
		} else if m := column.FindStringSubmatch(line); m != nil {
			out[table] = append(out[table], strings.Split(m[1], ", ")...)
		}
	}
	return out
}
