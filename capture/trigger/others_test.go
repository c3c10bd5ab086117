package trigger

import (
	"strings"
	"testing"
)

// The application's triggers that write to tables which travel are found; those that only change their own row, or keep to tables that
// stay here, are not.
func TestWriters(t *testing.T) {
	w := watch(t, "never = [\"kept\"]\n", simpleTable, strings.Replace(simpleTable, "t (", "`audit` (", 1), strings.Replace(simpleTable, "t (", "kept (", 1))
	for name, body := range map[string]string{
		"own":   "BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 'set'",
		"here":  "AFTER UPDATE ON t FOR EACH ROW INSERT INTO kept (uuid) VALUES (UUID())",
		"twice": "AFTER DELETE ON t FOR EACH ROW BEGIN insert ignore into `audit` (uuid, a) VALUES (UUID(), 'x'); DELETE FROM kept; END",
		"calls": "BEFORE UPDATE ON t FOR EACH ROW IF NEW.n = -1 THEN CALL elsewhere(); END IF",
	} {
		if !w.several() && (name == "here" || name == "twice") {
			continue // one of a kind
		}
		w.do("CREATE TRIGGER " + name + " " + body)
	}
	got, err := Writers(t.Context(), w.db, w.cat)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"calls (BEFORE UPDATE on t) writes to a procedure", "twice (AFTER DELETE on t) writes to audit"}
	if !w.several() {
		want = want[:1]
	}
	equal(t, "writers", got, want)
}
