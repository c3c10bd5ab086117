package journal

import (
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
)

// Tables of format 6 get what requests by identifier need, and keep what they hold. Killed after each step, the upgrade is gone on with.
func TestUpgradeOfFormat6(t *testing.T) {
	for _, privileges := range []string{"", fewPrivileges} {
		t.Run(map[bool]string{true: "all rights", false: "no ALTER"}[privileges == ""], func(t *testing.T) {
			ctx := t.Context()
			_, dsn := dbtest.Server(t).Database(t, append(statementsOf(t, "testdata/format6.sql"),
				"INSERT INTO omsync_node VALUES (1, 'hub', 6, 17, '{\"version\":1,\"histories\":[4,5]}', 'none')",
				"INSERT INTO omsync_want VALUES ('p-1', 7)",
				"INSERT INTO omsync_scope VALUES (3, 'p-2', NULL, 4, 4, 0, 0, 4, 0, 0, 0)")...)
			db := open(t, dsn)
			account := db
			if privileges != "" {
				account = limited(t, dsn, privileges)
			}
			upgradeKilledAfter(t, account, stepsFrom6())
			_, err := Upgrade(ctx, account, upgradeOptions())
			check(t, err)

			_, dsn = dbtest.Server(t).Database(t)
			fresh := open(t, dsn)
			check(t, Create(ctx, fresh, Node{Name: "hub", Profile: "none", History: 1}))
			if got, want := shape(t, db), shape(t, fresh); !slices.Equal(got, want) {
				t.Errorf("the tables are\n%s\nand new ones are\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			var want, in string
			check(t, db.QueryRow("SELECT (SELECT owner_key FROM omsync_want), (SELECT owner_key FROM omsync_scope WHERE peer_id = 3 AND since = 4)").Scan(&want, &in))
			same(t, "a request and a scope", []string{want, in}, []string{"p-1", "p-2"})
		})
	}
}
