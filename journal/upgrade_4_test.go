package journal

import (
	"database/sql"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sqldb"
)

// Rows that wait in tables of format 4 are counted as those that come later. Killed after each step, the upgrade is gone on with.
func TestUpgradeOfFormat4(t *testing.T) {
	for _, privileges := range []string{"", fewPrivileges} {
		t.Run(map[bool]string{true: "all rights", false: "no ALTER"}[privileges == ""], func(t *testing.T) {
			ctx := t.Context()
			_, dsn := dbtest.Server(t).Database(t, append(statementsOf(t, "testdata/format4.sql"),
				"INSERT INTO omsync_node VALUES (1, 'hub', 4, 17, '{\"version\":1,\"histories\":[4,5]}', 'none'), (2, 'kisumu', NULL, NULL, NULL, NULL)",
				`INSERT INTO omsync_waiting VALUES (1, 2, 5, 'a', NULL, 0, '{"version":1,"alive":true,"groups":[{"mask":3,"time":5,"author":"kisumu","epoch":7}],"row_ack":2,"acknowledged":0}', '{"version":1}', 6, 'value', '', 0, '', '', 8, 8, 0, 0, '', ''), `+
					`(2, 2, 5, 'b', NULL, 0, '{"version":1,"alive":false,"deletion":{"time":5,"author":"kisumu","epoch":7},"row_ack":2,"acknowledged":0}', '{"version":1}', 6, 'stamp', '', 0, '', '', 8, 8, 0, 9, 'anna', 'old')`)...)
			db := open(t, dsn)
			account := db
			if privileges != "" {
				account = limited(t, dsn, privileges)
			}
			upgradeKilledAfter(t, account, slices.Concat(stepsFrom4(), stepsFrom5(), stepsFrom6()))
			_, err := Upgrade(ctx, account, upgradeOptions())
			check(t, err)

			_, dsn = dbtest.Server(t).Database(t)
			fresh := open(t, dsn)
			check(t, Create(ctx, fresh, Node{Name: "hub", Profile: "none", History: 1}))
			if got, want := shape(t, db), shape(t, fresh); !slices.Equal(got, want) {
				t.Errorf("the tables are\n%s\nand new ones are\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			var got []string
			check(t, sqldb.Each(ctx, db, "SELECT row_key, size = LENGTH(versions) + LENGTH(content), deletion, dropped_by FROM omsync_waiting ORDER BY id", func(r []sql.RawBytes) error {
				got = append(got, string(r[0])+" "+string(r[1])+" "+string(r[2])+" "+string(r[3]))
				return nil
			}))
			if want := []string{"a 1 0 ", "b 1 1 anna"}; !slices.Equal(got, want) {
				t.Errorf("what waits: %q, want %q", got, want)
			}
		})
	}
}
