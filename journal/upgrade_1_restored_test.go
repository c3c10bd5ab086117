package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sqldb"
)

// What triggers of the application's tables wrote to omsync_capture is kept when a backup of the omsync tables of format 1 is restored below
// them, and they may have known the tables by other numbers. The caller is told that changes may have been missed, also by the run that goes on.
func TestUpgradeBelowTriggersOfThisFormat(t *testing.T) {
	for _, c := range []struct {
		name    string
		number  int // of ward, as the triggers know it
		dropped int
		want    []string
	}{
		{"same numbers", 5, 0, []string{"11 5 3", "12 5 3", "15 5 3", "late 5 7", fmt.Sprint(captureKept+12, " 5 41"), fmt.Sprint(captureKept+77, " 5 40")}},
		{"other numbers", 8, 1, []string{"11 5 3", "12 5 3", "15 5 3", fmt.Sprint(captureKept+12, " 5 41"), fmt.Sprint(captureKept+77, " 5 40")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			stray := "" // of a table without a trigger: its number may be another's now
			if c.dropped > 0 {
				stray = ", (78, 6, 3, 50, UTC_TIMESTAMP(6))"
			}
			db, _ := format1(t, append(filled(t), layoutOf("omsync_capture").create("omsync_capture"),
				"CREATE TABLE ward (id INT PRIMARY KEY) ENGINE=InnoDB",
				fmt.Sprintf("CREATE TRIGGER omsync_%d_ad_12345678 AFTER DELETE ON ward FOR EACH ROW INSERT INTO omsync_capture (table_id, operation, local_id, changed_at) VALUES (%[1]d, 3, OLD.id, UTC_TIMESTAMP(6))", c.number),
				"INSERT INTO ward VALUES (7)",
				fmt.Sprintf("INSERT INTO omsync_capture (id, table_id, operation, local_id, changed_at) VALUES (77, %d, 3, 40, UTC_TIMESTAMP(6)), (12, %[1]d, 1, 41, UTC_TIMESTAMP(6))%s", c.number, stray))...)
			o, dropped, missed := upgradeOptions(), 0, 0
			o.DropTriggers = func(ctx context.Context) error {
				dropped++
				return sqldb.Exec(ctx, db, fmt.Sprintf("DROP TRIGGER omsync_%d_ad_12345678", c.number))
			}
			o.Triggers = func(_ context.Context, m bool) error {
				if m {
					missed++
				}
				return nil
			}
			o.After = func(step string) error {
				if missed == 0 && step == "replace the triggers" || missed == 1 {
					return errKilled
				}
				if step == "claim the tables" && c.dropped == 0 {
					return sqldb.Exec(t.Context(), db, "DELETE FROM ward")
				}
				return nil
			}
			if _, err := Upgrade(t.Context(), db, o); !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			o.After = nil
			if _, err := Upgrade(t.Context(), db, o); err != nil {
				t.Fatal(err)
			}
			if dropped != c.dropped || missed != 2 {
				t.Errorf("triggers were dropped %d times, the caller was told %d times", dropped, missed)
			}
			var got []string
			eachRow(t, db, "SELECT id, table_id, local_id FROM omsync_capture", func(r []sql.RawBytes) {
				id := string(r[0])
				if sqldb.Uint(r[0]) > captureStart {
					id = "late"
				}
				got = append(got, fmt.Sprintf("%s %s %s", id, r[1], r[2]))
			})
			slices.Sort(got)
			slices.Sort(c.want)
			if !slices.Equal(got, c.want) {
				t.Errorf("omsync_capture has %q, want %q", got, c.want)
			}
		})
	}
}

func eachRow(t *testing.T, db *sql.DB, query string, f func([]sql.RawBytes)) {
	t.Helper()
	if err := sqldb.Each(t.Context(), db, query, func(r []sql.RawBytes) error { f(r); return nil }); err != nil {
		t.Fatal(err)
	}
}

// A restored backup without omsync_change leaves no row of no table behind.
func TestUpgradeWithoutChanges(t *testing.T) {
	db, _ := format1(t, filled(t)...)
	dbtest.Exec(t, db, "DROP TABLE omsync_change")
	if _, err := Upgrade(t.Context(), db, upgradeOptions()); err != nil {
		t.Fatal(err)
	}
	if n, err := CountChanges(t.Context(), db); err != nil || n != 0 {
		t.Errorf("%d changes, %v", n, err)
	}
}
