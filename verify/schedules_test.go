package verify_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/internal/sites"
)

// small is a model with a table of each direction, rows that have another's key, and a table without integers.
var small = []string{
	"CREATE TABLE kind (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name VARCHAR(50)) ENGINE=InnoDB",
	"CREATE TABLE staff (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name VARCHAR(50)) ENGINE=InnoDB",
	"CREATE TABLE person (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name VARCHAR(50)) ENGINE=InnoDB",
	"CREATE TABLE patient (id INT PRIMARY KEY, note VARCHAR(50), FOREIGN KEY (id) REFERENCES person (id)) ENGINE=InnoDB",
	"CREATE TABLE visit (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, person_id INT NOT NULL, kind_id INT, staff_id INT, note VARCHAR(50), other TEXT, " +
		"FOREIGN KEY (person_id) REFERENCES person (id), FOREIGN KEY (kind_id) REFERENCES kind (id), FOREIGN KEY (staff_id) REFERENCES staff (id)) ENGINE=InnoDB",
	"CREATE TABLE tag (visit_id INT NOT NULL, label VARCHAR(20) NOT NULL, note VARCHAR(50), PRIMARY KEY (visit_id, label), FOREIGN KEY (visit_id) REFERENCES visit (id)) ENGINE=InnoDB",
	"CREATE TABLE report (id INT AUTO_INCREMENT PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, name VARCHAR(50)) ENGINE=InnoDB",
}

// texts are the columns that schedules write.
var texts = [][2]string{{"kind", "name"}, {"staff", "name"}, {"person", "name"}, {"patient", "note"}, {"visit", "note"}, {"visit", "other"}, {"tag", "note"}, {"report", "name"}}

const smallProfile = "[direction]\nboth = [\"person\", \"patient\", \"visit\", \"tag\"]\ndown = [\"kind\"]\nadd = [\"staff\"]\nup = [\"report\"]\n"

// drifted is one schedule under way.
type drifted struct {
	t       *testing.T
	r       *rand.Rand
	hub     *sites.Site
	clinics []*sites.Site
	run, n  int
	said    []string // what was done, for whoever reads why it failed
}

func (d *drifted) all() []*sites.Site { return append([]*sites.Site{d.hub}, d.clinics...) }

func (d *drifted) say(format string, args ...any) {
	d.said = append(d.said, fmt.Sprintf(format, args...))
}

// text is a value that nothing else has.
func (d *drifted) text(s *sites.Site) string {
	d.n++
	return fmt.Sprintf("%s-%d-%d", s.Name, d.run, d.n)
}

// row chooses a row, as its integer; "NULL" if there is none.
func (d *drifted) row(s *sites.Site, table, where string) string {
	found := s.Query("SELECT id FROM " + table + " x WHERE " + where + " ORDER BY uuid")
	if len(found) == 0 {
		return "NULL"
	}
	return found[d.r.IntN(len(found))][0]
}

// change is what an application, or somebody behind omsync's back, does at a site.
func (d *drifted) change(s *sites.Site, behind bool) {
	text := d.text(s)
	var do []string
	add := func(format string, args ...any) { do = append(do, fmt.Sprintf(format, args...)) }
	visit, person := d.row(s, "visit", "TRUE"), d.row(s, "person", "TRUE")
	kind := d.row(s, "kind", "uuid LIKE 'hub%'") // of another nothing that refers to it can go up
	free := d.row(s, "person", "NOT EXISTS (SELECT 1 FROM visit v WHERE v.person_id = x.id)")
	atHub := s == d.hub
	what := d.r.IntN(24)
	switch what {
	case 0, 1:
		add("UPDATE visit SET note = '%s' WHERE id = %s", text, visit)
	case 2:
		add("UPDATE visit SET other = '%s', kind_id = %s WHERE id = %s", text, kind, visit)
	case 3:
		add("DELETE FROM tag WHERE visit_id = %s", visit)
		add("DELETE FROM visit WHERE id = %s", visit)
	case 4, 5:
		add("INSERT INTO visit (uuid, person_id, kind_id, staff_id, note) SELECT '%s', id, %s, %s, '%[1]s' FROM person WHERE id = %[4]s", text, kind, d.row(s, "staff", "TRUE"), person)
	case 6:
		add("UPDATE person SET name = '%s' WHERE id = %s", text, person)
	case 7:
		add("INSERT INTO person (uuid, name) VALUES ('%s', '%[1]s')", text)
		add("INSERT INTO patient SELECT id, '%s-p' FROM person WHERE uuid = '%[1]s'", text)
	case 8:
		add("DELETE FROM patient WHERE id = %s", free)
		add("DELETE FROM person WHERE id = %s", free)
	case 9:
		add("UPDATE patient SET note = '%s' WHERE id = %s", text, person)
	case 10:
		add("UPDATE kind SET name = '%s' WHERE id = %s", text, d.row(s, "kind", "TRUE"))
	case 11:
		add("INSERT INTO kind (uuid, name) VALUES ('%s', '%[1]s')", text)
	case 12, 15:
		if behind && atHub { // what it has lost, and a clinic's row refers to, nobody can bring back
			break
		}
		if what == 15 {
			add("DELETE FROM staff WHERE id = %s", d.row(s, "staff", "NOT EXISTS (SELECT 1 FROM visit v WHERE v.staff_id = x.id)"))
			break
		}
		add("DELETE FROM kind WHERE id = %s", d.row(s, "kind", "NOT EXISTS (SELECT 1 FROM visit v WHERE v.kind_id = x.id)"))
	case 13:
		add("UPDATE staff SET name = '%s' WHERE id = %s", text, d.row(s, "staff", "TRUE"))
	case 14:
		add("INSERT INTO staff (uuid, name) VALUES ('%s', '%[1]s')", text)
	case 16:
		add("INSERT IGNORE INTO tag SELECT id, '%d', '%s' FROM visit WHERE id = %s", d.r.IntN(3), text, visit)
	case 17:
		add("UPDATE tag SET note = '%s' WHERE visit_id = %s", text, visit)
	case 18:
		add("DELETE FROM tag WHERE visit_id = %s LIMIT 1", visit)
	case 19:
		if behind {
			add("TRUNCATE TABLE tag")
		}
	case 20:
		if behind { // restored from a backup: what refers to rows that are gone meanwhile goes with them
			add("DELETE FROM tag")
			add("DELETE FROM visit")
			add("INSERT INTO visit SELECT s.id, s.uuid, s.person_id, k.id, f.id, s.note, s.other FROM saved_visit s JOIN person p ON p.id = s.person_id LEFT JOIN kind k ON k.id = s.kind_id LEFT JOIN staff f ON f.id = s.staff_id")
			add("INSERT INTO tag SELECT s.* FROM saved_tag s JOIN visit v ON v.id = s.visit_id")
		}
	case 21:
		if behind { // another number for the same row
			add("UPDATE IGNORE visit SET id = id + 1000 WHERE id = %s AND NOT EXISTS (SELECT 1 FROM tag g WHERE g.visit_id = visit.id)", visit)
		}
	default: // what goes up only is the clinic's to add
		switch {
		case d.r.IntN(3) == 0:
			add("UPDATE report SET name = '%s' WHERE id = %s", text, d.row(s, "report", "TRUE"))
		case !atHub && d.r.IntN(2) == 0:
			add("INSERT INTO report (uuid, name) VALUES ('%s', '%[1]s')", text)
		case behind || !atHub:
			add("DELETE FROM report WHERE id = %s", d.row(s, "report", "TRUE"))
		}
	}
	d.say("at %s, behind %v: %s", s.Name, behind, strings.Join(do, "; "))
	if behind {
		s.Exec("SET @omsync_quiet = 1, foreign_key_checks = 0")
		s.Exec(do...)
		s.Exec("SET @omsync_quiet = NULL, foreign_key_checks = 1")
		return
	}
	s.Exec(do...)
}

// save makes the backup that is restored later.
func save(s *sites.Site) {
	s.Exec("DELETE FROM saved_tag", "DELETE FROM saved_visit", "INSERT INTO saved_visit SELECT * FROM visit", "INSERT INTO saved_tag SELECT * FROM tag")
}

// repairs has a site compare itself with another, and do its part.
func (d *drifted) repairs(at, from *sites.Site, keep bool) {
	f := from.Digest(at, export.DigestOptions{Finds: 1000})
	if d.r.IntN(4) == 0 {
		d.change(at, d.r.IntN(2) == 0)
	}
	c, err := at.CompareErr(f)
	if err != nil {
		d.t.Fatalf("at %s: %v", at.Name, err)
	}
	d.say("%s repairs what differs from %s, keep %v: %v", at.Name, from.Name, keep, differences(c))
	mendWith(d.t, at, from, c, keep)
}

// TestSchedules changes rows at random at a hub and its clinics, some behind omsync's back, while they exchange files and repair what
// differs; in the end each link is repaired from both ends. Then all hold the same, by comparing all values, and
// nothing of what stood there before is lost without a record, at another clinic of the hub's neither. Of each forty the last twenty have two clinics. OMSYNC_SCHEDULES says how many there are, and OMSYNC_SEED which is the first.
func TestSchedules(t *testing.T) {
	runs, first := 4, 0
	if n, err := strconv.Atoi(os.Getenv("OMSYNC_SCHEDULES")); err == nil {
		runs = n
	}
	if n, err := strconv.Atoi(os.Getenv("OMSYNC_SEED")); err == nil {
		first = n
	}
	for done := 0; done < runs; {
		t.Run(fmt.Sprint(first+done), func(t *testing.T) {
			d := &drifted{t: t}
			d.hub = smallSite(t, "hub", 1)
			for i := range 1 + (first+done)/20%2 {
				c := smallSite(t, fmt.Sprintf("clinic%d", i), int64(i+1)*100_000)
				d.hub.Connect(c)
				d.clinics = append(d.clinics, c)
			}
			for range 20 { // these go on in one network
				if done == runs {
					return
				}
				d.run, d.r, d.said = first+done, rand.New(rand.NewPCG(uint64(first+done), 15)), nil
				d.schedule()
				if t.Failed() {
					d.showVersions()
					t.Fatalf("schedule %d:\n%s", d.run, strings.Join(d.said, "\n"))
				}
				done++
			}
		})
		if t.Failed() {
			return
		}
	}
	t.Logf("%d schedules", runs)
}

// showVersions logs what each site knows its rows by that are not alike everywhere.
func (d *drifted) showVersions() {
	for _, c := range d.clinics {
		for row := range sites.Apart(d.hub, c) {
			table, key, _ := strings.Cut(row, " ")
			for _, s := range []*sites.Site{d.hub, c} {
				if table == "patient" || table == "tag" {
					continue
				}
				for _, v := range s.Query(fmt.Sprintf("SELECT v.local_id, v.column_mask, v.time, v.author, v.epoch, v.origin, t.* FROM %s t LEFT JOIN omsync_table m ON m.name = '%[1]s' LEFT JOIN omsync_version v ON v.local_id = t.id AND v.table_id = m.id WHERE t.uuid = '%s'", table, key)) {
					d.t.Logf("%s at %s: %v", row, s.Name, v)
				}
				for _, v := range s.Query("SELECT t.name, x.* FROM omsync_tombstone x JOIN omsync_table t ON t.id = x.table_id WHERE row_key = '" + key + "'") {
					d.t.Logf("%s at %s: deleted %v", row, s.Name, v)
				}
			}
		}
	}
}

func smallSite(t *testing.T, name string, offset int64) *sites.Site {
	s := sites.New(t, name, smallProfile, small...)
	s.Waits = true
	s.SetOffset(offset)
	s.Init()
	s.Exec("CREATE TABLE saved_visit AS SELECT * FROM visit", "CREATE TABLE saved_tag AS SELECT * FROM tag")
	return s
}

func (d *drifted) schedule() {
	t, r := d.t, d.r
	for range 3 + r.IntN(8) { // something to change
		d.change(d.all()[r.IntN(len(d.all()))], false)
	}
	for range 5 + r.IntN(20) {
		s := d.all()[r.IntN(len(d.all()))]
		c := d.clinics[r.IntN(len(d.clinics))]
		from, to := d.hub, c
		if r.IntN(2) == 0 {
			from, to = c, d.hub
		}
		switch r.IntN(10) {
		case 0, 1, 2, 3:
			d.change(s, true)
		case 4, 5, 6:
			d.change(s, false)
		case 7, 8:
			d.say("%s sends to %s", from.Name, to.Name)
			from.Send(to)
		case 9:
			if r.IntN(2) == 0 {
				save(s)
			} else if from.Peer(to).Link.Acked.Epoch != 0 && to.Peer(from).Link.Acked.Epoch != 0 {
				d.repairs(to, from, r.IntN(2) == 0)
			}
		}
	}
	sites.Exchange(d.all()...)
	keep := r.IntN(2) == 0
	var before []map[string]string
	waits := map[string]bool{} // rows of which an edit waits for a row that is lost where it waits: once that is mended it goes on, and replaces what it was made on
	for _, s := range d.all() {
		before = append(before, standing(s))
		for _, row := range s.Query("SELECT row_key FROM omsync_waiting") {
			key, _, _ := strings.Cut(row[0], "\x1f")
			waits[key] = true
		}
	}
	for _, c := range d.clinics {
		ends := [2]*sites.Site{d.hub, c}
		if r.IntN(2) == 0 {
			ends = [2]*sites.Site{c, d.hub}
		}
		for i, at := range ends {
			cmp := at.Compare(ends[1-i].Digest(at, export.DigestOptions{Finds: 1000}))
			d.say("%s repairs at last what differs from %s, keep %v: %v", at.Name, ends[1-i].Name, keep, differences(cmp))
			mendWith(t, at, ends[1-i], cmp, keep)
			if i == 0 && r.IntN(2) == 0 {
				d.say("and sends")
				at.Send(ends[1])
			}
		}
		sites.Exchange(d.all()...)
	}
	for _, c := range d.clinics {
		clean(t, d.hub, c, "report")
		const reports = "SELECT uuid, name FROM report WHERE uuid LIKE ? ORDER BY uuid" // a clinic has its own alone
		if here, there := d.hub.Query(reports, c.Name+"-%"), c.Query(reports, "%"); fmt.Sprint(here) != fmt.Sprint(there) {
			t.Errorf("reports at hub: %v, at %s: %v", here, c.Name, there)
		}
	}
	for i, s := range d.all() {
		after := standing(s)
		for value, key := range before[i] {
			if _, stands := after[value]; !stands && !(waits[key] && len(d.clinics) > 1) && s.One("SELECT (SELECT COUNT(*) FROM omsync_conflict WHERE value = '"+value+"') + (SELECT COUNT(*) FROM omsync_deleted WHERE LOCATE('"+value+"', content) > 0)") == "0" {
				t.Errorf("%s at %s is gone without a record", value, s.Name)
			}
		}
	}
}

// standing are the values that a site has, with the uuid of the row or of that which it belongs to.
func standing(s *sites.Site) map[string]string {
	out := map[string]string{}
	of := map[string]string{"patient": "(SELECT uuid FROM person p WHERE p.id = x.id)", "tag": "(SELECT uuid FROM visit v WHERE v.id = x.visit_id)"}
	for _, c := range texts {
		for _, r := range s.Query("SELECT " + c[1] + ", " + cmp.Or(of[c[0]], "uuid") + " FROM " + c[0] + " x WHERE " + c[1] + " IS NOT NULL") {
			out[r[0]] = r[1]
		}
	}
	return out
}
