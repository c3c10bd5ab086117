package apply_test

import (
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/sites"
)

// secretive is a small model of users with secrets: nullable, and not.
const secretive = `[direction]
add = ["users"]
down = ["user_role"]
rights = ["user_role"]
[secret.users]
columns = ["password", "pin"]
roles = "user_role"
row = "user_id"
role = "role"
`

var secretiveSchema = []string{
	"CREATE TABLE users (user_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20) NULL, password VARCHAR(50) NULL, pin INT NOT NULL, uuid CHAR(36) NOT NULL UNIQUE) ENGINE=InnoDB DEFAULT CHARSET=utf8",
	"CREATE TABLE user_role (user_id INT NOT NULL, role VARCHAR(50) NOT NULL, PRIMARY KEY (user_id, role), FOREIGN KEY (user_id) REFERENCES users (user_id)) ENGINE=InnoDB DEFAULT CHARSET=utf8",
}

func secretiveSite(t *testing.T, name string, released ...string) *sites.Site {
	t.Helper()
	s := sites.New(t, name, secretive, secretiveSchema...)
	s.Profile.Release(released)
	return s
}

// logins are what a site has of its users' secrets.
func logins(t *testing.T, s *sites.Site, want ...string) {
	t.Helper()
	shows(t, s, "SELECT name, IFNULL(password, '-'), pin FROM users ORDER BY name", want...)
}

// By default nobody's secrets go anywhere, and what a site has stays.
func TestSecretsStay(t *testing.T) {
	hub, clinic := secretiveSite(t, "hub"), secretiveSite(t, "clinic")
	hub.Exec("INSERT INTO users VALUES (1, 'ann', 'of ann', 11, 'u-1'), (2, 'ben', 'of ben', 22, 'u-2')", "INSERT INTO user_role VALUES (1, 'Boss')")
	hub.Init()
	clinic.SetOffset(1000)
	clinic.Init()
	hub.Connect(clinic)
	sites.ExchangeTwice(hub, clinic)
	logins(t, clinic, "ann - 0", "ben - 0")

	clinic.Exec("UPDATE users SET password = 'here', pin = 5 WHERE name = 'ann'", "INSERT INTO users (name, password, pin, uuid) VALUES ('cat', 'of cat', 33, 'u-3')")
	hub.Exec("UPDATE users SET password = 'new', pin = 12 WHERE name = 'ann'", "UPDATE users SET name = 'bert' WHERE name = 'ben'")
	sites.ExchangeTwice(hub, clinic)
	logins(t, clinic, "ann here 5", "bert - 0", "cat of cat 33")
	logins(t, hub, "ann new 12", "bert of ben 22", "cat - 0")
	if hub.Conflicts() != nil || clinic.Conflicts() != nil {
		t.Errorf("conflicts: %q, %q", hub.Conflicts(), clinic.Conflicts())
	}
	sites.Quiet(t, hub, clinic)
}

// A hub sends the secrets of users that have a role, and nobody else's. One who is given the role later has them sent with the next
// change of his row. A clinic sends none, whatever it is configured to.
func TestSecretsByRole(t *testing.T) {
	hub, clinic, far := secretiveSite(t, "hub", "boss"), secretiveSite(t, "clinic", "all"), secretiveSite(t, "far")
	hub.Exec("INSERT INTO users VALUES (1, 'ann', 'of ann', 11, 'u-1'), (2, 'ben', 'of ben', 22, 'u-2')", "INSERT INTO user_role VALUES (1, 'Boss'), (1, 'Nurse'), (2, 'Nurse')")
	hub.Init()
	for _, s := range []*sites.Site{clinic, far} {
		s.SetOffset(1000)
		s.Init()
		hub.Connect(s)
	}
	sites.ExchangeTwice(hub, clinic, far)
	logins(t, clinic, "ann of ann 11", "ben - 0")

	clinic.Exec("INSERT INTO users (name, password, pin, uuid) VALUES ('cat', 'of cat', 33, 'u-3')")
	hub.Exec("INSERT INTO user_role VALUES (2, 'Boss')", "UPDATE users SET password = 'new' WHERE name = 'ann'")
	sites.ExchangeTwice(hub, clinic, far)
	logins(t, clinic, "ann new 11", "ben - 0", "cat of cat 33")
	logins(t, hub, "ann new 11", "ben of ben 22", "cat - 0")

	hub.Exec("UPDATE users SET name = 'bert' WHERE name = 'ben'")
	sites.ExchangeTwice(hub, clinic, far)
	for _, s := range []*sites.Site{clinic, far} {
		shows(t, s, "SELECT name, IFNULL(password, '-'), pin FROM users WHERE uuid IN ('u-1', 'u-2') ORDER BY name", "ann new 11", "bert of ben 22")
	}
	logins(t, far, "ann new 11", "bert of ben 22", "cat - 0")
	sites.Quiet(t, hub, clinic, far)
}

// A role that is released later sends the users again, and one who has lost his role keeps at the clinic what came before.
func TestSecretsReleasedLater(t *testing.T) {
	hub, clinic := secretiveSite(t, "hub"), secretiveSite(t, "clinic")
	hub.Exec("INSERT INTO users VALUES (1, 'ann', 'of ann', 11, 'u-1'), (2, 'ben', 'of ben', 22, 'u-2')", "INSERT INTO user_role VALUES (1, 'Boss')")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	sites.ExchangeTwice(hub, clinic)
	logins(t, clinic, "ann - 0", "ben - 0")

	hub.Profile.Release([]string{"Boss"})
	if f := hub.Follow(); strings.Join(f.Widened, " ") != "users" {
		t.Errorf("sent again: %q", f.Widened)
	}
	sites.ExchangeTwice(hub, clinic)
	logins(t, clinic, "ann of ann 11", "ben - 0")

	hub.Exec("DELETE FROM user_role WHERE user_id = 1", "UPDATE users SET password = 'new', name = 'anne' WHERE name = 'ann'")
	sites.ExchangeTwice(hub, clinic)
	logins(t, clinic, "anne of ann 11", "ben - 0")

	hub.Profile.Release([]string{"all"})
	if f := hub.Follow(); strings.Join(f.Widened, " ") != "users" {
		t.Errorf("sent again: %q", f.Widened)
	}
	sites.ExchangeTwice(hub, clinic)
	logins(t, clinic, "anne new 11", "ben of ben 22")
	hub.Profile.Release(nil)
	if f := hub.Follow(); len(f.Widened) > 0 {
		t.Errorf("sent again: %q", f.Widened)
	}
	sites.Quiet(t, hub, clinic)
}

// A hub of now and a clinic with the profile of before, which knew no secrets but that they do not go up: each keeps what it has.
func TestSecretsBesideTheProfileOfBefore(t *testing.T) {
	before := "[direction]\nadd = [\"users\"]\ndown = [\"user_role\"]\n[exclude.users]\nup = [\"password\", \"pin\"]\n"
	hub, clinic := sites.New(t, "hub", before, secretiveSchema...), sites.New(t, "clinic", before, secretiveSchema...)
	hub.Exec("INSERT INTO users VALUES (1, 'ann', 'of ann', 11, 'u-1')")
	hub.Init()
	clinic.SetOffset(1000)
	clinic.Init()
	hub.Connect(clinic)
	sites.ExchangeTwice(hub, clinic)
	logins(t, clinic, "ann of ann 11")

	now := secretiveSite(t, "now")
	hub.Profile = now.Profile
	hub.Reopen()
	if f := hub.Follow(); len(f.Widened)+len(f.Narrowed) > 0 {
		t.Errorf("widened %q, narrowed %q", f.Widened, f.Narrowed)
	}
	hub.Exec("UPDATE users SET password = 'new', name = 'anne'", "INSERT INTO users VALUES (2, 'ben', 'of ben', 22, 'u-2')")
	clinic.Exec("INSERT INTO users (name, password, pin, uuid) VALUES ('cat', 'of cat', 33, 'u-3')")
	sites.ExchangeTwice(hub, clinic)
	logins(t, clinic, "anne of ann 11", "ben - 0", "cat of cat 33")
	logins(t, hub, "anne new 11", "ben of ben 22", "cat - 0")
	sites.Quiet(t, hub, clinic)
}
