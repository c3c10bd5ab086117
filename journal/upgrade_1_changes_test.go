package journal

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sqldb"
)

// What an old trigger wrote comes before what a new one did, and what both wrote counts once.
func TestMoveChanges(t *testing.T) {
	db, _ := format1(t,
		"INSERT INTO omsync_change VALUES (1, 5, 1, 3, NULL, NULL, 0, '2026-05-01 10:00:00.000001'), (2, 5, 2, 3, NULL, NULL, 6, '2026-05-01 10:00:00.000005'), (3, 6, 3, NULL, 'k', 'u', 0, '2026-05-01 10:00:00.000006'), (9, 5, 2, 4, NULL, NULL, 2, '2026-05-01 10:00:00.000007')")
	o := upgradeOptions()
	o.Triggers = func(ctx context.Context, _ bool) error {
		return sqldb.Exec(ctx, db,
			"INSERT INTO omsync_capture (table_id, operation, local_id, column_mask, changed_at) VALUES (5, 2, 3, 6, '2026-05-01 10:00:00.000005')",
			"INSERT INTO omsync_capture (table_id, operation, local_key, deleted_key, changed_at) VALUES (6, 3, 'k', 'u', '2026-05-01 10:00:00.000006')",
			"INSERT INTO omsync_capture (table_id, operation, local_id, column_mask, changed_at) VALUES (5, 2, 3, 6, '2026-05-01 10:00:00.000008')")
	}
	if _, err := Upgrade(t.Context(), db, o); err != nil {
		t.Fatal(err)
	}
	changes, err := Changes(t.Context(), db, 100)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		u := "-"
		if c.DeletedKey != nil {
			u = *c.DeletedKey
		}
		got = append(got, fmt.Sprintf("%d %d %d %s %s %d .%d", c.Table, c.Op, c.Int, c.Key, u, c.Mask.First(), c.At%10))
	}
	want := []string{"5 1 3  - 0 .1", "5 2 4  - 2 .7", "5 2 3  - 6 .5", "6 3 0 k u 0 .6", "5 2 3  - 6 .8"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if changes[1].ID >= captureStart || changes[2].ID <= captureStart {
		t.Errorf("ids %d and %d, not on both sides of %d", changes[1].ID, changes[2].ID, uint64(captureStart))
	}
}

// While a trigger still writes to the old table it stays, and so do the changes.
func TestMoveChangesWaitsForTheTriggers(t *testing.T) {
	db, _ := format1(t, append(filled(t), "CREATE TABLE ward (id INT PRIMARY KEY) ENGINE=InnoDB",
		"CREATE TRIGGER omsync_old AFTER INSERT ON ward FOR EACH ROW INSERT INTO omsync_change (tbl, op, pk, at) VALUES (5, 1, NEW.id, UTC_TIMESTAMP(6))")...)
	_, err := Upgrade(t.Context(), db, upgradeOptions())
	if err == nil || !strings.Contains(err.Error(), "omsync_old on ward") {
		t.Fatalf("%v", err)
	}
	dbtest.Exec(t, db, "INSERT INTO ward VALUES (1)")
	dbtest.Exec(t, db, "DROP TRIGGER omsync_old")
	if _, err := Upgrade(t.Context(), db, upgradeOptions()); err != nil {
		t.Fatal(err)
	}
	if n, err := CountChanges(t.Context(), db); err != nil || n != 4 {
		t.Errorf("%d changes, %v", n, err)
	}
}
