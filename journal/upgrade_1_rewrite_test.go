package journal

import (
	"fmt"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
)

// A record that cannot be converted is named before anything is changed. Once it is mended the upgrade works.
func TestUpgradeOfARecordThatCannotBeRead(t *testing.T) {
	for _, c := range []struct{ table, column, damaged, row, want, todo string }{
		{"omsync_peer", "link", `{"Number":1,"Later":2}`, "name = 'kisumu'", "omsync_peer.link of kisumu (id 2)", "SET state = 'removed' WHERE id = 2"},
		{"omsync_peer", "link", `{"Number":`, "name = 'kisumu'", "omsync_peer.link of kisumu (id 2)", "SET state = 'removed' WHERE id = 2"},
		{"omsync_peer", "link", `{"version":7}`, "name = 'kisumu'", "is of version 7", "SET state = 'removed' WHERE id = 2"},
		{"omsync_peer", "link", `{"version":1,"number":1,"later":2}`, "name = 'kisumu'", `unknown field "later"`, "SET state = 'removed' WHERE id = 2"},
		{"omsync_peer", "asks", `[]`, "name = 'kisumu'", "omsync_peer.asks of kisumu (id 2)", "SET state = 'removed' WHERE id = 2"},
		{"omsync_table", "cols", ``, "name = 'bed'", "omsync_table.cols of bed (id 6)", "restore the database"},
		{"omsync_table", "flow", `{"version":7}`, "name = 'ward'", "omsync_table.flow of ward (id 5)", "restore the database"},
		{"omsync_node", "earlier", `[4,5`, "id = 1", "omsync_node.earlier of hub (id 1)", "restore the database"},
	} {
		t.Run(c.column+c.damaged, func(t *testing.T) {
			db, _ := format1(t, filled(t)...)
			dbtest.Exec(t, db, "CREATE TABLE kept AS SELECT id, "+c.column+" v FROM "+c.table,
				fmt.Sprintf("UPDATE %s SET %s = '%s' WHERE %s", c.table, c.column, c.damaged, c.row))
			before := fmt.Sprint(shape(t, db))
			_, err := Upgrade(t.Context(), db, upgradeOptions())
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.todo) || !strings.Contains(err.Error(), "nothing was changed") {
				t.Errorf("%v", err)
			}
			if _, format, err := stored(t.Context(), db); err != nil || format != 1 {
				t.Errorf("the format is %d, %v", format, err)
			}
			if after := fmt.Sprint(shape(t, db)); after != before {
				t.Errorf("tables were changed: %s", after)
			}
			dbtest.Exec(t, db, fmt.Sprintf("UPDATE %s x JOIN kept k ON k.id = x.id SET x.%s = k.v", c.table, c.column), "DROP TABLE kept")
			if _, err := Upgrade(t.Context(), db, upgradeOptions()); err != nil {
				t.Fatal(err)
			}
			checkUpgraded(t, db)
		})
	}
}

// What the error says helps: a peer that was removed is in nobody's way.
func TestUpgradeOfARemovedPeerThatCannotBeRead(t *testing.T) {
	db, _ := format1(t, append(filled(t), "UPDATE omsync_peer SET link = '{', asks = '{'", "UPDATE omsync_peer SET state = 'removed' WHERE id = 2")...)
	if _, err := Upgrade(t.Context(), db, upgradeOptions()); err != nil {
		t.Fatal(err)
	}
	var links int
	if err := db.QueryRow("SELECT COUNT(*) FROM omsync_peer WHERE link LIKE '{\"version\":1,%'").Scan(&links); err != nil || links != 2 {
		t.Errorf("%d links, %v", links, err)
	}
}
