package journal

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sqldb"
)

func TestUpgrade(t *testing.T) {
	db, _ := format1(t, filled(t)...)
	said := 0
	o := upgradeOptions()
	o.Say = func(format string, args ...any) {
		if said++; !strings.Contains(fmt.Sprintf(format, args...), fmt.Sprint("from format 1 to ", Format)) {
			t.Errorf("said %q", fmt.Sprintf(format, args...))
		}
	}
	for _, want := range []bool{true, false} {
		upgraded, err := Upgrade(t.Context(), db, o)
		if err != nil || upgraded != want {
			t.Fatalf("%t, %v", upgraded, err)
		}
		checkUpgraded(t, db)
	}
	if said != 1 {
		t.Errorf("said %d times what happens", said)
	}
}

// The privileges that omsync asks for have no ALTER among them: tables are copied.
func TestUpgradeWithoutALTER(t *testing.T) {
	db, dsn := format1(t, filled(t)...)
	account := limited(t, dsn, super+"SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, TRIGGER, LOCK TABLES")
	if _, err := Upgrade(t.Context(), account, upgradeOptions()); err != nil {
		t.Fatal(err)
	}
	checkUpgraded(t, db)
}

// blocked reports whether the server lets administrators alone make triggers.
func blocked(t *testing.T, db *sql.DB) (is bool) {
	t.Helper()
	var log, trust bool
	if err := db.QueryRow("SELECT @@log_bin, @@log_bin_trust_function_creators").Scan(&log, &trust); err != nil {
		t.Fatal(err)
	}
	return log && !trust
}

// Whatever the account lacks, it is told before anything is changed, and the old program still works.
func TestUpgradeWithoutTriggers(t *testing.T) {
	db, dsn := format1(t, filled(t)...)
	for _, c := range []struct {
		privileges string
		want       string
		skip       bool
	}{
		{super + "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, LOCK TABLES", "GRANT TRIGGER ON `", false},
		{"SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, LOCK TABLES, TRIGGER", "log_bin_trust_function_creators", !blocked(t, db)},
	} {
		t.Run(c.want, func(t *testing.T) {
			if c.skip {
				t.Skip("any account may make triggers on this server")
			}
			before := fmt.Sprint(shape(t, db))
			_, err := Upgrade(t.Context(), limited(t, dsn, c.privileges), upgradeOptions())
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "nothing was changed") {
				t.Errorf("%v", err)
			}
			if _, format, err := stored(t.Context(), db); err != nil || format != 1 {
				t.Errorf("the format is %d, %v", format, err)
			}
			if after := fmt.Sprint(shape(t, db)); after != before {
				t.Errorf("tables were changed: %s", after)
			}
		})
	}
	if _, err := Upgrade(t.Context(), db, upgradeOptions()); err != nil {
		t.Fatal(err)
	}
	checkUpgraded(t, db)
}

// What else the account lacks is told before anything is changed too. A server that takes one trigger of a kind needs more.
func TestUpgradeWithoutPrivileges(t *testing.T) {
	db, dsn := format1(t, filled(t)...)
	var version string
	if err := db.QueryRow("SELECT VERSION()").Scan(&version); err != nil {
		t.Fatal(err)
	}
	several := sqldb.ParseVersion(version).TakesSeveralTriggers()
	before := fmt.Sprint(shape(t, db))
	for _, c := range []struct {
		privileges, want string
		skip             bool
	}{
		{"SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, TRIGGER, LOCK TABLES", "GRANT DROP ON `", false},
		{"SELECT, INSERT, UPDATE, DELETE, CREATE, TRIGGER, LOCK TABLES", "GRANT DROP ON `", false},
		{"SELECT, INSERT, UPDATE, DELETE, DROP, ALTER, TRIGGER, LOCK TABLES", "GRANT CREATE ON `", false},
		{"SELECT, TRIGGER, LOCK TABLES", "GRANT INSERT, UPDATE, DELETE, CREATE, DROP ON `", false},
		{"SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, TRIGGER", "GRANT LOCK TABLES ON `", several},
	} {
		t.Run(c.privileges, func(t *testing.T) {
			if c.skip {
				t.Skip("this server takes several triggers of a kind")
			}
			_, err := Upgrade(t.Context(), limited(t, dsn, super+c.privileges), upgradeOptions())
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "nothing was changed") {
				t.Errorf("%v", err)
			}
			if _, format, err := stored(t.Context(), db); err != nil || format != 1 {
				t.Errorf("the format is %d, %v", format, err)
			}
			if after := fmt.Sprint(shape(t, db)); after != before {
				t.Errorf("tables were changed: %s", after)
			}
		})
	}
	account := limited(t, dsn, super+map[bool]string{true: "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, TRIGGER", false: "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, TRIGGER, LOCK TABLES"}[several])
	if _, err := Upgrade(t.Context(), account, upgradeOptions()); err != nil {
		t.Fatal(err)
	}
	checkUpgraded(t, db)
}

var errKilled = errors.New("killed")

// upgradeKilledAfter runs an upgrade once for each of these steps, killed after it.
func upgradeKilledAfter(t *testing.T, db *sql.DB, steps []upgradeStep) {
	t.Helper()
	o := upgradeOptions()
	for _, s := range steps {
		o.After = func(step string) error {
			if step == s.name {
				return errKilled
			}
			return nil
		}
		if _, err := Upgrade(t.Context(), db, o); !errors.Is(err, errKilled) {
			t.Fatalf("killed after %s: %v", s.name, err)
		}
	}
}

// An upgrade that ends after any step is gone on with: each run here ends one step later than the one before, and so does each step
// again what was done already. Until the end every program refuses the tables, once they are claimed.
func TestUpgradeKilledAfterEachStep(t *testing.T) {
	for _, privileges := range []string{"", super + "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, TRIGGER, LOCK TABLES"} {
		t.Run(map[bool]string{true: "all rights", false: "no ALTER"}[privileges == ""], func(t *testing.T) {
			db, dsn := format1(t, filled(t)...)
			account := db
			if privileges != "" {
				account = limited(t, dsn, privileges)
			}
			steps := upgradeSteps()
			for i, s := range steps {
				upgradeKilledAfter(t, account, steps[i:i+1])
				var other *FormatError
				_, err := LoadNode(t.Context(), db)
				switch last := i == len(steps)-1; {
				case last && err != nil:
					t.Errorf("after the last step: %v", err)
				case !last && (!errors.As(err, &other) || !other.Old()):
					t.Errorf("after %s: %v", s.name, err)
				}
			}
			checkUpgraded(t, db)
		})
	}
}

// Each step has its name once: an interruption is told by it.
func TestUpgradeStepsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	last := 0
	for _, s := range upgradeSteps() {
		if s.name == "" || seen[s.name] || s.from < last || s.from >= Format {
			t.Errorf("step %q from format %d", s.name, s.from)
		}
		seen[s.name], last = true, s.from
	}
}

func TestUpgradeOfAnotherNode(t *testing.T) {
	db, _ := format1(t)
	o := upgradeOptions()
	o.Self = "kisumu"
	if _, err := Upgrade(t.Context(), db, o); err == nil || !strings.Contains(err.Error(), "belongs to the node hub") {
		t.Errorf("%v", err)
	}
	_, dsn := dbtest.Server(t).Database(t)
	if _, err := Upgrade(t.Context(), open(t, dsn), o); !errors.Is(err, ErrNone) {
		t.Errorf("of no node: %v", err)
	}
}

// Drop leaves nothing of an upgrade that was interrupted anywhere.
func TestDropOfAnUnfinishedUpgrade(t *testing.T) {
	db, _ := format1(t, layoutOf("omsync_version").create("omsync_version"+copySuffix))
	o := upgradeOptions()
	o.After = func(string) error { return errKilled }
	if _, err := Upgrade(t.Context(), db, o); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	if err := Drop(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if left := shape(t, db); len(left) > 0 {
		t.Errorf("left: %s", strings.Join(left, "\n"))
	}
}

// A backup of the tables of format 1 that is restored over upgraded ones leaves omsync_capture there: what is in it is of a time that is
// no more.
func TestUpgradeOfARestoredBackup(t *testing.T) {
	db, _ := format1(t, append(filled(t), layoutOf("omsync_capture").create("omsync_capture"),
		"INSERT INTO omsync_capture (id, table_id, operation, local_id, changed_at) VALUES (77, 5, 1, 3, UTC_TIMESTAMP(6))")...)
	if _, err := Upgrade(t.Context(), db, upgradeOptions()); err != nil {
		t.Fatal(err)
	}
	checkUpgraded(t, db)
}
