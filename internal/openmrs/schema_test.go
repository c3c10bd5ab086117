package openmrs

import (
	"os"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// What the server's catalogue holds after the statements is what the facts say: nothing lost, nothing added by the
// server, such as an index for a foreign key.
func TestSchema(t *testing.T) {
	for _, c := range []struct {
		version                                          string
		tables, columns, indexes, unique, keys, cascades int
	}{
		{"1.9", 90, 968, 391, 103, 271, 9},
		{"2.6", 116, 1475, 684, 227, 440, 9},
	} {
		t.Run(c.version, func(t *testing.T) {
			s := dbtest.Server(t)
			name, _ := s.Database(t, Schema(c.version)...)
			db := s.Open(t, name)
			for _, q := range []struct {
				what string
				want int
				sql  string
			}{
				{"tables", c.tables, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = ? AND engine = 'InnoDB'"},
				{"columns", c.columns, "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = ?"},
				{"indexes", c.indexes, "SELECT COUNT(DISTINCT table_name, index_name) FROM information_schema.statistics WHERE table_schema = ?"},
				{"unique indexes", c.unique, "SELECT COUNT(DISTINCT table_name, index_name) FROM information_schema.statistics WHERE table_schema = ? AND non_unique = 0"},
				{"foreign keys", c.keys, "SELECT COUNT(*) FROM information_schema.referential_constraints WHERE constraint_schema = ?"},
				{"cascading foreign keys", c.cascades, "SELECT COUNT(*) FROM information_schema.referential_constraints WHERE constraint_schema = ? AND (delete_rule = 'CASCADE' OR update_rule = 'CASCADE')"},
				{"columns of another character set", 0, "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = ? AND character_set_name NOT IN ('utf8', 'utf8mb3')"},
				{"self-updating timestamps", 0, "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = ? AND extra LIKE '%on update%'"},
			} {
				var got int
				if err := db.QueryRow(q.sql, name).Scan(&got); err != nil {
					t.Fatal(err)
				}
				if got != q.want {
					t.Errorf("%d %s, want %d", got, q.what, q.want)
				}
			}
		})
	}
}

func TestUnknownSchema(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a version that is not there was taken")
		}
	}()
	Schema("3.0")
}
