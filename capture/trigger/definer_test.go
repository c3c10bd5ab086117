package trigger

import (
	"context"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/journal"
)

// The triggers' account is dropped: no write of the application succeeds. They are replaced under the session's account, and no change
// counts as missed, since none could be made.
func TestTriggersOfAnAccountThatIsGone(t *testing.T) {
	w := watch(t, "", simpleTable)
	gone := "gone" + w.cat.Database[len(w.cat.Database)-8:]
	w.asDefiner(gone, false)
	if _, err := w.app.ExecContext(context.Background(), "INSERT INTO t (uuid) VALUES ('u')"); err == nil {
		t.Fatal("the trigger runs as nobody")
	}
	missing, outdated := w.missing()
	equal(t, "missing", missing, nil)
	equal(t, "outdated", outdated, []string{"t"})
	w.install()
	w.log()
	w.expect("INSERT INTO t (uuid) VALUES ('u')", "t I 2")
	missing, outdated = w.missing()
	equal(t, "missing", missing, nil)
	equal(t, "outdated", outdated, nil)
}

// Another account that is there with its rights stays: it may have been chosen for the binary log. One that has lost them goes.
func TestTriggersOfAnotherAccount(t *testing.T) {
	w := watch(t, "", simpleTable)
	other := "other" + w.cat.Database[len(w.cat.Database)-8:]
	w.asDefiner(other, true)
	missing, outdated := w.missing()
	equal(t, "missing", missing, nil)
	equal(t, "outdated", outdated, nil)
	w.do("REVOKE INSERT ON `" + w.cat.Database + "`.* FROM '" + other + "'@'localhost'")
	_, outdated = w.missing()
	equal(t, "outdated", outdated, []string{"t"})
	w.install()
	w.log()
	w.expect("INSERT INTO t (uuid) VALUES ('u')", "t I 1")
}

// asDefiner has the triggers of t made by another account; without keep, the account is dropped after that.
func (w *watched) asDefiner(account string, keep bool) {
	w.t.Helper()
	var statements []string
	for _, x := range w.wanted("t") {
		statements = append(statements, "DROP TRIGGER "+x.Name, strings.Replace(x.SQL, "CREATE ", "CREATE DEFINER = '"+account+"'@'localhost' ", 1))
	}
	w.do(append([]string{"SET sql_mode = ''", "CREATE USER '" + account + "'@'localhost' IDENTIFIED BY 'Long-enough-1'",
		"GRANT SELECT, INSERT, TRIGGER ON `" + w.cat.Database + "`.* TO '" + account + "'@'localhost'"}, statements...)...)
	drop := "DROP USER '" + account + "'@'localhost'"
	if keep {
		w.t.Cleanup(func() { w.db.Exec(drop) })
		return
	}
	w.do(drop)
}

// wanted returns the triggers that a table should have.
func (w *watched) wanted(table string) []trigger {
	w.t.Helper()
	metas := map[string]*journal.Table{}
	for _, m := range w.metas {
		metas[m.Name] = m
	}
	out, err := triggers(w.cat.Table(table), metas)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// A trigger of the right name and another text does not count, and what changed meanwhile counts as missed.
func TestTriggerWithAnotherText(t *testing.T) {
	w := watch(t, "", simpleTable)
	name := w.wanted("t")[0].Name
	w.do("DROP TRIGGER "+name, "CREATE TRIGGER "+name+" AFTER INSERT ON t FOR EACH ROW BEGIN END")
	missing, outdated := w.missing()
	equal(t, "missing", missing, []string{"t"})
	equal(t, "outdated", outdated, []string{"t"})
	w.install()
	w.log()
	w.expect("INSERT INTO t (uuid) VALUES ('u')", "t I 1")
	if names := strings.Join(w.names(), " "); !strings.Contains(names, name+otherSuffix) && w.several() {
		t.Errorf("triggers %s", names)
	}
	missing, outdated = w.missing()
	equal(t, "missing", missing, nil)
	equal(t, "outdated", outdated, nil)
}

func TestSuffice(t *testing.T) {
	for grant, want := range map[string]bool{
		"GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION":                      true,
		"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, TRIGGER ON `open\\_mrs`.* TO `a`@`b`": true,
		"GRANT SELECT, INSERT, UPDATE, TRIGGER ON `other`.* TO `a`@`b`":                            false,
		"GRANT SELECT, TRIGGER ON `open_mrs`.* TO `a`@`b`":                                         false,
		"GRANT USAGE ON *.* TO `a`@`b`":                                                            false,
		"GRANT ALL PRIVILEGES ON `open_mrs`.`t` TO `a`@`b`":                                        false,
	} {
		if got := suffice([]string{"GRANT USAGE ON *.* TO `a`@`b`", grant}, "open_mrs"); got != want {
			t.Errorf("%s: %t", grant, got)
		}
	}
}

// Under LOCK TABLES, of one table or two, after omsync has read the changes and after others have: each kind of statement works.
func TestLockTables(t *testing.T) {
	w := watch(t, "", simpleTable, strings.Replace(simpleTable, "t (", "`other` (", 1))
	there, err := List(context.Background(), w.conn(), w.cat.Database)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Guard(context.Background(), w.conn(), w.cat.Database, there); err != nil {
		t.Fatal(err)
	}
	for _, lock := range []string{"t WRITE", "t WRITE, other WRITE", "t WRITE, other READ"} {
		for _, statement := range []string{"INSERT INTO t (id, uuid) VALUES (1, 'a'), (2, 'b')", "INSERT INTO t (id, uuid) VALUES (1, 'a') ON DUPLICATE KEY UPDATE uuid = 'c'",
			"UPDATE t SET uuid = CONCAT(uuid, 'x')", "REPLACE INTO t (id, uuid) VALUES (2, 'd')", "DELETE FROM t"} {
			if _, err := journal.Changes(t.Context(), w.db, 10); err != nil {
				t.Fatal(err)
			}
			if _, err := journal.RemovedRows(t.Context(), w.db, 0, 10); err != nil {
				t.Fatal(err)
			}
			dbtest.Exec(t, w.app, "LOCK TABLES "+lock, statement, "UNLOCK TABLES")
		}
	}
	if n := len(w.log()); n < 15 {
		t.Errorf("%d changes", n)
	}
}
