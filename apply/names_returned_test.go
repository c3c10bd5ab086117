package apply_test

import (
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/sites"
)

// returningNames is a network like that of loginNetwork, with rows that refer to users: those whom the hub deletes come back for them.
func returningNames(t *testing.T) (hub, kisumu, siaya *sites.Site) {
	t.Helper()
	profile := strings.Replace(loginProfile, "[names", "both = [\"visit\"]\n[names", 1)
	visit := "CREATE TABLE visit (visit_id INT AUTO_INCREMENT PRIMARY KEY, creator INT NOT NULL, changed_by INT NULL, uuid CHAR(36) NOT NULL UNIQUE, FOREIGN KEY (creator) REFERENCES users (user_id), FOREIGN KEY (changed_by) REFERENCES users (user_id)) ENGINE=InnoDB DEFAULT CHARSET=utf8"
	hub, kisumu, siaya = sites.New(t, "hub", profile, loginSchema, visit), sites.New(t, "kisumu", profile, loginSchema, visit), sites.New(t, "siaya", profile, loginSchema, visit)
	hub.Exec("INSERT INTO users (user_id, system_id, username, uuid) VALUES (1, 'admin', '', 'u-admin'), (2, '2-6', 'ann', 'u-ann'), (3, '3-4', 'ben', 'u-ben')")
	hub.Init()
	for i, s := range []*sites.Site{kisumu, siaya} {
		s.SetOffset(int64(1000 * (i + 1)))
		s.Init()
		hub.Connect(s)
	}
	sites.ExchangeTwice(hub, kisumu, siaya)
	return hub, kisumu, siaya
}

// A user who was deleted does not come back beside the one who has its name now: what refers to it waits, and says why. It comes back
// once the name is free.
func TestNameOfDeletedUserIsTaken(t *testing.T) {
	for _, x := range []struct{ name, column, refers string }{
		{"needed", "creator", "INSERT INTO visit (creator, uuid) SELECT user_id, 'v-1' FROM users WHERE uuid = 'u-ann'"},
		{"named beside another", "changed_by", "INSERT INTO visit (creator, changed_by, uuid) SELECT b.user_id, a.user_id, 'v-1' FROM users a JOIN users b ON b.uuid = 'u-admin' WHERE a.uuid = 'u-ann'"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			hub, kisumu, siaya := returningNames(t)
			kisumu.Exec(x.refers, "INSERT INTO visit (creator, uuid) SELECT user_id, 'v-2' FROM users WHERE uuid = 'u-admin'")
			hub.Exec("DELETE FROM users WHERE uuid = 'u-ann'", "INSERT INTO users (system_id, username, uuid) VALUES ('4-2', 'Ann', 'u-ann-new')")
			f := kisumu.Export(hub)[0]
			if _, err := hub.ImportErr(f); err == nil || !strings.Contains(err.Error(), "u-ann") {
				t.Errorf("all or nothing: %v", err)
			}
			hub.Waits = true
			hub.Import(f)
			shows(t, hub, "SELECT uuid FROM users WHERE username = 'ann'", "u-ann-new")
			shows(t, hub, "SELECT uuid FROM visit", "v-2")
			why := hub.One("SELECT text FROM omsync_waiting")
			for _, part := range []string{"visit, row v-1: its " + x.column + " refers to a row of users that was deleted here", "it does not come back, because its username is now that of the row u-ann-new here (its username)", "people log in by that"} {
				if !strings.Contains(why, part) {
					t.Errorf("%q is not in: %s", part, why)
				}
			}
			hub.Exec("UPDATE users SET username = 'ann m' WHERE uuid = 'u-ann-new'")
			if err := hub.Retry(); err != nil {
				t.Fatal(err)
			}
			sites.ExchangeTwice(hub, kisumu, siaya)
			shows(t, siaya, "SELECT username, uuid FROM users WHERE username LIKE 'ann%' ORDER BY 1", "ann u-ann", "ann m u-ann-new")
			shows(t, siaya, "SELECT uuid FROM visit ORDER BY 1", "v-1", "v-2")
			sites.Quiet(t, hub, kisumu, siaya)
		})
	}
}

// A newcomer with the name of a user who would come back with the same file is taken, and the other stays away. With a counted id alone
// in common, both are there.
func TestNewcomerBesideReturningName(t *testing.T) {
	hub, kisumu, _ := returningNames(t)
	kisumu.Exec("INSERT INTO visit (creator, uuid) SELECT user_id, 'v-1' FROM users WHERE uuid = 'u-ann'", "INSERT INTO visit (creator, uuid) SELECT user_id, 'v-2' FROM users WHERE uuid = 'u-ben'",
		"UPDATE users SET username = 'old' WHERE uuid = 'u-ann'", "INSERT INTO users (system_id, username, uuid) VALUES ('9-2', 'ann', 'u-ann-new'), ('3-4', 'bea', 'u-bea')")
	hub.Exec("DELETE FROM users WHERE uuid IN ('u-ann', 'u-ben')")
	hub.Waits = true
	hub.Import(kisumu.Export(hub)[0])
	shows(t, hub, "SELECT username, uuid FROM users WHERE uuid <> 'u-admin' ORDER BY 1", "ann u-ann-new", "bea u-bea", "ben u-ben")
	shows(t, hub, "SELECT uuid FROM visit", "v-2")
}
