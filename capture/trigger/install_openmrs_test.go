package trigger

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/openmrs"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// All of OpenMRS: every replicated table has its three triggers, and those whose keys cascade have more.
func TestInstallOnOpenMRS(t *testing.T) {
	for version, cascading := range map[string]string{"2.6": "patient bu, person bu, users bd", "1.9": "patient bu, person bu"} {
		t.Run(version, func(t *testing.T) {
			w := &watched{t: t, server: dbtest.Server(t)}
			name, _ := w.server.Database(t, append(openmrs.Schema(version), changeTable, removedTable)...)
			w.db = w.server.Open(t, name)
			w.app = w.conn()
			p, err := schema.Builtin("openmrs")
			if err != nil {
				t.Fatal(err)
			}
			w.catalogue(name, p)
			start := time.Now()
			w.install()
			t.Logf("made triggers of %d tables in %v", len(w.metas), time.Since(start))
			start = time.Now()
			if missing, outdated := w.missing(); len(missing)+len(outdated) > 0 {
				t.Errorf("missing %v, outdated %v", missing, outdated)
			}
			t.Logf("compared in %v", time.Since(start))
			if gaps := CascadeGaps(w.cat); len(gaps) > 0 {
				t.Errorf("gaps: %v", gaps)
			}
			byName := map[string]*journal.Table{}
			for _, m := range w.metas {
				byName[m.Name] = m
			}
			var before []string
			for _, x := range w.cat.Tables {
				all, err := triggers(x, byName)
				if err != nil {
					t.Fatal(err)
				}
				if x.Replicated != (len(all) >= 3) {
					t.Errorf("%s: replicated %v, %d triggers", x.Name, x.Replicated, len(all))
				}
				for _, tr := range all {
					if strings.HasPrefix(tr.Event, "BEFORE") {
						before = append(before, x.Name+" b"+strings.ToLower(tr.Event[7:8]))
					}
				}
			}
			if got := strings.Join(before, ", "); got != cascading {
				t.Errorf("cascading: %s, want %s", got, cascading)
			}
		})
	}
}

// What capture costs an application that does nothing but write: rows a second into a table like obs, with its indexes.
func BenchmarkCapture(b *testing.B) {
	ddl := `CREATE TABLE o (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, person_id INT NOT NULL, concept_id INT NOT NULL,
		encounter_id INT, at DATETIME NOT NULL, num DOUBLE, txt TEXT, coded INT, comments VARCHAR(255), creator INT NOT NULL,
		created DATETIME NOT NULL, voided TINYINT NOT NULL DEFAULT 0, voided_by INT, void_reason VARCHAR(255), status VARCHAR(16) NOT NULL DEFAULT 'FINAL',
		KEY (person_id), KEY (concept_id), KEY (encounter_id), KEY (at), KEY (coded), KEY (creator), KEY (voided_by)) ENGINE=InnoDB DEFAULT CHARSET=utf8`
	statements := map[string]func(i int) string{
		"insert one": func(i int) string {
			return fmt.Sprintf("INSERT INTO o (uuid, person_id, concept_id, at, num, creator, created) VALUES (UUID(), %d, %d, NOW(), %d, 1, NOW())", i%5000, i%700, i)
		},
		"insert 10": func(i int) string {
			s := "INSERT INTO o (uuid, person_id, concept_id, at, num, creator, created) VALUES "
			for j := range 10 {
				s += fmt.Sprintf("(UUID(), %d, %d, NOW(), %d, 1, NOW()),", i%5000, (i+j)%700, i)
			}
			return s[:len(s)-1]
		},
		"update one": func(i int) string {
			return fmt.Sprintf("UPDATE o SET voided = 1 - voided, void_reason = 'changed %d' WHERE id = %d", i, i%1000+1)
		},
	}
	for _, what := range []string{"insert one", "insert 10", "update one"} {
		for _, captured := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/captured=%v", what, captured), func(b *testing.B) {
				w := watch(b, "", ddl)
				if !captured {
					if err := Remove(context.Background(), w.conn(), w.cat.Database); err != nil {
						b.Fatal(err)
					}
				}
				w.do("START TRANSACTION")
				for i := range 100 {
					w.do(statements["insert 10"](i))
				}
				w.do("COMMIT")
				b.ResetTimer()
				for i := range b.N { // a transaction each, as an application does it
					w.do(statements[what](i))
				}
				rows := 1
				if what == "insert 10" {
					rows = 10
				}
				b.ReportMetric(float64(b.N*rows)/b.Elapsed().Seconds(), "rows/s")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
