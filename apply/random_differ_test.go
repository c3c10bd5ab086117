package apply_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// TestRandomDiffer is TestRandom for what has rows wait: sites whose schemas differ until somebody mends them, equal values where only one row
// may have one, clocks that are years wrong, restores, and every policy. Rows wait as long as they have to; no file is refused and no exchange
// goes on for ever. Once all is mended nothing waits, the sites hold the same, and nothing that somebody wrote is nowhere.
//
// OMSYNC_SEED and OMSYNC_ROUNDS are as for TestRandom, and OMSYNC_SCHEDULES is how many seeds from that one on are run (2).
func TestRandomDiffer(t *testing.T) {
	seed, schedules, rounds := number(t, "OMSYNC_SEED", 1), number(t, "OMSYNC_SCHEDULES", 2), number(t, "OMSYNC_ROUNDS", 4)
	for s := seed; s < seed+schedules; s++ {
		t.Run(fmt.Sprint(s), func(t *testing.T) { newDiffering(t, s).run(int(rounds)) })
	}
}

// number is a number from the environment.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// horizonOfDiffering is how much later than a site's clock stamps may be, and beyondHorizon how wrong a clock is that is worse than that. No session
// of an older server knows a time after the year 2037.
const (
	horizonOfDiffering = 2 * merge.Year
	beyondHorizon      = 4 * merge.Year
)

// differingTables are the tables of the random test with schemas that differ: few, so that all meet.
var differingTables = []string{
	"CREATE TABLE person (person_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50) CHARACTER SET utf8mb4 NULL, note TEXT CHARACTER SET utf8mb4 NULL, size INT NULL, born DATE NULL, uuid CHAR(38) NOT NULL UNIQUE)",
	"CREATE TABLE patient (patient_id INT NOT NULL PRIMARY KEY, note VARCHAR(50) CHARACTER SET utf8mb4 NULL, code VARCHAR(30) NULL UNIQUE, CONSTRAINT patient_person FOREIGN KEY (patient_id) REFERENCES person (person_id))",
	"CREATE TABLE place (place_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40) NOT NULL UNIQUE, within INT NULL, uuid CHAR(38) NOT NULL UNIQUE, CONSTRAINT place_within FOREIGN KEY (within) REFERENCES place (place_id))",
	"CREATE TABLE account (account_id INT AUTO_INCREMENT PRIMARY KEY, person_id INT NOT NULL, login VARCHAR(30) NULL UNIQUE, uuid CHAR(38) NOT NULL UNIQUE, CONSTRAINT account_person FOREIGN KEY (person_id) REFERENCES person (person_id))",
	"CREATE TABLE visit (visit_id INT AUTO_INCREMENT PRIMARY KEY, patient_id INT NOT NULL, place_id INT NULL, stop DATETIME NULL, uuid CHAR(38) NOT NULL UNIQUE, CONSTRAINT visit_patient FOREIGN KEY (patient_id) REFERENCES patient (patient_id), CONSTRAINT visit_place FOREIGN KEY (place_id) REFERENCES place (place_id))",
	"CREATE TABLE encounter (encounter_id INT AUTO_INCREMENT PRIMARY KEY, visit_id INT NULL, person_id INT NOT NULL, form VARCHAR(40) NULL, uuid CHAR(38) NOT NULL UNIQUE, CONSTRAINT encounter_visit FOREIGN KEY (visit_id) REFERENCES visit (visit_id), CONSTRAINT encounter_person FOREIGN KEY (person_id) REFERENCES person (person_id))",
	"CREATE TABLE obs (obs_id INT AUTO_INCREMENT PRIMARY KEY, person_id INT NOT NULL, encounter_id INT NULL, obs_group_id INT NULL, value DOUBLE NULL, comments VARCHAR(255) CHARACTER SET utf8mb4 NULL, uuid CHAR(38) NOT NULL UNIQUE, CONSTRAINT obs_person FOREIGN KEY (person_id) REFERENCES person (person_id), CONSTRAINT obs_encounter FOREIGN KEY (encounter_id) REFERENCES encounter (encounter_id), CONSTRAINT obs_group FOREIGN KEY (obs_group_id) REFERENCES obs (obs_id))",
	"CREATE TABLE tag (tag VARCHAR(40) NOT NULL PRIMARY KEY, note VARCHAR(50) CHARACTER SET utf8mb4 NULL)",
	"CREATE TABLE place_tag (place_id INT NOT NULL, tag VARCHAR(40) NOT NULL, note VARCHAR(50) CHARACTER SET utf8mb4 NULL, PRIMARY KEY (place_id, tag), CONSTRAINT tag_place FOREIGN KEY (place_id) REFERENCES place (place_id))",
	"CREATE TABLE device (device_id INT AUTO_INCREMENT PRIMARY KEY, place_id INT NULL, serial VARCHAR(30) NULL UNIQUE, uuid CHAR(38) NOT NULL UNIQUE, CONSTRAINT device_place FOREIGN KEY (place_id) REFERENCES place (place_id))",
	"CREATE TABLE reading (reading_id INT AUTO_INCREMENT PRIMARY KEY, device_id INT NOT NULL, note VARCHAR(50) CHARACTER SET utf8mb4 NULL, uuid CHAR(38) NOT NULL UNIQUE, CONSTRAINT reading_device FOREIGN KEY (device_id) REFERENCES device (device_id))",
	"CREATE TABLE remark (remark_id INT AUTO_INCREMENT PRIMARY KEY, reading_id INT NULL, note VARCHAR(50) CHARACTER SET utf8mb4 NULL, uuid CHAR(38) NOT NULL UNIQUE, CONSTRAINT remark_reading FOREIGN KEY (reading_id) REFERENCES reading (reading_id))",
	"CREATE TABLE memo (memo_id INT AUTO_INCREMENT PRIMARY KEY, note VARCHAR(50) CHARACTER SET utf8mb4 NULL, uuid CHAR(38) NOT NULL UNIQUE)",
}

// difference is one of a site's schema from the others'.
type difference struct {
	make, mend []string
	lacks      string // the table that is not there, or of which a column is not; "": none
	cripples   string // the table that the application here cannot work in meanwhile; "": none
	newer      bool   // needs a server with CHECK and generated columns
}

// differences are those that one site may have.
func differences() []difference {
	alter := func(table, other, usual string) difference {
		return difference{make: []string{"ALTER TABLE " + table + " " + other}, mend: []string{"ALTER TABLE " + table + " " + usual}}
	}
	lacking := func(d difference, table string) difference {
		d.lacks = table
		return d
	}
	without := func(table, name string) difference {
		return difference{make: []string{"SET foreign_key_checks = 0", "DROP TABLE " + name}, mend: []string{table}, lacks: name}
	}
	const signal = "CREATE TRIGGER app_%s BEFORE %[1]s ON obs FOR EACH ROW IF NEW.comments LIKE '%%1%%' THEN SIGNAL SQLSTATE '45000'; END IF"
	checked := alter("tag", "ADD CONSTRAINT no_nine CHECK (note NOT LIKE '%9%')", "DROP CONSTRAINT no_nine")
	generated := alter("device", "ADD short VARCHAR(6) AS (serial) STORED", "DROP COLUMN short")
	checked.newer, generated.newer = true, true
	device := without(differingTables[9], "device")
	device.cripples = "reading"
	device.make = append(device.make, "ALTER TABLE reading DROP FOREIGN KEY reading_device")
	device.mend = append(device.mend, "ALTER TABLE reading ADD CONSTRAINT reading_device FOREIGN KEY (device_id) REFERENCES device (device_id)")
	return []difference{
		alter("person", "MODIFY name VARCHAR(5) CHARACTER SET utf8mb4 NULL", "MODIFY name VARCHAR(50) CHARACTER SET utf8mb4 NULL"),
		alter("person", "MODIFY note TEXT CHARACTER SET latin1 NULL", "MODIFY note TEXT CHARACTER SET utf8mb4 NULL"),
		alter("person", "MODIFY size TINYINT NULL", "MODIFY size INT NULL"),
		alter("visit", "MODIFY stop DATETIME NOT NULL", "MODIFY stop DATETIME NULL"),
		alter("encounter", "ADD UNIQUE INDEX one_form (form)", "DROP INDEX one_form"),
		lacking(alter("obs", "DROP COLUMN comments", "ADD comments VARCHAR(255) CHARACTER SET utf8mb4 NULL AFTER value"), "obs"),
		lacking(alter("person", "DROP COLUMN born", "ADD born DATE NULL AFTER size"), "person"),
		lacking(alter("reading", "DROP COLUMN note", "ADD note VARCHAR(50) CHARACTER SET utf8mb4 NULL AFTER device_id"), "reading"),
		{make: []string{fmt.Sprintf(signal, "INSERT"), fmt.Sprintf(signal, "UPDATE")}, mend: []string{"DROP TRIGGER app_INSERT", "DROP TRIGGER app_UPDATE"}},
		checked, generated, device,
		without(differingTables[12], "memo"),
		without(differingTables[11], "remark"),
	}
}

// newDiffering makes a hub and two sites, in a chain or not, of which some have a schema of their own.
func newDiffering(t *testing.T, seed uint64) *chaos {
	w := &chaos{t: t, maker: &maker{rng: rand.New(rand.NewPCG(seed, 78)), unique: map[string]bool{}}, clock: 1_760_000_000_000_000, differ: true,
		written: map[string]string{}, cleared: map[string]bool{}, disposable: map[string]bool{}, imported: map[string]int{}, lacked: map[string]bool{}}
	w.common = func(c *schema.Column) bool {
		return c.Name == "form" || c.Name == "tag" && w.chance(50) || indexedUnique(c) && !c.UUIDColumn && w.chance(25)
	}
	if w.chance(50) {
		w.restores = 25
	}
	policies := map[string]merge.Policy{}
	if w.chance(50) {
		for _, ddl := range differingTables {
			policies[strings.Fields(ddl)[2]] = []merge.Policy{merge.Newest, merge.Parent, merge.Child}[w.rng.IntN(3)]
		}
	}
	chain := w.chance(50)
	server, all := dbtest.Server(t), differences()
	for i, name := range []string{"hub", "kisumu", "migori"} {
		n := &actor{Site: sites.New(t, name, "none", differingTables...), w: w, base: int64(1+i) * 1_000_000, own: map[string]bool{}, dirty: map[string]bool{}}
		n.Waits = true
		n.Options = func(o *apply.Options) { o.Horizon = horizonOfDiffering }
		n.Policies = func(t *journal.Table) merge.Policies { return merge.All(policies[t.Name]) }
		n.forget()
		w.actors = append(w.actors, n)
		n.SetOffset(int64(1 + 1000*i))
	}
	for range 2 + w.rng.IntN(4) {
		i := w.rng.IntN(len(all))
		d := all[i]
		all = slices.Delete(all, i, i+1)
		if d.newer && !server.MariaDB && !server.AtLeast(8, 1) {
			continue
		}
		n := w.actors[w.rng.IntN(3)]
		made := strings.Join(d.make, " ")
		if w.restores > 0 && strings.Contains(made, "STORED") { // a copy of the database cannot be written back with it
			continue
		}
		if slices.ContainsFunc([]string{" obs ", " device"}, func(table string) bool {
			return strings.Contains(made, table) && slices.ContainsFunc(n.differs, func(o difference) bool { return strings.Contains(strings.Join(o.make, " "), table) })
		}) {
			continue // the one is about what the other takes away
		}
		n.differs = append(n.differs, d)
		w.lacked[d.lacks] = true
		w.tell("%s differs: %q", n.Name, d.make)
		n.Exec(d.make...)
		n.Exec("SET foreign_key_checks = 1")
	}
	for _, n := range w.actors {
		n.Init()
		n.alone = n.Dump()
		n.Exec("SET sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO'")
		n.setClock()
	}
	hub, kisumu, migori := w.actors[0], w.actors[1], w.actors[2]
	w.connect(hub, kisumu)
	if chain {
		w.connect(kisumu, migori)
	} else {
		w.connect(hub, migori)
	}
	t.Logf("OMSYNC_SEED=%d (chain: %v, restores: %v, policies: %v)", seed, chain, w.restores > 0, len(policies) > 0)
	t.Cleanup(func() {
		if t.Failed() && os.Getenv("OMSYNC_STORY") == "" {
			t.Logf("to read what happened: OMSYNC_STORY=1 OMSYNC_SCHEDULES=1 OMSYNC_SEED=%d go test -run TestRandomDiffer ./apply", seed)
		}
	})
	for range 10 {
		hub.transaction(func() {
			for range 8 {
				hub.act()
			}
		})
	}
	return w
}

// crippled reports whether the application cannot work in a table while the schema differs.
func (n *actor) crippled(t *schema.Table) bool {
	return slices.ContainsFunc(n.differs, func(d difference) bool { return d.cripples == t.Name })
}

// mendSome brings a site's schema into line with the others', now and then.
func (w *chaos) mendSome() {
	for _, n := range w.actors {
		if len(n.differs) > 0 && w.chance(20) {
			n.mend()
		}
	}
}

func (n *actor) mend() {
	for _, d := range n.differs {
		n.w.tell("%s mends: %q", n.Name, d.mend)
		n.Exec(d.mend...)
	}
	n.differs, n.saved = nil, nil // what was saved has the other schema
	n.Follow()
	n.forget()
}

// mendAll mends all schemas and clocks, lets years pass, gives each row another value that stands in the way of one that waits, and lets all
// exchange, until nothing waits.
func (w *chaos) mendAll() {
	w.tell("--- all is mended")
	for _, n := range w.actors {
		n.mend()
		n.skew = 0
	}
	w.clock += (beyondHorizon - horizonOfDiffering + merge.Year/2).Microseconds()
	for range 10 {
		w.settle()
		if !w.giveWay() {
			break
		}
	}
	w.checkWaiting()
}

// giveWay gives rows other values that rows wait for which only one may have, and reports whether any did.
func (w *chaos) giveWay() bool {
	done := false
	for _, n := range w.actors {
		if err := n.Retry(); err != nil {
			w.t.Fatal(err)
		}
		n.forget()
		for _, q := range n.Query("SELECT t.name, w.content FROM omsync_waiting w JOIN omsync_table t ON t.id = w.table_id WHERE w.reason = 'unique'") {
			t := n.J.Catalogue.Table(q[0])
			var content struct {
				Values map[string]*string `json:"values"`
			}
			if err := json.Unmarshal([]byte(q[1]), &content); err != nil {
				w.t.Fatal(err)
			}
			for _, c := range t.Columns {
				v := content.Values[c.Name]
				if v == nil || !indexedUnique(c) || c.UUIDColumn {
					continue
				}
				n.transaction(func() {
					for _, r := range n.rows(t) {
						if strings.EqualFold(r.of(c), *v) {
							done = n.do("UPDATE "+schema.Quote(t.Name)+" SET "+schema.Quote(c.Name)+" = "+literalOf(c, w.token())+r.where(t), t) || done
						}
					}
				})
			}
		}
	}
	return done
}

// heldElsewhere reports whether another site has a value, in its tables or in its record of conflicts.
func (w *chaos) heldElsewhere(n *actor, c string) bool {
	for _, other := range w.actors {
		if other != n && w.holds(other)[c] {
			return true
		}
	}
	return false
}
