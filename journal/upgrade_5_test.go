package journal

import (
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
)

// Tables of format 5 get what scopes need, and keep what they hold. Killed after each step, the upgrade is gone on with.
func TestUpgradeOfFormat5(t *testing.T) {
	for _, privileges := range []string{"", fewPrivileges} {
		t.Run(map[bool]string{true: "all rights", false: "no ALTER"}[privileges == ""], func(t *testing.T) {
			ctx := t.Context()
			_, dsn := dbtest.Server(t).Database(t, append(statementsOf(t, "testdata/format5.sql"),
				"INSERT INTO omsync_node VALUES (1, 'hub', 5, 17, '{\"version\":1,\"histories\":[4,5]}', 'none'), (2, 'kisumu', NULL, NULL, NULL, NULL)",
				"INSERT INTO omsync_capture VALUES (11, 5, 3, 1, NULL, 'a', 0, '1970-01-01 00:00:00.000009')",
				"INSERT INTO omsync_tombstone VALUES (5, 'a', NULL, 0, 7, 2, 3, 2)",
				"INSERT INTO omsync_conflict VALUES (1, REPEAT('d', 16), 'ward', 'w-1', 'name', 'lost', 0, 3, 'hub', 4, 'kisumu', 5, 3, 0, 2)")...)
			db := open(t, dsn)
			account := db
			if privileges != "" {
				account = limited(t, dsn, privileges)
			}
			upgradeKilledAfter(t, account, slices.Concat(stepsFrom5(), stepsFrom6()))
			_, err := Upgrade(ctx, account, upgradeOptions())
			check(t, err)

			_, dsn = dbtest.Server(t).Database(t)
			fresh := open(t, dsn)
			check(t, Create(ctx, fresh, Node{Name: "hub", Profile: "none", History: 1}))
			if got, want := shape(t, db), shape(t, fresh); !slices.Equal(got, want) {
				t.Errorf("the tables are\n%s\nand new ones are\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			a := must(LoadAuthors(ctx, db))(t)
			dead := must(Tombstones(ctx, db, 5, []string{"a"}, a))(t)
			same(t, "a deletion", dead["a"], stamped(7, "kisumu", 3, 2))
			same(t, "its owners", must(Buried(ctx, db, 5, []string{"a"}))(t), map[string][]string{})
			var records []Conflict
			check(t, NewerConflicts(ctx, db, 0, 9, func(c Conflict) error {
				records = append(records, c)
				return nil
			}))
			if len(records) != 1 || records[0].Key != "w-1" || records[0].Owners != nil || records[0].Over != 2 {
				t.Errorf("records: %+v", records)
			}
			if changes := must(Changes(ctx, db, 5))(t); len(changes) != 1 || *changes[0].DeletedKey != "a" {
				t.Errorf("changes: %+v", changes)
			}
		})
	}
}
