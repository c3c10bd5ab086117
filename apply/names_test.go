package apply_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/sites"
)

const loginProfile = `[direction]
add = ["users"]
[names.users]
columns = ["username", "system_id"]
numbered = ["system_id"]
`

const loginSchema = "CREATE TABLE users (user_id INT AUTO_INCREMENT PRIMARY KEY, system_id VARCHAR(50) NOT NULL DEFAULT '', username VARCHAR(50) NULL, note VARCHAR(20) NULL, uuid CHAR(36) NOT NULL UNIQUE) ENGINE=InnoDB DEFAULT CHARSET=utf8"

// loginNetwork is a hub with a user of each kind, and two clinics that have them.
func loginNetwork(t *testing.T) (hub, kisumu, siaya *sites.Site) {
	t.Helper()
	hub, kisumu, siaya = sites.New(t, "hub", loginProfile, loginSchema), sites.New(t, "kisumu", loginProfile, loginSchema), sites.New(t, "siaya", loginProfile, loginSchema)
	hub.Exec("INSERT INTO users (user_id, system_id, username, uuid) VALUES (1, 'admin', '', 'u-admin'), (2, '2-6', 'ann', 'u-ann'), (3, '3-4', NULL, 'u-ben')")
	hub.Init()
	for i, s := range []*sites.Site{kisumu, siaya} {
		s.SetOffset(int64(1000 * (i + 1)))
		s.Init()
		hub.Connect(s)
	}
	sites.ExchangeTwice(hub, kisumu, siaya)
	return hub, kisumu, siaya
}

// A user whose name or system id another user has is not let in from a clinic. The file waits until the clinic gives another; meanwhile
// the exchange of the other clinic goes on.
func TestNamesOfOthersAreRefused(t *testing.T) {
	for _, x := range []struct{ name, attack, column, other, mend string }{
		{"the name of another", "INSERT INTO users (system_id, username, uuid) VALUES ('9-2', 'ANN', 'u-9')", "username", "u-ann", "UPDATE users SET username = 'ann k' WHERE uuid = 'u-9'"},
		{"with a blank behind it", "INSERT INTO users (system_id, username, uuid) VALUES ('9-2', 'ann ', 'u-9')", "username", "u-ann", "UPDATE users SET username = 'ann k' WHERE uuid = 'u-9'"},
		{"the system id of another as a name", "INSERT INTO users (system_id, username, uuid) VALUES ('9-2', 'Admin', 'u-9')", "username", "u-admin", "UPDATE users SET username = 'chief' WHERE uuid = 'u-9'"},
		{"a counted system id as a name", "INSERT INTO users (system_id, username, uuid) VALUES ('9-2', '2-6', 'u-9')", "username", "u-ann", "UPDATE users SET username = NULL WHERE uuid = 'u-9'"},
		{"the name of another as system id", "INSERT INTO users (system_id, username, uuid) VALUES ('ann', 'eve', 'u-9')", "system_id", "u-ann", "UPDATE users SET system_id = 'eve' WHERE uuid = 'u-9'"},
		{"the system id of another", "INSERT INTO users (system_id, username, uuid) VALUES ('admin', 'eve', 'u-9')", "system_id", "u-admin", "UPDATE users SET system_id = 'eve' WHERE uuid = 'u-9'"},
		{"a counted system id that is the other's only name", "INSERT INTO users (system_id, username, uuid) VALUES ('3-4', 'eve', 'u-9')", "system_id", "u-ben", "UPDATE users SET system_id = '9-2' WHERE uuid = 'u-9'"},
		{"a counted system id that is its only name", "INSERT INTO users (system_id, username, uuid) VALUES ('2-6', NULL, 'u-9')", "system_id", "u-ann", "UPDATE users SET username = 'eve' WHERE uuid = 'u-9'"},
		{"a system id that is another's name with a dash", "INSERT INTO users (system_id, username, uuid) VALUES ('12-5', 'eve', 'u-9')", "system_id (without its dash)", "u-cid", "UPDATE users SET system_id = '9-2' WHERE uuid = 'u-9'"},
		{"a name that is another's system id without its dash", "INSERT INTO users (system_id, username, uuid) VALUES ('9-2', '26', 'u-9')", "username", "u-ann", "UPDATE users SET username = 'eve' WHERE uuid = 'u-9'"},
		{"a system id that is another's without its dash", "INSERT INTO users (system_id, username, uuid) VALUES ('26', 'eve', 'u-9')", "system_id", "u-ann", "UPDATE users SET system_id = '9-2' WHERE uuid = 'u-9'"},
		{"a system id that is another's with a dash", "INSERT INTO users (system_id, username, uuid) VALUES ('7-7', 'eve', 'u-9')", "system_id (without its dash)", "u-dot", "UPDATE users SET system_id = '9-2' WHERE uuid = 'u-9'"},
		{"the equal system id of one with the other form as name", "INSERT INTO users (system_id, username, uuid) VALUES ('15-1', 'eve', 'u-9')", "system_id (without its dash)", "u-eli", "UPDATE users SET system_id = '9-2' WHERE uuid = 'u-9'"},
		{"two of one file, one with a dash", "INSERT INTO users (system_id, username, uuid) VALUES ('9-3', 'eve', 'u-8'), ('9-4', '93', 'u-9')", "system_id (without its dash)", "u-9", "UPDATE users SET username = 'eva' WHERE uuid = 'u-9'"},
		{"two of one file", "INSERT INTO users (system_id, username, uuid) VALUES ('9-2', 'eve', 'u-8'), ('9-3', 'Eve', 'u-9')", "username", "u-", "UPDATE users SET username = 'eva' WHERE uuid = 'u-9'"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			hub, kisumu, siaya := loginNetwork(t)
			hub.Exec("INSERT INTO users (system_id, username, uuid) VALUES ('70-1', '125', 'u-cid'), ('77', 'dot', 'u-dot'), ('15-1', '151', 'u-eli')")
			sites.ExchangeTwice(hub, kisumu, siaya)
			kisumu.Exec(x.attack)
			siaya.Exec("INSERT INTO users (system_id, username, uuid) VALUES ('40-1', 'zoe', 'u-zoe')")
			users := hub.One("SELECT COUNT(*) FROM users")
			_, err := hub.ImportErr(kisumu.Export(hub)[0])
			if err == nil {
				t.Fatal("it was let in")
			}
			for _, part := range []string{"users, row u-", "kisumu sends it with a " + x.column + " that the row " + x.other, " has already", "best at kisumu"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q is not in: %v", part, err)
				}
			}
			if got := hub.One("SELECT COUNT(*) FROM users"); got != users {
				t.Errorf("%s users, %s before", got, users)
			}
			sites.ExchangeTwice(hub, siaya)
			shows(t, hub, "SELECT username FROM users WHERE uuid = 'u-zoe'", "zoe")

			kisumu.Exec(x.mend)
			sites.ExchangeTwice(hub, kisumu, siaya)
			shows(t, hub, "SELECT COUNT(*) FROM users WHERE uuid = 'u-9'", "1")
			sites.Quiet(t, hub, kisumu, siaya)
		})
	}
}

// A user that a clinic added is not renamed to the name of another.
func TestRenamesToOthersAreRefused(t *testing.T) {
	hub, kisumu, siaya := loginNetwork(t)
	kisumu.Exec("INSERT INTO users (system_id, username, uuid) VALUES ('9-2', 'eve', 'u-9')")
	sites.ExchangeTwice(hub, kisumu, siaya)
	for _, rename := range []string{"username = 'ann'", "system_id = 'admin'"} {
		kisumu.Exec("UPDATE users SET username = 'eve', system_id = '9-2', note = 'x' WHERE uuid = 'u-9'", "UPDATE users SET "+rename+" WHERE uuid = 'u-9'")
		if _, err := hub.ImportErr(kisumu.Export(hub)[0]); err == nil || !strings.Contains(err.Error(), "people log in by that") {
			t.Errorf("%s: %v", rename, err)
		}
	}
	kisumu.Exec("UPDATE users SET username = 'eva', system_id = '9-2' WHERE uuid = 'u-9'")
	sites.ExchangeTwice(hub, kisumu, siaya)
	shows(t, siaya, "SELECT username FROM users WHERE uuid = 'u-9'", "eva")
	sites.Quiet(t, hub, kisumu, siaya)
}

// What honest sites do goes on: users that had equal names before are edited, system ids are counted alike at two sites, names move
// from one user to another in one file, users without a name are many, and a parent's names are taken.
func TestHonestNames(t *testing.T) {
	hub, kisumu, siaya := sites.New(t, "hub", loginProfile, loginSchema), sites.New(t, "kisumu", loginProfile, loginSchema), sites.New(t, "siaya", loginProfile, loginSchema)
	hub.Exec("INSERT INTO users (system_id, username, uuid) VALUES ('admin', '', 'u-admin'), ('', NULL, 'u-none')")
	for _, s := range []*sites.Site{kisumu, siaya} { // before omsync looked at names
		hub.Exec(fmt.Sprintf("INSERT INTO users (system_id, username, uuid) VALUES ('admin', '', 'u-admin-%s'), ('5-9', 'nurse', 'u-nurse-%[1]s')", s.Name))
	}
	hub.Init()
	for i, s := range []*sites.Site{kisumu, siaya} {
		s.SetOffset(int64(1000 * (i + 1)))
		s.Init()
		hub.Connect(s)
	}
	sites.ExchangeTwice(hub, kisumu, siaya)
	for _, s := range []*sites.Site{kisumu, siaya} {
		s.Exec(fmt.Sprintf("INSERT INTO users (system_id, username, uuid) VALUES ('8-3', 'of %s', 'u-8-%[1]s'), ('88', '%[1]s 88', 'u-88-%[1]s'), ('', NULL, 'u-none-%[1]s')", s.Name))
	}
	sites.ExchangeTwice(hub, kisumu, siaya)
	shows(t, hub, "SELECT COUNT(*), COUNT(DISTINCT username) FROM users WHERE system_id = '8-3'", "2 2")

	kisumu.Exec("INSERT INTO users (system_id, username, uuid) VALUES ('11-1', 'amy', 'u-amy'), ('12-1', 'bea', 'u-bea')")
	sites.ExchangeTwice(hub, kisumu, siaya)
	kisumu.Exec("UPDATE users SET username = 'x' WHERE uuid = 'u-amy'", "UPDATE users SET username = 'amy' WHERE uuid = 'u-bea'", "UPDATE users SET username = 'bea' WHERE uuid = 'u-amy'",
		"DELETE FROM users WHERE uuid = 'u-8-kisumu'", "INSERT INTO users (system_id, username, uuid) VALUES ('14-1', 'of kisumu', 'u-14')")
	hub.Exec("INSERT INTO users (system_id, username, uuid) VALUES ('13-1', 'amy', 'u-amy-hub')") // taken at the clinics
	kisumu.Import(hub.Export(kisumu)[0])
	sites.ExchangeTwice(hub, siaya)
	shows(t, siaya, "SELECT uuid FROM users WHERE username = 'amy' ORDER BY 1", "u-amy", "u-amy-hub")
	if _, err := hub.ImportErr(kisumu.Export(hub)[0]); err == nil {
		t.Error("a name that the hub gave meanwhile is taken from a clinic")
	}
	kisumu.Exec("UPDATE users SET username = 'amy k' WHERE uuid = 'u-bea'")
	sites.ExchangeTwice(hub, kisumu, siaya)
	shows(t, hub, "SELECT uuid, username FROM users WHERE uuid IN ('u-amy', 'u-bea', 'u-14') ORDER BY 1", "u-14 of kisumu", "u-amy bea", "u-bea amy k")
	sites.Quiet(t, hub, kisumu, siaya)
}

// A user who was alive with another's name before goes on, as long as his names stay.
func TestEditsBesideEqualNames(t *testing.T) {
	hub, kisumu := sites.New(t, "hub", "[direction]\nadd = [\"users\"]\n", loginSchema), sites.New(t, "kisumu", "[direction]\nadd = [\"users\"]\n", loginSchema)
	hub.Exec("INSERT INTO users (system_id, username, uuid) VALUES ('admin', '', 'u-1'), ('1-8', 'nurse', 'u-2')")
	kisumu.Exec("INSERT INTO users (system_id, username, uuid) VALUES ('admin', '', 'u-3'), ('n-8', 'nurse', 'u-4')")
	hub.Init()
	kisumu.SetOffset(1000)
	kisumu.Init()
	hub.Connect(kisumu)
	sites.ExchangeTwice(hub, kisumu)
	now := sites.New(t, "now", loginProfile, loginSchema)
	hub.Profile = now.Profile
	hub.Reopen()
	hub.Follow()
	kisumu.Exec("UPDATE users SET note = 'x'")
	hub.Exec("UPDATE users SET note = 'y' WHERE uuid = 'u-1'")
	sites.ExchangeTwice(hub, kisumu)
	shows(t, hub, "SELECT uuid FROM users WHERE note = 'x' ORDER BY 1", "u-3", "u-4")
	kisumu.Exec("UPDATE users SET system_id = 'm-8' WHERE uuid = 'u-4'") // the other of his names, and it is nobody's
	sites.ExchangeTwice(hub, kisumu)
	shows(t, hub, "SELECT system_id FROM users WHERE uuid = 'u-4'", "m-8")
	kisumu.Exec("UPDATE users SET username = 'Nurse' WHERE uuid = 'u-4'")
	if _, err := hub.ImportErr(kisumu.Export(hub)[0]); err == nil {
		t.Error("the name of another was given once more")
	}
}

// Many users with names of others, as a forged file would bring them, are refused soon.
func TestManySharedNames(t *testing.T) {
	hub, kisumu, _ := loginNetwork(t)
	var users, theirs []string
	for i := range 20_000 {
		users = append(users, fmt.Sprintf("('%d-1', 'h%[1]d', 'u-h%[1]d')", 100+i))
		theirs = append(theirs, fmt.Sprintf("('%d-1', 'k%[1]d', 'u-k%[1]d')", 100+i))
	}
	hub.Exec("INSERT INTO users (system_id, username, uuid) VALUES " + strings.Join(users, ","))
	hub.Send(kisumu)
	kisumu.Exec("INSERT INTO users (system_id, username, uuid) VALUES " + strings.Join(theirs, ","))
	f := kisumu.Export(hub)[0]
	start := time.Now()
	_, err := hub.ImportErr(f)
	t.Logf("refused in %v", time.Since(start))
	if err == nil || !strings.Contains(err.Error(), "more than 1000 names that its rows of users have are others' too") {
		t.Error(err)
	}
}

// However many users have one counted system id, each file is looked at in a moment: neither those that it brings nor those that are
// here are compared in pairs.
func TestManyUsersOfOneName(t *testing.T) {
	hub, kisumu, siaya := loginNetwork(t)
	const many = 20_000
	for _, s := range []*sites.Site{kisumu, siaya} {
		var users []string
		for i := range many {
			users = append(users, fmt.Sprintf("('1-2', '%s%d', 'u-%[1]s%[2]d')", s.Name, i))
		}
		s.Exec("INSERT INTO users (system_id, username, uuid) VALUES " + strings.Join(users, ","))
		f := s.Export(hub)[0]
		start := time.Now()
		hub.Import(f)
		t.Logf("%d users came in %v", many, time.Since(start))
	}
	var took [2]time.Duration
	for i, user := range []string{"'own', 'amy', 'u-amy'", "'1-2', 'eve', 'u-eve'"} {
		kisumu.Exec("INSERT INTO users (system_id, username, uuid) VALUES (" + user + ")")
		f := kisumu.Export(hub)[0]
		start := time.Now()
		hub.Import(f)
		took[i] = time.Since(start)
	}
	t.Logf("one with an id of her own came in %v, one more with theirs in %v", took[0], took[1])
	if took[1] > 4*took[0]+time.Second {
		t.Error("that is too long")
	}
	shows(t, hub, "SELECT COUNT(*) FROM users WHERE system_id = '1-2'", fmt.Sprint(2*many+1))
	hub.Exec("INSERT INTO users (system_id, username, uuid) VALUES ('1-2', NULL, 'u-last')") // who has no other name
	kisumu.Exec("INSERT INTO users (system_id, username, uuid) VALUES ('1-2', 'zoe', 'u-zoe')")
	if _, err := hub.ImportErr(kisumu.Export(hub)[0]); err == nil || !strings.Contains(err.Error(), "that the row u-last here has already") {
		t.Errorf("beside one whose only name it is: %v", err)
	}
}
