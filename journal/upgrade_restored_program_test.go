package journal_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/oldprogram"
)

// Of a database that was upgraded only the omsync tables are restored, from a backup that the old program's are in: what the application
// changes then, and what was sealed before, comes to the peer.
func TestUpgradeOfRestoredOmsyncTables(t *testing.T) {
	for _, numbers := range []string{"same", "others"} {
		t.Run(numbers, func(t *testing.T) {
			hub, clinic, parts := oldPair(t)
			clinic.run(append([]string{"import"}, parts...)...)
			backup, _ := dbtest.Server(t).Database(t)
			var tables []string
			for name := range strings.FieldsSeq(hub.one("SELECT GROUP_CONCAT(table_name SEPARATOR ' ') FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name LIKE 'omsync\\_%'")) {
				tables = append(tables, name)
				hub.exec(fmt.Sprintf("CREATE TABLE %s.%s LIKE %[2]s", backup, name), fmt.Sprintf("INSERT INTO %s.%s SELECT * FROM %[2]s", backup, name))
			}
			present := oldprogram.Present(t)
			hub.program = present
			hub.run("init")
			hub.exec("UPDATE ward SET name = 'sealed' WHERE uuid = 'w-7'", "INSERT INTO ward (uuid, name) VALUES ('h-sealed', 'sealed')")
			hub.export() // nobody has it
			if numbers == "others" {
				hub.exec("DROP TRIGGER "+hub.one("SELECT trigger_name FROM information_schema.triggers WHERE event_object_schema = DATABASE() AND event_object_table = 'bed' AND event_manipulation = 'INSERT'"),
					fmt.Sprintf("CREATE TRIGGER omsync_99_ai_12345678 AFTER INSERT ON bed FOR EACH ROW INSERT INTO omsync_capture (table_id, operation, local_id, changed_at) VALUES (99, 1, NEW.id, UTC_TIMESTAMP(6))"))
			}
			hub.exec("UPDATE ward SET name = 'before' WHERE uuid = 'w-10'", "DELETE FROM ward_tag WHERE tag = 'tag7'")
			hub.exec("SET foreign_key_checks = 0")
			for _, name := range tables {
				hub.exec("DROP TABLE IF EXISTS "+name, fmt.Sprintf("CREATE TABLE %s LIKE %s.%[1]s", name, backup), fmt.Sprintf("INSERT INTO %s SELECT * FROM %s.%[1]s", name, backup))
			}
			hub.exec("SET foreign_key_checks = 1", "UPDATE ward SET name = 'after' WHERE uuid = 'w-11'", "DELETE FROM ward_tag WHERE tag = 'tag8'",
				"INSERT INTO bed (uuid, ward_id) SELECT 'h-bed', id FROM ward WHERE uuid = 'w-11'")
			r := hub.run("init")
			for _, table := range []string{"ward", "bed", "ward_tag"} {
				if !strings.Contains(r.Stderr, "the triggers of "+table+" were missing") {
					t.Errorf("no warning for %s: %s", table, r.Stderr)
				}
			}
			clinic.program = present
			settle(t, hub, clinic)
			for _, want := range []string{`"w-7" "sealed"`, `"h-sealed"`, `"w-10" "before"`, `"w-11" "after"`, `"h-bed"`} {
				if !strings.Contains(clinic.rows(), want) {
					t.Errorf("%s is not in\n%s", want, clinic.rows())
				}
			}
			for _, gone := range []string{`"tag7"`, `"tag8"`} {
				if strings.Contains(clinic.rows(), gone) {
					t.Errorf("%s is still in\n%s", gone, clinic.rows())
				}
			}
		})
	}
}
