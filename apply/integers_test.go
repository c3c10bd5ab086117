package apply_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/sites"
)

// Tables that only flow down, with integers of several kinds, and one that goes both ways.
var numberedSchema = []string{
	"CREATE TABLE concept (concept_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50) UNIQUE, uuid CHAR(38) NOT NULL UNIQUE)",
	"CREATE TABLE drug (drug_id SMALLINT UNSIGNED PRIMARY KEY, concept_id INT NOT NULL, uuid CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (concept_id) REFERENCES concept (concept_id))",
	"CREATE TABLE place (place_id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, parent INT, uuid CHAR(38) NOT NULL UNIQUE)",
	"CREATE TABLE obs (obs_id INT AUTO_INCREMENT PRIMARY KEY, concept_id INT NOT NULL, uuid CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (concept_id) REFERENCES concept (concept_id))",
	"CREATE TABLE person (person_id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE)",
}

const numberedProfile = "[direction]\ndown = [\"concept\", \"drug\", \"place\"]\nadd = [\"person\"]\n"

var numberedTables = []string{"concept", "drug", "place"}

// numberedSites is sites with these tables, each the parent of the next.
func numberedSites(t *testing.T, names ...string) (list []*sites.Site) {
	t.Helper()
	for _, name := range names {
		list = append(list, sites.New(t, name, numberedProfile, numberedSchema...))
	}
	return list
}

func connect(list []*sites.Site) {
	for i, s := range list {
		s.Init()
		if i > 0 {
			list[i-1].Connect(s)
		}
	}
}

// integersOf is the integers of a table's rows, by their uuids.
func integersOf(s *sites.Site, table string) map[string]int64 {
	out := map[string]int64{}
	for _, r := range s.Query("SELECT uuid, " + table + "_id FROM " + table) {
		out[r[0]], _ = strconv.ParseInt(r[1], 10, 64)
	}
	return out
}

// numbered works at random in these tables.
type numbered struct {
	*rand.Rand
	made int
}

// integer is one that may be free: near the others, far away, or the server's next (NULL).
func (w *numbered) integer(table string) string {
	switch w.IntN(4) {
	case 0:
		if table != "drug" {
			return "NULL"
		}
	case 1:
		return strconv.Itoa(1000 + w.IntN(3000))
	}
	return strconv.Itoa(1 + w.IntN(60))
}

// work does some of the work of an application, and returns the integers of rows that it deleted.
func (w *numbered) work(s *sites.Site) map[string][]int64 {
	gone := map[string][]int64{}
	for range 1 + w.IntN(25) {
		w.made++
		table, uuid := numberedTables[w.IntN(3)], fmt.Sprintf("%s-%d", s.Name, w.made)
		if w.IntN(6) == 0 {
			mayGo := map[string]string{"concept": " WHERE name IS NULL"}[table]
			if r := s.Query("SELECT uuid, " + table + "_id FROM " + table + mayGo + " ORDER BY RAND() LIMIT 1"); r != nil {
				s.Exec("DELETE FROM " + table + " WHERE uuid = '" + r[0][0] + "'")
				n, _ := strconv.ParseInt(r[0][1], 10, 64)
				gone[table] = append(gone[table], n)
			}
			continue
		}
		column, value := "name", "'"+uuid+"'"
		switch {
		case table == "concept" && w.IntN(3) == 0: // nothing refers to it
			value = "NULL"
		case table == "drug":
			column, value = "concept_id", "(SELECT concept_id FROM concept WHERE name IS NOT NULL ORDER BY RAND() LIMIT 1)"
		case table == "place":
			column, value = "parent", "NULL"
		}
		_ = s.ExecErr(fmt.Sprintf("INSERT IGNORE INTO %s (%s_id, %s, uuid) VALUES (%s, %s, '%s')", table, table, column, w.integer(table), value, uuid))
		_ = s.ExecErr(fmt.Sprintf("INSERT IGNORE INTO obs (concept_id, uuid) SELECT concept_id, 'o-%s' FROM concept WHERE uuid LIKE 'hub-%%' AND name IS NOT NULL ORDER BY RAND() LIMIT 1", uuid))
	}
	return gone
}

// Whatever stands at which integers, a row of the parent's has its integer where that is free, and every reference is right.
func TestIntegersOfWhatFlowsDown(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := &numbered{Rand: rand.New(rand.NewPCG(seed, 7))}
			list := numberedSites(t, "hub", "region", "clinic")
			for i, s := range list {
				if i == 0 || seed%2 == 0 {
					w.work(s)
				}
			}
			connect(list)
			kept := 0
			for range 5 {
				for i := range list[1:] {
					kept += checkIntegers(t, list[i], list[i+1], w.work(list[i+1]))
				}
				for i := range list[1:] {
					list[len(list)-1-i].Send(list[len(list)-2-i])
				}
				w.work(list[0])
			}
			if kept < 20 {
				t.Errorf("%d rows kept their integers: nothing is tested", kept)
			}
			sites.ExchangeTwice(list...)
			meant := "SELECT o.uuid, c.uuid FROM obs o LEFT JOIN concept c USING (concept_id) ORDER BY 1"
			for _, s := range list[1:] {
				if got, want := s.Query(meant), list[0].Query(meant); !slices.EqualFunc(got, want, slices.Equal) {
					t.Errorf("observations at %s:\n%v\nand at the hub:\n%v", s.Name, got, want)
				}
			}
		})
	}
}

// checkIntegers sends what the parent has to the child, and returns how many new rows have the parent's integers there: all for which
// they were free. gone are the integers of rows that the child's application just deleted: a seal has not seen them yet.
func checkIntegers(t *testing.T, parent, child *sites.Site, gone map[string][]int64) (kept int) {
	t.Helper()
	before := map[string]map[string]int64{}
	for _, table := range numberedTables {
		before[table] = integersOf(child, table)
	}
	parent.Send(child)
	for _, table := range numberedTables {
		taken := map[int64]bool{}
		for n := range maps.Values(before[table]) {
			taken[n] = true
		}
		for _, n := range gone[table] {
			taken[n] = true
		}
		sent := integersOf(parent, table)
		for uuid, n := range integersOf(child, table) {
			was, old := before[table][uuid]
			switch want := sent[uuid]; {
			case old && was != n:
				t.Errorf("%s %s had %d at %s and has %d", table, uuid, was, child.Name, n)
			case old || want == 0:
			case n == want:
				kept++
			case !taken[want]:
				t.Errorf("%s %s is %d at %s and %d at %s, where that was free", table, uuid, want, parent.Name, n, child.Name)
			}
		}
	}
	return kept
}

// In tables to which a child may add, everybody's integers stay their own.
func TestIntegersOfWhatMayBeAdded(t *testing.T) {
	list := numberedSites(t, "hub", "clinic")
	hub, clinic := list[0], list[1]
	connect(list)
	hub.Exec("INSERT INTO person VALUES (500, 'p-1')", "INSERT INTO concept VALUES (500, 'a', 'c-1')", "INSERT INTO obs VALUES (500, 500, 'o-1')")
	clinic.Exec("INSERT INTO person VALUES (700, 'p-2')")
	sites.ExchangeTwice(hub, clinic)
	for _, table := range []string{"person", "obs"} {
		if clinic.One("SELECT COUNT(*) FROM "+table+" WHERE "+table+"_id = 500") != "0" || hub.One("SELECT COUNT(*) FROM "+table+" WHERE "+table+"_id = 700") != "0" {
			t.Errorf("an integer of %s travelled", table)
		}
	}
	if got := clinic.One("SELECT concept_id FROM concept"); got != "500" {
		t.Errorf("the concept is %s", got)
	}
	sites.Same(t, hub, clinic)
}

// A clinic of which the first rows have integers of the hub's: those of the hub take others, far away, and all that come later have
// theirs.
func TestIntegersAreNotPushedOn(t *testing.T) {
	list := numberedSites(t, "hub", "clinic")
	hub, clinic := list[0], list[1]
	for i := range 4500 {
		if i%500 == 0 {
			hub.Exec("INSERT INTO concept (concept_id, uuid) SELECT seq.n + " + strconv.Itoa(i) + ", CONCAT('c-', seq.n + " + strconv.Itoa(i) + ") FROM (" + numbers(500) + ") seq")
		}
	}
	clinic.Exec("INSERT INTO concept (uuid) VALUES ('own-1'), ('own-2'), ('own-3')")
	connect(list)
	sites.Exchange(hub, clinic)
	hub.Exec("INSERT INTO concept (uuid) VALUES ('late-1'), ('late-2'), ('late-3'), ('late-4'), ('late-5')")
	sites.Exchange(hub, clinic)
	differ := 0
	here := integersOf(clinic, "concept")
	for uuid, n := range integersOf(hub, "concept") {
		if here[uuid] != n {
			differ++
		}
	}
	if differ != 3 {
		t.Errorf("%d rows have other integers than at the hub, want the 3 whose integers were taken", differ)
	}
	clinic.Exec("INSERT INTO concept (uuid) VALUES ('own-4')")
	hub.Exec("INSERT INTO concept (uuid) VALUES ('late-6')")
	sites.Exchange(hub, clinic)
	if a, b := integersOf(hub, "concept")["late-6"], integersOf(clinic, "concept")["late-6"]; a != b {
		t.Errorf("late-6 is %d at the hub and %d at the clinic", a, b)
	}
}

// numbers is a query with the numbers 1 to n in a column of that name.
func numbers(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(" UNION ALL ")
		}
		fmt.Fprintf(&b, "SELECT %d AS n", i+1)
	}
	return b.String()
}

// The application inserts a row beside the import and takes an integer that was free when the import looked: nobody fails.
func TestIntegerTakenMeanwhile(t *testing.T) {
	list := numberedSites(t, "hub", "clinic")
	hub, clinic := list[0], list[1]
	connect(list)
	hub.Exec("INSERT INTO concept VALUES (1, 'one', 'c-1')", "INSERT INTO drug VALUES (1, 1, 'd-1')")
	sites.Exchange(hub, clinic)
	hub.Exec("INSERT INTO concept VALUES (70, 'a', 'c-70'), (71, 'b', 'c-71'), (72, 'c', 'c-72')", "INSERT INTO drug VALUES (70, 71, 'd-70'), (71, 70, 'd-71')")
	f := hub.Export(clinic)[0]
	app := hold(t, clinic, "INSERT INTO concept VALUES (71, 'own', 'own')", "INSERT INTO drug VALUES (70, 1, 'own')")
	n := beside(t, clinic)
	end := background(func() error { _, err := n.ImportErr(f); return err })
	running(t, clinic, "INSERT INTO `concept`%")
	app.do("COMMIT")
	if err := end(); err != nil {
		t.Fatal(err)
	}
	got := integersOf(clinic, "concept")
	if got["own"] != 71 || got["c-70"] != 70 || got["c-72"] != 72 || got["c-71"] < 1000 {
		t.Errorf("concepts: %v", got)
	}
	if got := integersOf(clinic, "drug"); got["own"] != 70 || got["d-71"] != 71 || got["d-70"] < 72 {
		t.Errorf("drugs: %v", got)
	}
	if got := clinic.One("SELECT c.uuid FROM drug d JOIN concept c USING (concept_id) WHERE d.uuid = 'd-70'"); got != "c-71" {
		t.Errorf("d-70 is of concept %s", got)
	}
}

// A row that waits has its integer when it comes, if that is still free.
func TestIntegerOfARowThatWaits(t *testing.T) {
	list := numberedSites(t, "hub", "clinic")
	hub, clinic := list[0], list[1]
	clinic.Waits = true
	clinic.Exec("INSERT INTO concept VALUES (3, 'malaria', 'own')")
	connect(list)
	hub.Exec("INSERT INTO concept VALUES (40, 'malaria', 'c-40'), (41, 'x', 'c-41')", "INSERT INTO drug VALUES (12, 40, 'd-12')")
	sites.Exchange(hub, clinic)
	if got := clinic.One("SELECT COUNT(*) FROM omsync_waiting"); got != "2" {
		t.Fatalf("%s rows wait, want the concept and its drug", got)
	}
	clinic.Exec("UPDATE concept SET name = 'own malaria' WHERE concept_id = 3")
	if err := clinic.Retry(); err != nil {
		t.Fatal(err)
	}
	if c, d := integersOf(clinic, "concept")["c-40"], integersOf(clinic, "drug")["d-12"]; c != 40 || d != 12 {
		t.Errorf("after they waited the concept is %d and the drug %d", c, d)
	}
}

// Of a row that went unseen, or that no seal has seen go, versions are stored under its integer: no other row gets it.
func TestIntegerOfWhatIsNoMore(t *testing.T) {
	list := numberedSites(t, "hub", "clinic")
	hub, clinic := list[0], list[1]
	connect(list)
	hub.Exec("INSERT INTO concept VALUES (1, 'a', 'c-1')")
	sites.Exchange(hub, clinic)
	clinic.Exec("INSERT INTO concept VALUES (50, 'own', 'own-50'), (51, 'own too', 'own-51'), (90, 'own three', 'own-90')")
	clinic.Seal()
	clinic.Exec("SET @omsync_quiet = 1", "DELETE FROM concept WHERE concept_id = 50", "SET @omsync_quiet = NULL", "DELETE FROM concept WHERE concept_id = 51")
	hub.Exec("INSERT INTO concept VALUES (50, 'b', 'c-50'), (51, 'c', 'c-51'), (52, 'd', 'c-52')")
	clinic.Import(hub.Export(clinic)[0])
	got := integersOf(clinic, "concept")
	if got["c-50"] < 1000 || got["c-51"] < 1000 || got["c-52"] != 52 {
		t.Errorf("concepts: %v", got)
	}
	sites.ExchangeTwice(hub, clinic)
	sites.Quiet(t, hub, clinic)
}
