package verify_test

import (
	"slices"
	"testing"

	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/verify"
)

var model = []string{
	"CREATE TABLE place (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name VARCHAR(50)) ENGINE=InnoDB",
	"CREATE TABLE visit (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, place_id INT NOT NULL, note TEXT, FOREIGN KEY (place_id) REFERENCES place (id)) ENGINE=InnoDB",
}

// Each kind of what is not as it should be is found at the node where it is, and nothing else.
func TestLocal(t *testing.T) {
	s := sites.New(t, "hub", "none", model...)
	s.Init()
	s.Exec("INSERT INTO place (id, uuid, name) VALUES (1, 'p1', 'ward'), (2, 'p2', 'clinic')",
		"INSERT INTO visit (id, uuid, place_id) VALUES (1, 'v1', 1), (2, 'v2', 1), (3, 'v3', 2)")
	s.Seal()
	s.Exec("DELETE FROM visit WHERE id = 3")
	s.Seal()
	check := func(want ...verify.Found) {
		t.Helper()
		got, err := verify.Local(t.Context(), s.J, s.DB)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%v, %v, want %v", got, err, want)
		}
	}
	check()
	behind(s, "DELETE FROM visit WHERE id = 2")
	check(verify.Found{Fault: verify.EntryWithoutRow, Table: "visit", Rows: 1})
	behind(s, "INSERT INTO visit (uuid, place_id) VALUES ('v4', 1), ('v3', 2)")
	check(verify.Found{Fault: verify.EntryWithoutRow, Table: "visit", Rows: 1}, verify.Found{Fault: verify.RowWithoutEntry, Table: "visit", Rows: 2}, verify.Found{Fault: verify.DeletedAlive, Table: "visit", Rows: 1})
	behind(s, "DELETE FROM visit", "DELETE FROM omsync_version", "DELETE FROM omsync_tombstone", "INSERT INTO visit (uuid, place_id) VALUES ('v5', 99)")
	got, err := verify.Local(t.Context(), s.J, s.DB)
	if err != nil || !slices.Contains(got, verify.Found{Fault: verify.ReferenceToNoRow, Table: "visit", Column: "place_id", Rows: 1}) {
		t.Errorf("%v, %v", got, err)
	}
	s.Exec("INSERT INTO omsync_alias (peer_id, table_id, their_key, own_key, source, made_at) SELECT 9, id, 'x', 'gone', 'person', 1 FROM omsync_table WHERE name = 'visit'")
	if got, err = verify.Local(t.Context(), s.J, s.DB); err != nil || !slices.Contains(got, verify.Found{Fault: verify.AliasWithoutRow, Table: "visit", Rows: 1}) {
		t.Errorf("%v, %v", got, err)
	}
	// A row that waits for one of a table that is known, and two of which a table is known no more.
	wait := func(key, table, awaited string) {
		s.Exec("INSERT INTO omsync_waiting (peer_id, table_id, row_key, awaited_table, awaited_key, versions, content, since_epoch, reason, column_name, text, since, tried_at, tries) VALUES (9, " +
			table + ", '" + key + "', " + awaited + ", 'x', '', '', 1, 'reference', 'place_id', '', 1, 1, 1)")
	}
	wait("w1", "(SELECT id FROM omsync_table WHERE name = 'visit')", "(SELECT id FROM omsync_table WHERE name = 'place')")
	if got, err = verify.Local(t.Context(), s.J, s.DB); err != nil || slices.ContainsFunc(got, func(f verify.Found) bool { return f.Fault == verify.WaitingForNothing }) {
		t.Errorf("%v, %v", got, err)
	}
	wait("w2", "(SELECT id FROM omsync_table WHERE name = 'visit')", "999")
	wait("w3", "999", "0")
	if got, err = verify.Local(t.Context(), s.J, s.DB); err != nil || !slices.Contains(got, verify.Found{Fault: verify.WaitingForNothing, Rows: 2}) {
		t.Errorf("%v, %v", got, err)
	}
}
