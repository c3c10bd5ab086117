package journal

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sqldb"
)

// format2 makes a database with the tables of format 2 and in them what comes of those that filled fills in format 1, and returns it as
// omsync opens it.
func format2(t *testing.T, statements ...string) (db *sql.DB, dsn string) {
	t.Helper()
	literal := func(name string) string { return string(sqldb.Binary(nil, string(golden(t, name)))) }
	ddl := append(statementsOf(t, "testdata/format2.sql"),
		"INSERT INTO omsync_node VALUES (1, 'hub', 2, 17, '{\"version\":1,\"histories\":[4,5]}', 'none'), (2, 'kisumu', NULL, NULL, NULL, NULL)",
		"INSERT INTO omsync_table VALUES (5, 'ward', "+literal("columns")+", "+literal("flow")+", 0, 7, 1779494400000000, 1, 3, 2), (6, 'bed', '{\"version\":1}', NULL, 1, NULL, NULL, NULL, NULL, NULL)",
		"INSERT INTO omsync_capture VALUES (11, 5, 1, 3, NULL, NULL, 0, '2026-05-01 10:00:00.000001'), (12, 5, 2, 3, NULL, NULL, 6, '2026-05-01 10:00:00.000002'), (15, 5, 3, 3, NULL, 'w-3', 0, '2026-05-01 10:00:00.000003')",
		"INSERT INTO omsync_peer VALUES (2, 'kisumu', 'child', 'active', 'card', "+literal("link")+", "+literal("requests")+", NULL, 112, 106, 1, 2, NULL), (7, 'siaya', 'child', 'removed', '', "+literal("link")+", NULL, NULL, 0, 0, NULL, NULL, NULL)")
	for _, s := range filled(t) {
		for _, same := range []string{"omsync_epoch", "omsync_version", "omsync_tombstone", "omsync_import", "omsync_conflict"} {
			if strings.HasPrefix(s, "INSERT INTO "+same+" ") {
				ddl = append(ddl, s)
			}
		}
	}
	_, dsn = dbtest.Server(t).Database(t, append(ddl, statements...)...)
	return open(t, dsn), dsn
}

const fewPrivileges = super + "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, TRIGGER, LOCK TABLES"

// An upgrade from format 2 keeps all that is stored, and one that ends after any step is gone on with.
func TestUpgradeOfFormat2(t *testing.T) {
	for _, privileges := range []string{"", fewPrivileges} {
		t.Run(map[bool]string{true: "all rights", false: "no ALTER"}[privileges == ""], func(t *testing.T) {
			db, dsn := format2(t)
			account := db
			if privileges != "" {
				account = limited(t, dsn, privileges)
			}
			upgradeKilledAfter(t, account, slices.Concat(stepsFrom2(), stepsFrom3(), stepsFrom4(), stepsFrom5(), stepsFrom6()))
			checkUpgraded(t, db)
		})
	}
}

// Where the account may not copy a table, nothing is changed.
func TestUpgradeOfFormat2WithoutPrivileges(t *testing.T) {
	db, dsn := format2(t)
	before := fmt.Sprint(shape(t, db))
	_, err := Upgrade(t.Context(), limited(t, dsn, "SELECT, INSERT, UPDATE, DELETE, DROP"), upgradeOptions())
	if err == nil || !strings.Contains(err.Error(), "GRANT CREATE ON `") || !strings.Contains(err.Error(), "nothing was changed") {
		t.Errorf("%v", err)
	}
	if _, format, err := stored(t.Context(), db); err != nil || format != 2 {
		t.Errorf("the format is %d, %v", format, err)
	}
	if after := fmt.Sprint(shape(t, db)); after != before {
		t.Errorf("tables were changed: %s", after)
	}
}

// A column is added by a copy that goes on wherever the process died, and with what an earlier omsync left of its own upgrade.
func TestAddedColumnGoesOn(t *testing.T) {
	l := layoutOf("omsync_peer")
	const names = "id, name, role, state, card, link, requests, heard, acked_epoch, applied_epoch, sent_at, acked_at, applied_at"
	other := l.name + copySuffix
	fill := fmt.Sprintf("INSERT INTO %s (%s) SELECT %[2]s FROM omsync_peer", other, names)
	for name, ddl := range map[string][]string{
		"an empty copy":            {l.create(other)},
		"a copy, not dropped":      {l.create(other), fill},
		"a copy alone":             {l.create(other), fill, "DROP TABLE omsync_peer"},
		"a copy and a new one":     {l.create(other), fill, "DROP TABLE omsync_peer", l.create(l.name)},
		"copied back":              {l.create(other), fill, "DROP TABLE omsync_peer", l.create(l.name), fmt.Sprintf("INSERT INTO omsync_peer (%s) SELECT %[1]s FROM %s", names, other)},
		"the copy of an older one": {l.create(other), fill, "ALTER TABLE " + other + " DROP COLUMN used", "DROP TABLE omsync_peer"},
	} {
		t.Run(name, func(t *testing.T) {
			db, dsn := format2(t, append(ddl, "UPDATE omsync_node SET format = 1002 WHERE id = 1")...)
			if _, err := Upgrade(t.Context(), limited(t, dsn, fewPrivileges), upgradeOptions()); err != nil {
				t.Fatal(err)
			}
			checkUpgraded(t, db)
		})
	}
}
