package apply_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sites"
)

// shows is an error unless a query answers these rows, each as its columns joined by a blank.
func shows(t *testing.T, s *sites.Site, query string, want ...string) {
	t.Helper()
	var got []string
	for _, r := range s.Query(query) {
		line := r[0]
		for _, v := range r[1:] {
			line += " " + v
		}
		got = append(got, line)
	}
	if !slices.Equal(got, want) {
		t.Errorf("at %s: %q, want %q\nin: %s", s.Name, got, want, query)
	}
}

// Rows that the profile keeps where they are stay when the other side deletes its own of that name: the sender does not
// tell of it, and the receiver does not believe one that does.
func TestFilteredRowsOutliveDeletions(t *testing.T) {
	filter := "[direction]\ndown = [\"gp\"]\n[key]\ngp = [\"property\"]\n"
	ddl := "CREATE TABLE gp (property VARCHAR(50) PRIMARY KEY, value VARCHAR(50) NULL, uuid CHAR(36) NOT NULL UNIQUE)"
	byName := filter + "[filter.gp]\ncolumn = \"property\"\nnever = [\"*.seed\"]\n"
	byValue := filter + "[filter.gp]\ncolumn = \"value\"\nnever = [\"777\"]\n"
	for _, c := range []struct {
		name, hub, clinic string
		sent              int64 // deletions
	}{
		{"neither sends nor takes", byName, byName, 1},
		{"the sender knows no filter", filter, byName, 2},
		{"the filter looks at what the row holds", filter, byValue, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			hub, clinic := sites.New(t, "hub", c.hub, ddl), sites.New(t, "clinic", c.clinic, ddl)
			hub.Exec("INSERT INTO gp VALUES ('other.seed', '777', 'g-0'), ('x', '1', 'g-2')")
			clinic.Exec("INSERT INTO gp VALUES ('order.seed', '777', 'kg-1'), ('x', '1', 'kg-2')")
			hub.Init()
			clinic.Init()
			hub.Connect(clinic)
			sites.ExchangeTwice(hub, clinic)
			hub.Exec("INSERT INTO gp VALUES ('order.seed', '5', 'g-1')")
			hub.Seal()
			hub.Exec("DELETE FROM gp WHERE property <> 'other.seed'")
			f := hub.Export(clinic)[0]
			if f.Made.Deletions != c.sent {
				t.Errorf("%d deletions sent, want %d", f.Made.Deletions, c.sent)
			}
			clinic.Import(f)
			shows(t, clinic, "SELECT property, value FROM gp WHERE property <> 'other.seed'", "order.seed 777")
			sites.ExchangeTwice(hub, clinic)
			sites.Quiet(t, hub, clinic)
		})
	}
}

// A column that never goes up does not go up in the record of a conflict either, nor does a value of a table that only
// flows down; and a hub takes neither from a child that sends it.
func TestRecordsGoNoFurtherThanTheirColumns(t *testing.T) {
	profile := "[direction]\nadd = [\"users\"]\ndown = [\"role\"]\nrights = [\"role\"]\n[exclude.users]\nup = [\"password\"]\n"
	ddl := []string{"CREATE TABLE users (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20) NULL, password VARCHAR(50) NULL, uuid CHAR(36) NOT NULL UNIQUE)",
		"CREATE TABLE role (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(20) NULL, uuid CHAR(36) NOT NULL UNIQUE)",
		"CREATE TABLE obs (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(20) NULL, uuid CHAR(36) NOT NULL UNIQUE)"}
	hub, clinic := sites.New(t, "hub", profile, ddl...), sites.New(t, "clinic", profile, ddl...)
	hub.Exec("INSERT INTO users (name, password, uuid) VALUES ('ann', 'p0', 'u-1')", "INSERT INTO role (v, uuid) VALUES ('a', 'r-1')", "INSERT INTO obs (v, uuid) VALUES ('a', 'o-1')")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	sites.ExchangeTwice(hub, clinic)
	for _, s := range []*sites.Site{clinic, hub} {
		s.Exec("UPDATE users SET password = 'of "+s.Name+"'", "UPDATE role SET v = 'of "+s.Name+"'", "UPDATE obs SET v = 'of "+s.Name+"'")
		time.Sleep(5 * time.Millisecond)
	}
	hub.Send(clinic)
	shows(t, clinic, "SELECT table_name, value FROM omsync_conflict ORDER BY table_name", "obs of clinic", "role of clinic", "users of clinic")
	clinic.Send(hub)
	shows(t, hub, "SELECT table_name, value FROM omsync_conflict", "obs of clinic")

	clinic.Exec("INSERT INTO obs (v, uuid) VALUES ('b', 'o-2')")
	r, err := hub.ImportErr(forge(t, clinic.Export(hub)[0], func(w *batch.Writer) error {
		for table, columns := range map[string][]string{"role": {"v", "", "uuid"}, "users": {"password", "id", "no\x1b[31m"}} {
			described := make([]batch.Column, len(columns))
			for i, c := range columns {
				if described[i] = (batch.Column{Name: c, Slot: uint16(i + 1)}); c == "" {
					described[i].Name = "w"
				}
			}
			n, err := w.Table(batch.Table{Name: table, Root: table, Key: []batch.Column{{Name: "uuid"}}, Columns: described})
			if err != nil {
				return err
			}
			first, err := w.Keys(n, []batch.Values{{Bytes: [][]byte{[]byte("r-1")}}})
			if err != nil {
				return err
			}
			for _, c := range columns {
				r := &batch.Records{Table: n, Keys: []uint32{first}, Columns: []string{c}, Values: [][]byte{[]byte("superuser")}, LostTimes: []int64{5}, LostAuthors: []string{"hub"},
					WonTimes: []int64{4}, WonAuthors: []string{"hub"}, At: []int64{5}, Epochs: []uint64{1000}, Notes: []string{"deletion"}}
				if err := w.Records(r); err != nil {
					return err
				}
			}
		}
		return nil
	}), signed)
	if err != nil || r.Conflicts != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	shows(t, hub, "SELECT table_name FROM omsync_conflict", "obs")
}

// A request to send tables again is granted once, for what goes to the asker anyway, and a late file with an older one
// asks for nothing.
func TestAskedForAgain(t *testing.T) {
	profile := "[direction]\ndown = [\"role\"]\nnone = [\"secret\"]\n"
	ddl := "CREATE TABLE %s (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(20) NULL, uuid CHAR(36) NOT NULL UNIQUE)"
	var tables []string
	for _, name := range []string{"obs", "role", "secret"} {
		tables = append(tables, fmt.Sprintf(ddl, name))
	}
	hub, clinic := sites.New(t, "hub", profile, tables...), sites.New(t, "clinic", profile, tables...)
	for _, s := range []*sites.Site{hub, clinic} {
		s.Exec("INSERT INTO obs (uuid) VALUES ('o-1')", "INSERT INTO role (uuid) VALUES ('r-1')", "INSERT INTO secret (uuid) VALUES ('s-1')")
		s.Init()
	}
	hub.Connect(clinic)
	sites.ExchangeTwice(hub, clinic)
	hub.Exec("INSERT INTO obs (uuid) VALUES ('o-2')")
	down := hub.Export(clinic)[0]
	clinic.Exec("INSERT INTO obs (uuid) VALUES ('o-3')")
	up := clinic.Export(hub)[0]
	for _, c := range []struct {
		at   *sites.Site
		f    *sites.File
		ask  string
		want bool // the table is owed from then on
	}{
		{hub, up, "secret#7", false},
		{hub, up, "omsync_peer#7", false},
		{hub, up, "nowhere#7", false},
		{hub, up, "role#7", true},
		{hub, up, "role#7", false},
		{hub, up, "obs#7", true},
		{hub, up, "obs#6", false},
		{hub, up, "obs#8", false}, // an hour later
		{clinic, down, "role#7", false},
		{clinic, down, "obs#7", true},
	} {
		to := clinic
		if c.at == clinic {
			to = hub
		}
		table, _, _ := strings.Cut(c.ask, "#")
		before := c.at.Peer(to).Owed[table].Epoch
		f := forge(t, c.f, func(*batch.Writer) error { return nil }, func(h *batch.Header) { h.Requests = []string{c.ask} })
		if _, err := c.at.ImportErr(f, signed); err != nil {
			t.Fatal(err)
		}
		if owed := c.at.Peer(to).Owed[table].Epoch; (owed > before) != c.want {
			t.Errorf("asked for %s, %s owes the table from epoch %d on, after %d", c.ask, c.at.Name, owed, before)
		}
	}
	if owed := hub.Peer(clinic).Owed; len(owed) != 2 || !owed["obs"].Again || owed["role"].Again {
		t.Errorf("owed: %+v", owed)
	}
}

// However much a batch describes that is not here, a report stays short, and its notes are plain text.
func TestNotesAreFew(t *testing.T) {
	_, clinic, f := wardPair(t)
	r, err := clinic.ImportErr(forge(t, f, func(w *batch.Writer) error {
		ward := batch.Table{Name: "ward", Root: "ward", Key: []batch.Column{{Name: "uuid"}}}
		for i := range 150 {
			ward.Columns = append(ward.Columns, batch.Column{Name: fmt.Sprintf("\x1b[31m%d", i), Slot: uint16(1 + i%63)})
		}
		_, err := w.Table(ward)
		return err
	}), signed)
	if err != nil || len(r.Notes) != 100 || strings.Contains(strings.Join(r.Notes, ""), "\x1b") {
		t.Errorf("%d notes, %q, %v", len(r.Notes), r.Notes[0], err)
	}
}

// What never goes up was not seen by the parent, whatever it acknowledged, and what is the parent's stays the parent's: its
// next change wins there, over any clock, and the value that lost is recorded. Everything else goes by the later stamp.
func TestParentWinsWhatNeverGoesUp(t *testing.T) {
	profile := "[direction]\nadd = [\"users\"]\n[exclude.users]\nup = [\"password\"]\n"
	ddl := "CREATE TABLE users (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20) NULL, password VARCHAR(50) NULL, note VARCHAR(50) NULL, uuid CHAR(36) NOT NULL UNIQUE)"
	for name, ahead := range map[string]time.Duration{"clocks agree": 0, "the clinic's clock is ahead": 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			hub, clinic := sites.New(t, "hub", profile, ddl), sites.New(t, "clinic", profile, ddl)
			hub.Exec("INSERT INTO users (name, uuid) VALUES ('ann', 'u-1')")
			hub.Init()
			clinic.Init()
			hub.Connect(clinic)
			sites.ExchangeTwice(hub, clinic)
			clinic.SetClock(ahead)
			clinic.Exec("INSERT INTO users (name, uuid) VALUES ('bob', 'u-2')")
			sites.ExchangeTwice(hub, clinic)
			clinic.Exec("UPDATE users SET name = 'clinic', password = 'clinic'", "UPDATE users SET note = 'clinic'")
			sites.ExchangeTwice(hub, clinic)
			hub.Exec("UPDATE users SET name = 'hub', password = 'hub'")
			sites.ExchangeTwice(hub, clinic)
			shows(t, clinic, "SELECT uuid, name, password, note FROM users ORDER BY uuid", "u-1 hub hub clinic", "u-2 hub hub clinic")
			shows(t, clinic, "SELECT row_key, column_name, value FROM omsync_conflict ORDER BY row_key, column_name", "u-1 name clinic", "u-1 password clinic", "u-2 password clinic")
			shows(t, hub, "SELECT uuid, name, password, note FROM users ORDER BY uuid", "u-1 hub hub NULL", "u-2 hub hub clinic")
			sites.Quiet(t, hub, clinic)
		})
	}
}

// An edit of what only flows down, or of a row that is the parent's, does not keep the row when the parent deletes it, and
// takes it nowhere. The edit is recorded as lost, what was merely there before is not.
func TestEditDoesNotOutliveTheParentsDeletion(t *testing.T) {
	profile := "[direction]\ndown = [\"concept\"]\nadd = [\"users\"]\n"
	ddl := "CREATE TABLE %s (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50) NULL, note VARCHAR(50) NULL, uuid CHAR(36) NOT NULL UNIQUE)"
	for _, table := range []string{"concept", "users"} {
		t.Run(table, func(t *testing.T) {
			hub, clinic := sites.New(t, "hub", profile, fmt.Sprintf(ddl, table)), sites.New(t, "clinic", profile, fmt.Sprintf(ddl, table))
			hub.Exec("INSERT INTO " + table + " (name, uuid) VALUES ('malaria', 'c-1'), ('measles', 'c-2'), ('mumps', 'c-3')")
			hub.Init()
			clinic.Init()
			hub.Connect(clinic)
			sites.ExchangeTwice(hub, clinic)
			clinic.Exec("UPDATE " + table + " SET name = 'long ago' WHERE uuid = 'c-2'")
			sites.ExchangeTwice(hub, clinic)
			hub.Exec("DELETE FROM " + table)
			time.Sleep(5 * time.Millisecond)
			clinic.Exec("UPDATE " + table + " SET name = 'just now' WHERE uuid = 'c-1'")
			sites.ExchangeTwice(hub, clinic)
			for _, s := range []*sites.Site{hub, clinic} {
				shows(t, s, "SELECT uuid, name FROM "+table)
			}
			shows(t, clinic, "SELECT row_key, column_name, value FROM omsync_conflict WHERE column_name = 'name' ORDER BY row_key", "c-1 name just now", "c-2 name long ago")
			sites.Quiet(t, hub, clinic)
		})
	}
}

// A row that stayed for those that refer to it, and went up again, is not taken by a load that was made before it arrived.
func TestKeptRowOutlivesAnOldLoad(t *testing.T) {
	profile := "[direction]\ndown = [\"concept\"]\n"
	ddl := []string{"CREATE TABLE concept (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50) NULL, uuid CHAR(36) NOT NULL UNIQUE)",
		"CREATE TABLE obs (id INT AUTO_INCREMENT PRIMARY KEY, concept_id INT NULL, uuid CHAR(36) NOT NULL UNIQUE, FOREIGN KEY (concept_id) REFERENCES concept (id))"}
	hub, clinic := sites.New(t, "hub", profile, ddl...), sites.New(t, "clinic", profile, ddl...)
	hub.Exec("INSERT INTO concept (name, uuid) VALUES ('malaria', 'c-1')")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	sites.ExchangeTwice(hub, clinic)
	clinic.Exec("INSERT INTO obs (concept_id, uuid) VALUES (1, 'o-1')")
	hub.Exec("DELETE FROM concept")
	hub.Send(clinic)
	up := clinic.Export(hub)[0]
	hub.Exec("INSERT INTO obs (uuid) VALUES ('o-2')")
	load := hub.Export(clinic, sites.Full)[0]
	hub.Import(up)
	clinic.Exec("UPDATE obs SET concept_id = NULL")
	clinic.Import(load)
	sites.ExchangeTwice(hub, clinic)
	sites.Same(t, hub, clinic)
	shows(t, hub, "SELECT uuid, name FROM concept", "c-1 malaria")
}
