package verify_test

import (
	"testing"

	"github.com/omsync/omsync/internal/sites"
)

// What a clinic's repair replaces is recorded at another clinic too, to which their hub passes it on; a row that an ordinary edit of the same file
// replaces is not. And a deletion that a repair brings takes a row there that no trigger saw, which is kept whole.
func TestRepairAtAThirdNode(t *testing.T) {
	hub, one, two := smallSite(t, "hub", 1), smallSite(t, "one", 100_000), smallSite(t, "two", 200_000)
	hub.Connect(one)
	hub.Connect(two)
	hub.Exec("INSERT INTO person (uuid, name) VALUES ('p', 'first'), ('q', 'first')")
	two.Exec("INSERT INTO person (uuid, name) VALUES ('r', 'of two')") // so that what comes gets entries, and a row without one has no version
	sites.Exchange(hub, one, two)
	one.Exec("UPDATE person SET name = 'edited' WHERE uuid = 'p'") // so it is the clinic's to say
	one.Exec("INSERT INTO person (uuid, name) VALUES ('gone', 'first')")
	sites.Exchange(hub, one, two)
	behind := func(s *sites.Site, statement string) {
		s.Exec("SET @omsync_quiet = 1", statement, "SET @omsync_quiet = NULL")
	}
	behind(one, "UPDATE person SET name = 'right' WHERE uuid = 'p'")
	behind(two, "UPDATE person SET name = 'unseen' WHERE uuid = 'p'")
	behind(one, "DELETE FROM person WHERE uuid = 'gone'")
	behind(two, "UPDATE person SET id = id + 1000, name = 'unseen too' WHERE uuid = 'gone'")
	one.Exec("UPDATE person SET name = 'edited' WHERE uuid = 'q'")
	mend(t, one, hub, false)
	mend(t, hub, one, false)
	sites.Exchange(hub, one, two)
	for _, s := range []*sites.Site{hub, one, two} {
		if got := s.One("SELECT GROUP_CONCAT(uuid, ' ', name ORDER BY uuid) FROM person"); got != "p right,q edited,r of two" {
			t.Errorf("at %s: %s", s.Name, got)
		}
	}
	if got := two.One("SELECT COALESCE(GROUP_CONCAT(value ORDER BY value), '') FROM omsync_conflict WHERE column_name = 'name'"); got != "edited,unseen" {
		t.Errorf("recorded at the third node: %q", got)
	}
	if n := two.One("SELECT COUNT(*) FROM omsync_deleted WHERE LOCATE('unseen too', content) > 0"); n != "1" {
		t.Errorf("the deleted row is kept %s times", n)
	}
}
