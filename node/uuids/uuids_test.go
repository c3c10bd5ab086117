package uuids_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/node/uuids"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

const profile = "[direction]\ndown = [\"kind\"]\nadd = [\"staff\"]\n"

func ddl() []string {
	return []string{
		"CREATE TABLE kind (kind_id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50), uuid CHAR(38) UNIQUE)",
		"CREATE TABLE staff (staff_id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50), seen TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, uuid CHAR(38) UNIQUE)",
		"CREATE TABLE note (note_id INT PRIMARY KEY AUTO_INCREMENT, staff_id INT, kind_id INT, body TEXT, uuid CHAR(36), FOREIGN KEY (staff_id) REFERENCES staff (staff_id), FOREIGN KEY (kind_id) REFERENCES kind (kind_id))",
		"CREATE TABLE tag (name VARCHAR(20) PRIMARY KEY, uuid VARBINARY(16))",
		"INSERT INTO kind VALUES (1, 'a', NULL), (2, 'b', ''), (3, 'c', 'k-3')",
		"INSERT INTO staff VALUES (1, 'ann', '2020-01-01 00:00:00', NULL), (2, 'ben', '2020-01-01 00:00:00', NULL)",
		"INSERT INTO note VALUES (1, 1, 1, 'x', 'n-1'), (2, 2, 2, 'y', NULL)",
		"INSERT INTO tag VALUES ('t', NULL)",
	}
}

// round takes all to the clinic and back. Its rows wait if they cannot be applied.
func round(hub, clinic *sites.Site) {
	hub.Waits, clinic.Waits = true, true
	hub.Send(clinic)
	clinic.Send(hub)
	hub.Send(clinic)
}

// fix runs it and returns what was done by table, as "given left parents differ twice".
func fix(t *testing.T, s *sites.Site, o uuids.Options) map[string]string {
	t.Helper()
	found, err := uuids.Fix(t.Context(), s.J, o)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, x := range found {
		out[x.Name] = fmt.Sprint(x.Given, x.Left, x.Hub, len(x.Differ), len(x.Twice))
	}
	return out
}

func expect(t *testing.T, got map[string]string, want string) {
	t.Helper()
	if s := strings.TrimPrefix(fmt.Sprint(got), "map"); s != want {
		t.Errorf("got %s, want %s", s, want)
	}
}

// Rows without a uuid get one, and go with all that refers to them. Nothing else of them changes.
func TestFix(t *testing.T) {
	hub, clinic := sites.New(t, "hub", profile, ddl()...), sites.New(t, "clinic", profile, ddl()[:4]...)
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	round(hub, clinic)
	if n := clinic.One("SELECT COUNT(*) FROM note"); n != "0" {
		t.Fatalf("%s notes went without what they refer to", n)
	}
	home := t.TempDir()
	o := uuids.Options{Home: home, Random: true, DryRun: true}
	all := "[kind:2 0 0 0 0 note:1 0 0 0 0 staff:2 0 0 0 0 tag:1 0 0 0 0]"
	expect(t, fix(t, hub, o), all)
	if n := hub.One("SELECT COUNT(*) FROM staff WHERE uuid IS NULL"); n != "2" {
		t.Fatal("a dry run gave uuids")
	}
	if _, err := os.Stat(filepath.Join(home, uuids.ListName)); err == nil {
		t.Fatal("a dry run wrote a list")
	}
	o.DryRun = false
	expect(t, fix(t, hub, o), all)
	expect(t, fix(t, hub, o), "[]")
	if s := hub.One("SELECT GROUP_CONCAT(CONCAT(LENGTH(uuid), ' ', seen) ORDER BY staff_id) FROM staff"); s != "36 2020-01-01 00:00:00,36 2020-01-01 00:00:00" {
		t.Errorf("staff: %s", s)
	}
	if s := hub.One("SELECT LENGTH(uuid) FROM tag"); s != "16" {
		t.Errorf("a uuid of %s bytes", s)
	}
	round(hub, clinic)
	for _, query := range []string{"SELECT GROUP_CONCAT(CONCAT_WS(',', s.uuid, k.uuid, n.body, n.uuid) ORDER BY body) FROM note n JOIN staff s USING (staff_id) JOIN kind k USING (kind_id)",
		"SELECT GROUP_CONCAT(uuid ORDER BY uuid) FROM kind", "SELECT GROUP_CONCAT(uuid ORDER BY uuid) FROM staff", "SELECT HEX(uuid) FROM tag"} {
		if a, b := hub.One(query), clinic.One(query); a != b {
			t.Errorf("%s: %s at the hub, %s at the clinic", query, a, b)
		}
	}
}

// Two copies of one database end with one uuid for each row: what changed at one of them since is left to a person, and what was made
// at the clinic gets one there.
func TestFixCopies(t *testing.T) {
	hub, clinic := sites.New(t, "hub", profile, ddl()...), sites.New(t, "clinic", profile, ddl()...)
	clinic.Exec("UPDATE note SET body = 'yy' WHERE note_id = 2", "INSERT INTO staff (staff_id, name) VALUES (3, 'cleo')", "INSERT INTO kind (kind_id, name) VALUES (4, 'd')")
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	atHub, atClinic := t.TempDir(), t.TempDir()
	if p, err := uuids.HasParent(t.Context(), hub.J.DB); p || err != nil {
		t.Fatal(p, err)
	}
	if p, err := uuids.HasParent(t.Context(), clinic.J.DB); !p || err != nil {
		t.Fatal(p, err)
	}
	fix(t, hub, uuids.Options{Home: atHub, Random: true})
	list := filepath.Join(atHub, uuids.ListName)
	hub.Exec("UPDATE staff SET name = 'anna' WHERE staff_id = 1") // later than the uuid: it stays, though the clinic takes the list after it
	expect(t, fix(t, clinic, uuids.Options{Home: atClinic, DryRun: true}), "[kind:0 0 3 0 0 note:0 1 0 0 0 staff:0 3 0 0 0 tag:0 1 0 0 0]")
	found, err := uuids.Fix(t.Context(), clinic.J, uuids.Options{Home: atClinic, From: list})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range found {
		if x.Name == "note" {
			if len(x.Differ) != 1 || x.Left != 0 {
				t.Fatalf("%+v", x)
			}
			if !strings.Contains(x.Differ[0].Name, "2") || !strings.Contains(x.Differ[0].UUID, "-") {
				t.Errorf("%+v", x.Differ)
			}
			expect(t, fix(t, clinic, uuids.Options{Home: atClinic, From: list, Random: true}), "[kind:0 0 1 0 0 note:0 0 0 1 0 staff:1 0 0 0 0]")
			clinic.Exec(x.Differ[0].Statement)
		}
	}
	round(hub, clinic)
	round(hub, clinic)
	for _, table := range []string{"staff", "note", "tag", "kind WHERE uuid IS NOT NULL"} {
		query := "SELECT CONCAT(COUNT(*), ' ', MD5(GROUP_CONCAT(HEX(uuid) ORDER BY HEX(uuid)))) FROM " + table
		if hub.One("SELECT VERSION()") >= "9" {
			query = strings.Replace(query, "MD5", "", 1)
		}
		if a, b := hub.One(query), clinic.One(query); a != b {
			t.Errorf("%s: %s at the hub, %s at the clinic", table, a, b)
		}
	}
	if n := hub.One("SELECT COUNT(*) FROM staff"); n != "3" {
		t.Errorf("%s people at the hub", n)
	}
	for _, s := range []*sites.Site{hub, clinic} {
		if got := s.One("SELECT CONCAT((SELECT GROUP_CONCAT(name ORDER BY name) FROM staff), ' ', (SELECT GROUP_CONCAT(body ORDER BY body) FROM note))"); got != "anna,ben,cleo x,yy" {
			t.Errorf("at %s: %s", s.Name, got)
		}
	}
}

// A row that came before the list did is named, not given the uuid of another.
func TestFixTooLate(t *testing.T) {
	hub, clinic := sites.New(t, "hub", profile, ddl()...), sites.New(t, "clinic", profile, ddl()...)
	hub.Init()
	clinic.Init()
	hub.Connect(clinic)
	home := t.TempDir()
	fix(t, hub, uuids.Options{Home: home, Random: true})
	round(hub, clinic)
	expect(t, fix(t, clinic, uuids.Options{Home: t.TempDir(), From: filepath.Join(home, uuids.ListName)}), "[kind:0 0 0 0 2 note:0 0 0 0 1 staff:0 0 0 0 2 tag:1 0 0 0 0]")
}

// What is written down and was never given, for the power failed, is given by the next run; half a line counts for nothing.
func TestFixBrokenOff(t *testing.T) {
	s := sites.New(t, "hub", profile, ddl()...)
	s.Init()
	home := t.TempDir()
	path := filepath.Join(home, uuids.ListName)
	fix(t, s, uuids.Options{Home: home, Random: true})
	was := s.One("SELECT uuid FROM kind WHERE kind_id = 1")
	s.Exec("UPDATE kind SET uuid = NULL WHERE kind_id = 1", "INSERT INTO staff (staff_id, name) VALUES (9, 'new')")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"table":"staff","id":9,"uui`)
	f.Close()
	expect(t, fix(t, s, uuids.Options{Home: home, Random: true}), "[kind:1 0 0 0 0 staff:1 0 0 0 0]")
	if is := s.One("SELECT uuid FROM kind WHERE kind_id = 1"); is != was {
		t.Errorf("another uuid: %s, before %s", is, was)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) != 7 {
		t.Errorf("%d lines", len(lines))
	}
	for _, line := range lines {
		if !json.Valid([]byte(line)) {
			t.Errorf("not whole: %s", line)
		}
	}
	for _, bad := range []string{"no list\n", `{"table":"staff","id":1,"uuid":"short"}` + "\n", `{"table":"","id":1,"uuid":"00000000-0000-4000-8000-000000000000"}` + "\n", strings.Repeat("x", 20<<10)} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := uuids.Fix(t.Context(), s.J, uuids.Options{Home: home, From: path}); err == nil {
			t.Errorf("%.20s… was taken for a list", bad)
		}
	}
	if _, err := uuids.Fix(t.Context(), s.J, uuids.Options{Home: home, From: path + ".not"}); err == nil {
		t.Error("a list that is not there was read")
	}
}

// An application at work on the same rows waits no longer than for a few hundred rows, and loses nothing.
func TestFixBesideTheApplication(t *testing.T) {
	s := sites.New(t, "hub", profile, ddl()...)
	for range 4 {
		s.Exec("INSERT INTO staff (name) VALUES ('x')" + strings.Repeat(", ('x')", 999))
	}
	s.Init()
	stop := make(chan bool)
	var app sync.WaitGroup
	var longest time.Duration
	edits := 0
	app.Add(1)
	go func() {
		defer app.Done()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			from := time.Now()
			// Against the order in which the uuids are given, so that the two meet.
			tx, err := s.DB.Begin()
			if err == nil {
				_, err = tx.Exec("UPDATE staff SET name = ? WHERE staff_id = ?", fmt.Sprint("a", i), 4000-i%3900)
			}
			if err == nil {
				_, err = tx.Exec("UPDATE staff SET name = ? WHERE staff_id = ?", fmt.Sprint("a", i), 1+i%3900)
			}
			if err == nil {
				err = tx.Commit()
			} else {
				tx.Rollback() // a deadlock
			}
			if err == nil {
				edits++
			}
			longest = max(longest, time.Since(from))
		}
	}()
	done := 0
	fix(t, s, uuids.Options{Home: t.TempDir(), Random: true, Done: func() { done++ }})
	close(stop)
	app.Wait()
	t.Logf("%d edits meanwhile, the longest %v, %d transactions", edits, longest, done)
	if n := s.One("SELECT COUNT(*) FROM staff WHERE uuid IS NULL"); n != "0" {
		t.Errorf("%s rows have none", n)
	}
	if n := s.One("SELECT COUNT(DISTINCT uuid) FROM staff"); n != "4002" {
		t.Errorf("%s uuids", n)
	}
	if done < 14 || edits == 0 {
		t.Errorf("%d transactions, %d edits", done, edits)
	}
}
