package oldprogram_test

import (
	"database/sql"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/oldprogram"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// TestMeet has the program as it was and the one of now exchange with each other, in either role, over a folder and over HTTP: a full
// load in parts, new keys, edits and deletions at both ends, a batch that is lost, a conflict. In the end both databases are equal; then the old
// program is updated, and the two go on. Once the program of now reads a feature that the old one does not: it is off until then.
func TestMeet(t *testing.T) {
	before := oldprogram.Build(t)
	now, more := oldprogram.Present(t), oldprogram.PresentReading(t, "pretend", "9.8.7")
	for _, c := range []struct {
		name        string
		hub, clinic string
		http        bool
	}{
		{"old hub, folder", before, now, false},
		{"old clinic, folder, a feature", more, before, false},
		{"old hub, HTTP, a feature", before, more, true},
		{"old clinic, HTTP", now, before, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := newMeeting(t, c.http, map[string]string{"hub": c.hub, "kisumu": c.clinic})
			m.add("hub", loaded)
			m.join()
			m.load()
			young, old := "hub", "kisumu"
			if c.hub == before {
				young, old = old, young
			}
			m.must(young, "keys", "rotate") // the old one goes on by the card that it has
			m.edit()
			m.lose()
			m.conflict()
			m.prove(young, old)
			off := fmt.Sprintf("%s runs an omsync that does not read: %s\n", old, map[bool]string{true: "pretend, resolutions, sections, short-keys, zstd-dictionary", false: "resolutions, sections, short-keys, zstd-dictionary"}[m.program[young] == more])
			if got := m.must(young, "status").Stdout; !strings.Contains(got, off) {
				t.Errorf("%s does not say which features are off:\n%s", young, got)
			}
			m.update(old, m.program[young])
			if out := m.must(young, "status").Stdout; strings.Contains(out, "does not read") {
				t.Errorf("after the update %s says\n%s", young, out)
			}
			m.sync()
			if out := m.must("hub", "status", "-v").Stdout; !strings.Contains(out, "kisumu says of itself: ") {
				t.Errorf("after the update the hub does not know how the clinic is:\n%s", out)
			}
			if keys := strings.Split(m.must(young, "keys", "list").Stdout, "\n"); !strings.HasSuffix(keys[1], old) || strings.HasSuffix(keys[2], old) {
				t.Errorf("after the update %s has the keys\n%s", young, strings.Join(keys, "\n"))
			}
		})
	}
}

// A part of a full load ends where a block does, and a block has 4 MiB or a little more: the load has so many visits with so many bytes.
const (
	loaded     = 220
	visitBytes = 42 << 10
)

// meeting is a hub and a clinic, each with its program.
type meeting struct {
	*testing.T
	http    bool
	program map[string]string // by node
	home    map[string]string
	db      map[string]*sql.DB
	server  *oldprogram.Server
	random  *rand.ChaCha8
	rows    int
}

func newMeeting(t *testing.T, http bool, program map[string]string) *meeting {
	t.Helper()
	m := &meeting{T: t, http: http, program: program, home: map[string]string{}, db: map[string]*sql.DB{}, random: rand.NewChaCha8([32]byte{7})}
	server, dir := dbtest.Server(t), t.TempDir()
	for node := range program {
		name, dsn := server.Database(t,
			`CREATE TABLE site (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name VARCHAR(50)) ENGINE=InnoDB`,
			`CREATE TABLE visit (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, site_id INT NOT NULL, note TEXT,
				FOREIGN KEY (site_id) REFERENCES site (id)) ENGINE=InnoDB`)
		m.db[node], m.home[node] = server.Open(t, name), filepath.Join(dir, node)
		m.must(node, "init", "--node", node, "--dsn", dsn)
		m.configure(node, func(text string) string { return "part_size = \"64KiB\"\n" + text })
	}
	dbtest.Exec(t, m.db["kisumu"], "ALTER TABLE visit AUTO_INCREMENT = 700", "ALTER TABLE site AUTO_INCREMENT = 500") // its integers are others
	dbtest.Exec(t, m.db["hub"], "INSERT INTO site (uuid, name) VALUES ('s1', 'district'), ('s2', 'ward')")
	return m
}

func (m *meeting) configure(node string, change func(string) string) {
	m.Helper()
	path := filepath.Join(m.home[node], "omsync.toml")
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, []byte(change(string(b))), 0o600)
	}
	if err != nil {
		m.Fatal(err)
	}
}

func (m *meeting) must(node string, args ...string) oldprogram.Result {
	m.Helper()
	return oldprogram.Must(m, m.program[node], m.home[node], args)
}

// add adds visits with text that no compression makes small.
func (m *meeting) add(node string, n int) {
	m.Helper()
	var values []string
	for range n {
		m.rows++
		raw := make([]byte, visitBytes*3/4)
		m.random.Read(raw)
		values = append(values, fmt.Sprintf("('%s-%d', (SELECT id FROM site WHERE uuid = 's1'), '%s')", node, m.rows, base64.StdEncoding.EncodeToString(raw)))
	}
	for part := range slices.Chunk(values, 20) {
		dbtest.Exec(m, m.db[node], "INSERT INTO visit (uuid, site_id, note) VALUES "+strings.Join(part, ","))
	}
}

// join makes the two peers of each other, and the link between them.
func (m *meeting) join() {
	m.Helper()
	if m.http {
		m.serve("127.0.0.1:0")
		lines := strings.Fields(m.must("hub", "invite", "kisumu").Stdout)
		m.must("kisumu", "join", m.server.URL, "--token", lines[len(lines)-1], "--yes")
		return
	}
	share := m.TempDir()
	cards := map[string]string{}
	for node := range m.home {
		cards[node] = filepath.Join(m.TempDir(), node+".card")
		if err := os.WriteFile(cards[node], []byte(m.must(node, "card").Stdout), 0o600); err != nil {
			m.Fatal(err)
		}
		m.configure(node, func(text string) string { return text + fmt.Sprintf("\n[[link]]\nurl = %q\n", "folder:"+share) })
	}
	m.must("hub", "peer", "add", cards["kisumu"], "--as", "child", "--yes")
	m.must("kisumu", "peer", "add", cards["hub"], "--as", "parent", "--yes")
}

func (m *meeting) serve(address string) {
	m.Helper()
	m.server = oldprogram.Serve(m, m.program["hub"], m.home["hub"], address, "--import")
}

// sync syncs until there is nothing more to say, for some rounds at most. codes are further exit codes of the runs.
func (m *meeting) sync(codes ...int) string {
	m.Helper()
	all := ""
	for range 3 {
		said := ""
		if !m.http {
			said += oldprogram.Must(m, m.program["hub"], m.home["hub"], []string{"sync"}, append(codes, 0)...).Stdout
		}
		said += oldprogram.Must(m, m.program["kisumu"], m.home["kisumu"], []string{"sync"}, append(codes, 0)...).Stdout
		if all += said; said == "" {
			break
		}
	}
	return all
}

// load has the clinic receive all that the hub has, in parts.
func (m *meeting) load() {
	m.Helper()
	if said := m.sync(); !strings.Contains(said, "part 3") {
		m.Errorf("no full load in parts:\n%s", said)
	}
	m.equal("a full load", 2, loaded)
}

// edit changes, adds and deletes rows at both ends.
func (m *meeting) edit() {
	m.Helper()
	dbtest.Exec(m, m.db["hub"], "UPDATE site SET name = 'changed at the hub' WHERE uuid = 's1'", "DELETE FROM visit WHERE uuid = 'hub-1'")
	dbtest.Exec(m, m.db["kisumu"], "INSERT INTO site (uuid, name) VALUES ('s3', 'added at kisumu')", "DELETE FROM visit WHERE uuid = 'hub-2'",
		"UPDATE visit v JOIN site s ON s.uuid = 's3' SET v.site_id = s.id WHERE v.uuid = 'hub-3'")
	m.add("kisumu", 2)
	m.add("hub", 1)
	m.sync()
	m.equal("edits at both ends", 3, loaded+1)
}

// lose throws away a batch of each node.
func (m *meeting) lose() {
	m.Helper()
	dbtest.Exec(m, m.db["hub"], "UPDATE site SET name = 'in a batch that is lost' WHERE uuid = 's2'")
	dbtest.Exec(m, m.db["kisumu"], "UPDATE visit SET note = 'in a batch that is lost' WHERE uuid = 'hub-4'")
	for node := range m.home {
		if said := m.must(node, "export", "--to", m.TempDir()).Stdout; !strings.Contains(said, "omsync") {
			m.Errorf("%s exported nothing: %s", node, said)
		}
	}
	dbtest.Exec(m, m.db["hub"], "UPDATE visit SET note = 'after it' WHERE uuid = 'hub-5'")
	dbtest.Exec(m, m.db["kisumu"], "UPDATE visit SET note = 'after it' WHERE uuid = 'hub-6'")
	m.sync()
	m.equal("lost batches", 3, loaded+1)
}

// conflict changes one value at both ends: the later stays.
func (m *meeting) conflict() {
	m.Helper()
	dbtest.Exec(m, m.db["kisumu"], "UPDATE site SET name = 'earlier' WHERE uuid = 's3'")
	m.must("kisumu", "export", "--to", m.TempDir()) // stamps it
	dbtest.Exec(m, m.db["hub"], "UPDATE site SET name = 'later' WHERE uuid = 's3'")
	m.sync(3)
	m.equal("a conflict", 3, loaded+1)
	for node, db := range m.db {
		var name string
		if err := db.QueryRow("SELECT name FROM site WHERE uuid = 's3'").Scan(&name); err != nil || name != "later" {
			m.Errorf("%s has %q, %v", node, name, err)
		}
	}
	for node := range m.home {
		if out := m.must(node, "status").Stdout; !strings.Contains(out, "1 conflict recorded") {
			m.Errorf("%s says\n%s", node, out)
		}
	}
}

// prove has the young program say that it claimed rows, and write a digest. The old one goes on, and says of the digest that it is too new.
func (m *meeting) prove(young, old string) {
	m.Helper()
	dbtest.Exec(m, m.db[young], "UPDATE visit SET note = 'claimed' WHERE uuid = 'hub-10'")
	m.must(young, "export", "--to", m.TempDir()) // makes the epoch
	dbtest.Exec(m, m.db[young], "UPDATE omsync_epoch SET resend = 3 ORDER BY id DESC LIMIT 1")
	m.sync()
	m.equal("a repair", 3, loaded+1)
	stick := m.TempDir()
	dbtest.Exec(m, m.db[young], "UPDATE visit SET note = 'under way' WHERE uuid = 'hub-11'")
	m.must(young, "verify", "--to", stick)
	m.must(old, "import", "--from", stick) // it is no batch by its name
	digests, err := filepath.Glob(filepath.Join(stick, "*"+batch.DigestSuffix))
	if err != nil || len(digests) != 1 {
		m.Fatalf("%v, %v", digests, err)
	}
	renamed := filepath.Join(stick, fmt.Sprintf("%s-to-%s-0000000000-0000000001-aaaaaa.omsync", young, old))
	if err := os.Rename(digests[0], renamed); err != nil {
		m.Fatal(err)
	}
	if r := oldprogram.Run(m, m.program[old], m.home[old], "import", renamed); r.Code == 0 || !strings.Contains(r.Stderr, "item type 9") {
		m.Errorf("the old program says of a digest that passes for a batch, with code %d:\n%s", r.Code, r.Stderr)
	}
	m.sync()
	m.equal("a digest", 3, loaded+1)
}

// update gives a node another program, and has both go on.
func (m *meeting) update(node, program string) {
	m.Helper()
	if m.http {
		m.server.Stop(m)
	}
	m.program[node] = program
	if m.http {
		m.serve(strings.TrimPrefix(m.server.URL, "https://"))
	}
	dbtest.Exec(m, m.db["hub"], "UPDATE visit SET note = 'after the update' WHERE uuid = 'hub-7'")
	dbtest.Exec(m, m.db["kisumu"], "DELETE FROM visit WHERE uuid = 'hub-8'", "UPDATE visit SET note = 'after the update' WHERE uuid = 'hub-9'")
	m.sync()
	m.equal("an update of "+node, 3, loaded)
}

// equal fails the test if the two databases differ, or have other numbers of rows.
func (m *meeting) equal(what string, sites, visits int) {
	m.Helper()
	hub, clinic := m.content("hub"), m.content("kisumu")
	if want := sites + visits; len(hub) != want || len(clinic) != want {
		m.Errorf("after %s the hub has %d rows and the clinic %d, want %d", what, len(hub), len(clinic), want)
	}
	differ := 0
	for key, text := range hub {
		if clinic[key] == text {
			continue
		}
		if differ++; differ < 10 {
			m.Errorf("after %s %s is %q at the hub and %q at the clinic", what, key, text, clinic[key])
		}
	}
	if m.Failed() {
		m.FailNow()
	}
}

// content returns what both tables hold, by table and key, with references as keys.
func (m *meeting) content(node string) map[string]string {
	m.Helper()
	out := map[string]string{}
	rows, err := m.db[node].Query("SELECT CONCAT('site ', uuid), name FROM site " +
		"UNION ALL SELECT CONCAT('visit ', v.uuid), CONCAT('of ', s.uuid, ': ', CRC32(v.note), ' ', LEFT(v.note, 60)) FROM visit v JOIN site s ON s.id = v.site_id")
	if err != nil {
		m.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var key, text string
		if err := rows.Scan(&key, &text); err != nil {
			m.Fatal(err)
		}
		out[key] = text
	}
	if err := rows.Err(); err != nil {
		m.Fatal(err)
	}
	return out
}
