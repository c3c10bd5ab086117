package exchange

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/harmonise"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/match"
	"github.com/omsync/omsync/transport"
)

// apart is a data model of two sites that worked alone: kinds and settings go down, staff may be added, visits and notes go both ways.
var apart = []string{
	"CREATE TABLE kind (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name VARCHAR(50), secret VARCHAR(50)) ENGINE=InnoDB",
	"CREATE TABLE staff (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, first_name VARCHAR(50), mail VARCHAR(50) UNIQUE, chief INT, FOREIGN KEY (chief) REFERENCES staff (id)) ENGINE=InnoDB",
	"CREATE TABLE card (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, staff_id INT NOT NULL, number VARCHAR(50), lost TINYINT NOT NULL DEFAULT 0, FOREIGN KEY (staff_id) REFERENCES staff (id)) ENGINE=InnoDB",
	"CREATE TABLE skill (staff_id INT NOT NULL, kind_id INT NOT NULL, PRIMARY KEY (staff_id, kind_id), FOREIGN KEY (staff_id) REFERENCES staff (id), FOREIGN KEY (kind_id) REFERENCES kind (id)) ENGINE=InnoDB",
	"CREATE TABLE setting (name VARCHAR(50) PRIMARY KEY, content VARCHAR(50)) ENGINE=InnoDB",
	"CREATE TABLE visit (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, kind_id INT NOT NULL, staff_id INT, before_id INT, text TEXT, FOREIGN KEY (kind_id) REFERENCES kind (id), FOREIGN KEY (staff_id) REFERENCES staff (id), FOREIGN KEY (before_id) REFERENCES visit (id)) ENGINE=InnoDB",
	"CREATE TABLE note (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, visit_id INT, FOREIGN KEY (visit_id) REFERENCES visit (id)) ENGINE=InnoDB",
}

const apartProfile = `
[direction]
down = ["kind", "setting"]
add = ["staff", "card", "skill"]
[natural.kind]
name = { columns = ["name"], certain = true }
[natural.staff]
card = { of = "card", by = "staff_id", columns = ["number"], where = { lost = "0" } }
chief = { columns = ["chief"], supports = true }
[natural.skill]
both = { columns = ["staff_id", "kind_id"], certain = true }
[label]
kind = ["name"]
staff = ["first_name"]
`

// worked has the two sites work alone, with the same integers for other things.
func worked(t *testing.T, hub, clinic *node) {
	dbtest.Exec(t, hub.DB,
		"INSERT INTO kind (id, uuid, name, secret) VALUES (1, 'H-visit', 'Visit', 's1'), (2, 'H-lab', 'Laboratory', 's2'), (3, 'shared', 'Shared', 's3'), (4, 'H-null', NULL, ''), (5, 'H-twice', 'Twice', ''), (6, 'H-twice2', 'TWICE ', '')",
		"INSERT INTO staff (id, uuid, first_name, mail, chief) VALUES (1, 'H-ann', 'Ann', 'ann@x', NULL), (2, 'H-jane', 'Jane', 'jane@hub', 1), (3, 'H-joe', 'Joe', 'Bob@X', NULL)",
		"INSERT INTO card (uuid, staff_id, number, lost) VALUES ('H-c1', 1, 'A1', 0), ('H-c2', 2, 'J7', 0), ('H-c3', 3, 'B2', 1)",
		"INSERT INTO skill (staff_id, kind_id) VALUES (1, 3), (2, 1)",
		"INSERT INTO setting VALUES ('same', '1'), ('only.hub', '2')",
		"INSERT INTO visit (uuid, kind_id, text) VALUES ('H-v1', 2, REPEAT('x', 3000))")
	dbtest.Exec(t, clinic.DB,
		"INSERT INTO kind (id, uuid, name) VALUES (2, 'C-visit', ' visit'), (1, 'C-own', 'Own'), (3, 'shared', 'Renamed'), (4, 'C-null', NULL), (5, 'C-twice', 'Twice'), (7, 'C-unused', 'Unused')",
		"INSERT INTO staff (id, uuid, first_name, mail, chief) VALUES (5, 'C-chief', 'Chief', NULL, NULL), (2, 'C-jane', 'Jane', 'jane@clinic', 5), (3, 'C-bob', 'Bob', 'bob@x', NULL)",
		"INSERT INTO card (uuid, staff_id, number, lost) VALUES ('C-c1', 2, 'j7 ', 0), ('C-c2', 3, 'B2', 0), ('C-c3', 3, NULL, 0)",
		"INSERT INTO skill (staff_id, kind_id) VALUES (2, 2), (3, 1)",
		"INSERT INTO setting VALUES ('same', '9'), ('only.clinic', '2')",
		"INSERT INTO visit (id, uuid, kind_id, before_id) VALUES (1, 'C-v1', 1, NULL), (2, 'C-v2', 2, 1), (3, 'C-v3', 2, NULL), (4, 'C-v4', 1, NULL), (7, 'C-v7', 1, NULL), (5, 'C-v5', 2, 7), (6, 'C-v6', 2, 5)", // what a row refers to may be younger
		"INSERT INTO note (uuid, visit_id) VALUES ('C-n1', 2), ('C-n2', 3), ('C-n3', NULL), ('C-n4', 4)")
}

// matchLines are the lines of a report.
func matchLines(r *match.Report) (out []string) {
	for _, list := range [][]match.Line{r.Matched, r.Proposed, r.Collisions, r.OnlyHere} {
		for _, l := range list {
			out = append(out, fmt.Sprintf("%s %s %s~%s %d", l.Table, l.State, l.Here, l.There, l.Waiting))
		}
	}
	slices.Sort(out)
	return out
}

func (n *node) exportMatch(peer, folder string) string {
	n.t.Helper()
	f, err := transport.MakeFolder(folder)
	if err != nil {
		n.t.Fatal(err)
	}
	defer f.Close()
	made, err := n.x.ExportMatch(n.t.Context(), n.peer(peer), f)
	if err != nil {
		n.t.Fatal(err)
	}
	return filepath.Join(folder, made.File)
}

func (n *node) exportFull(peer, folder string, partSize int64) {
	n.t.Helper()
	f, err := transport.MakeFolder(folder)
	if err != nil {
		n.t.Fatal(err)
	}
	defer f.Close()
	if _, err := n.x.Export(n.t.Context(), n.peer(peer), f, ExportOptions{Full: true, PartSize: partSize}); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) match(peer, path string) (*Matching, *harmonise.There) {
	n.t.Helper()
	there, _, err := n.x.ReadMatch(n.t.Context(), n.peer(peer), path)
	if err != nil {
		n.t.Fatal(err)
	}
	m, err := n.x.Match(n.t.Context(), n.peer(peer), there.Side, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	return m, there
}

// sums are checksums of all tables, omsync's too.
func (n *node) sums() map[string]string {
	n.t.Helper()
	out := map[string]string{}
	var names []string
	if err := sqldb.Each(n.t.Context(), n.DB, "SHOW TABLES", func(r []sql.RawBytes) error { names = append(names, string(r[0])); return nil }); err != nil {
		n.t.Fatal(err)
	}
	for _, name := range names {
		if err := sqldb.Each(n.t.Context(), n.DB, "CHECKSUM TABLE `"+name+"`", func(r []sql.RawBytes) error { out[name] = string(r[1]); return nil }); err != nil {
			n.t.Fatal(err)
		}
	}
	return out
}

// A file for matching, a full load and one in parts say the same, and the report is what the sites' work makes it.
func TestMatch(t *testing.T) {
	hub, all := treeOf(t, apartProfile, apart, "clinic")
	clinic := all["clinic"]
	worked(t, hub, clinic)
	dir := t.TempDir()
	file := hub.exportMatch("clinic", filepath.Join(dir, "match"))
	hub.exportFull("clinic", filepath.Join(dir, "full"), 0)
	hub.exportFull("clinic", filepath.Join(dir, "parts"), 512)
	if n := len(batches(t, filepath.Join(dir, "parts"))); n < 2 {
		t.Fatalf("%d parts", n)
	}
	before := clinic.sums()
	want := []string{
		"kind matched C-visit~H-visit 0",
		"kind only here C-own~ 9",
		"kind proposed C-twice~H-twice 0", "kind proposed C-twice~H-twice2 0",
		"staff collision C-bob~H-joe 4",
		"staff proposed C-jane~H-jane 0",
	}
	for i, w := range want { // keys are in small letters
		want[i] = strings.NewReplacer("C-", "c-", "H-", "h-").Replace(w)
	}
	for _, path := range []string{file, filepath.Join(dir, "match"), filepath.Join(dir, "full"), filepath.Join(dir, "parts")} {
		m, _ := clinic.match("hub", path)
		if got := matchLines(m.Report); !slices.Equal(got, want) {
			t.Errorf("%s:\n%q, want\n%q", path, got, want)
		}
		if m.Report.Waiting != 12 {
			t.Errorf("%s: %d rows would wait", path, m.Report.Waiting)
		}
		counts := map[string]match.Count{}
		for _, c := range m.Report.Tables {
			counts[c.Table] = c
		}
		if c := counts["kind"]; c.Same != 1 || c.Matched != 1 || c.OnlyHere != 3 || c.OnlyThere != 2 {
			t.Errorf("%s: %+v", path, c)
		}
		if c := counts["setting"]; c.Same != 1 || c.OnlyHere != 1 || c.OnlyThere != 1 {
			t.Errorf("%s: %+v", path, c)
		}
		if c := counts["skill"]; c.Same != 0 || c.Goes != 2 || c.OnlyThere != 2 {
			t.Errorf("%s: %+v", path, c)
		}
		jane := m.Report.Proposed[slices.IndexFunc(m.Report.Proposed, func(l match.Line) bool { return l.Table == "staff" })]
		if jane.LabelHere != "Jane" || !slices.Equal(jane.For, []string{"same card: j7"}) {
			t.Errorf("%s: %+v", path, jane)
		}
		// With the two decided to be one, her skill is one too.
		decided, err := clinic.x.Match(t.Context(), clinic.peer("hub"), must(clinic.x.ReadMatch(t.Context(), clinic.peer("hub"), path)), []match.Decision{{Table: "staff", Here: "c-jane", There: "h-jane", Kind: match.Same}, {Table: "kind", Here: "c-visit", There: "shared", Kind: match.Apart}})
		if err != nil {
			t.Fatal(err)
		}
		if got := matchLines(decided.Report); !slices.Contains(got, "staff decided c-jane~h-jane 0") {
			t.Errorf("%s: %q", path, got)
		}
		if c := decided.Report.Tables[slices.IndexFunc(decided.Report.Tables, func(c match.Count) bool { return c.Table == "skill" })]; c.Same != 1 || c.Goes != 1 || c.OnlyThere != 1 {
			t.Errorf("%s: with her decided to be one: %+v", path, c)
		}
	}
	after := clinic.sums()
	for name, sum := range before {
		if after[name] != sum {
			t.Errorf("matching has changed the table %s", name)
		}
	}
	// What is not compared is not in the file for matching.
	raw, err := os.ReadFile(file)
	if err != nil || len(raw) > 8<<10 {
		t.Errorf("the file has %d bytes: %v", len(raw), err)
	}
	secret := 0
	clinic.items("hub", file, func(item any) {
		if table, ok := item.(*batch.TableItem); ok {
			for _, c := range table.Table.Columns {
				if c.Name == "secret" || c.Name == "text" || c.Name == "content" {
					secret++
				}
			}
		}
		if _, ok := item.(*batch.Deletions); ok {
			t.Error("it has deletions")
		}
	})
	if secret > 0 {
		t.Errorf("the file has %d columns that are not compared", secret)
	}
}

func must(there *harmonise.There, _ []string, err error) *match.Side {
	if err != nil {
		panic(err)
	}
	return there.Side
}

// items calls f with what a file holds.
func (n *node) items(peer, path string, f func(any)) {
	n.t.Helper()
	file, err := os.Open(path)
	if err != nil {
		n.t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		n.t.Fatal(err)
	}
	verify, err := n.x.verifier(n.peer(peer))
	if err != nil {
		n.t.Fatal(err)
	}
	r, err := batch.Open(file, info.Size(), verify, n.x.Keys.Decrypt)
	if err != nil {
		n.t.Fatal(err)
	}
	defer r.Close()
	for {
		item, err := r.Next()
		if err != nil {
			return
		}
		f(item)
	}
}

// Rows that the hub has had are not missing, nor taken for rows of their name; those of after are.
func TestMatchAfterAnExchange(t *testing.T) {
	hub, all := treeOf(t, apartProfile, apart, "clinic")
	clinic := all["clinic"]
	dbtest.Exec(t, hub.DB, "INSERT INTO kind (uuid, name) VALUES ('h-visit', 'Visit')")
	clinic.deliver(hub)
	dbtest.Exec(t, clinic.DB, "INSERT INTO staff (uuid, first_name, mail) VALUES ('c-jane', 'Jane', 'jane@x')", "INSERT INTO card (uuid, staff_id, number) SELECT 'c-card', id, 'J1' FROM staff")
	hub.deliver(clinic)
	clinic.deliver(hub)
	// At the hub she is deleted, and another gets her number.
	dbtest.Exec(t, hub.DB, "DELETE FROM card", "DELETE FROM staff", "INSERT INTO staff (uuid, first_name) VALUES ('h-other', 'Other')", "INSERT INTO card (uuid, staff_id, number) SELECT 'h-card', id, 'J1' FROM staff")
	dbtest.Exec(t, clinic.DB, "INSERT INTO staff (uuid, first_name) VALUES ('c-new', 'New')", "INSERT INTO card (uuid, staff_id, number) SELECT 'c-card2', id, 'J1' FROM staff WHERE uuid = 'c-new'")
	before := hub.peer("clinic")
	file := hub.exportMatch("clinic", t.TempDir())
	m, _ := clinic.match("hub", file)
	if got := matchLines(m.Report); !slices.Equal(got, []string{"staff proposed c-new~h-other 0"}) {
		t.Errorf("%q", got)
	}
	if now := hub.peer("clinic"); !reflect.DeepEqual(now, before) {
		t.Error("the file for matching moved the link")
	}
}

// Only a file of the peer for this node counts, and one that holds everything.
func TestMatchFilesOfOthers(t *testing.T) {
	hub, all := treeOf(t, apartProfile, apart, "clinic", "other")
	clinic, other := all["clinic"], all["other"]
	worked(t, hub, clinic)
	dir := t.TempDir()
	foreign := hub.exportMatch("other", filepath.Join(dir, "foreign"))
	mine := hub.exportMatch("clinic", filepath.Join(dir, "mine"))
	fail := func(path, want string) {
		t.Helper()
		_, _, err := clinic.x.ReadMatch(t.Context(), clinic.peer("hub"), path)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", filepath.Base(path), err, want)
		}
	}
	fail(foreign, "it is from hub for other, and this is clinic, which compares with hub")
	fail(filepath.Join(dir, "foreign"), "no file to compare with of hub")
	fail(filepath.Join(dir, "none"), "no such file")
	if _, _, err := other.x.ReadMatch(t.Context(), other.peer("hub"), foreign); err != nil {
		t.Error(err)
	}
	content, err := os.ReadFile(mine)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	fail(write("cut.omsync-match", content[:len(content)/2]), "")
	fail(write("empty.omsync-match", nil), "")
	flipped := slices.Clone(content)
	flipped[len(flipped)-100] ^= 1
	fail(write("flipped.omsync-match", flipped), "signature")
	// One of a later omsync says which.
	later := writeLater(t, hub, "clinic", filepath.Join(dir, "later.omsync-match"))
	fail(later, "install omsync 9.0.0 or newer")
	// What holds changes alone is none.
	clinic.deliver(hub)
	hub.deliver(clinic)
	dbtest.Exec(t, hub.DB, "INSERT INTO kind (uuid, name) VALUES ('h-new', 'New')")
	made := hub.post("clinic")
	changes := filepath.Join(hub.x.Home, "outbox", "clinic", made[len(made)-1].File)
	fail(changes, "holds what changed since epoch")
	if _, _, err := clinic.x.ReadMatch(t.Context(), clinic.peer("hub"), filepath.Dir(changes)); !errors.Is(err, ErrNoMatchFile) {
		t.Errorf("a folder with changes alone: %v", err)
	}
	// Nobody applies a file for matching, whatever it is called.
	renamed := write("hub-to-clinic-0000000000-0000000009-000000.omsync", content)
	var said error
	err = clinic.x.Import(t.Context(), []*Incoming{{Name: renamed, Open: func() (*os.File, int64, error) {
		f, err := os.Open(renamed)
		return f, int64(len(content)), err
	}}}, ImportOptions{}, func() error { return nil }, func(r *Result) error { said = r.Err; return nil })
	if err != nil || said == nil || !strings.Contains(said.Error(), "it is for omsync match") {
		t.Errorf("%v, %v", err, said)
	}
}

// Ten thousand rows of one name are told as a crowd, whatever else they hold.
func TestMatchManyOfOneName(t *testing.T) {
	hub, all := treeOf(t, strings.Replace(apartProfile, "certain = true", "certain = false", 1), apart, "clinic")
	clinic := all["clinic"]
	var rows []string
	for i := range 10_000 {
		rows = append(rows, fmt.Sprintf("('c%d', 'Unknown%s')", i, strings.Repeat(" ", i%3)))
	}
	for part := range slices.Chunk(rows, 1000) {
		dbtest.Exec(t, clinic.DB, "INSERT INTO kind (uuid, name) VALUES "+strings.Join(part, ", "))
	}
	dbtest.Exec(t, hub.DB, "INSERT INTO kind (uuid, name) VALUES ('h1', 'UNKNOWN'), ('h2', 'unknown ')")
	m, _ := clinic.match("hub", hub.exportMatch("clinic", t.TempDir()))
	if r := m.Report; len(r.Proposed) != 0 || len(r.Crowds) != 1 || r.Crowds[0].Here != 10_000 || r.Crowds[0].There != 2 || len(r.OnlyHere) != 0 {
		t.Errorf("%d proposed, crowds %+v", len(r.Proposed), r.Crowds)
	}
}

// writeLater writes a file for matching that uses what this program does not know.
func writeLater(t *testing.T, from *node, to, path string) string {
	t.Helper()
	card, err := keys.ParseCard(from.peer(to).Card)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := batch.NewWriter(f, &batch.Header{Sender: from.Name, Receiver: to, Requests: []string{batch.MatchNeed, "needs:later@9.0.0"}, Last: true, Time: 1}, card.Encrypt, from.x.Keys.Sign)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}
