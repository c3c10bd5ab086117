package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// story is the demo from beginning to end.
func (d *stage) story() error {
	chapters := []func() error{d.places, d.nodes, d.firstLoad, d.work, d.sameValue, d.deletions, d.waits, d.lost, d.hostile, d.quiet, d.verdict}
	for _, chapter := range append(chapters, d.actTwo()...) {
		if err := chapter(); err != nil {
			return err
		}
		if err := d.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

func (d *stage) places() error {
	d.title("Three places without a network")
	d.say(`A hub and two clinics, each with a MariaDB server of its own and the tables of OpenMRS 2.6. The hub has the
		dictionary and %d patients; the clinics have nothing yet, and count their rows from other numbers.`, d.patients)
	if err := d.open(opening{&d.hub, "hub", 0}, opening{&d.kisumu, "kisumu", d.step()}, opening{&d.migori, "migori", 2 * d.step()}); err != nil {
		return err
	}
	if err := d.register(d.hub, 1, "hub", d.patients, true); err != nil {
		return err
	}
	return os.Mkdir(filepath.Join(d.dir, "stick"), 0o700)
}

func (d *stage) nodes() error {
	d.title("Each place becomes a node")
	d.say(`init makes keys, a few tables named omsync_*, and the triggers that note what the application changes.`)
	for _, s := range d.sites() {
		if err := d.omsync(s, "init", "--node", s.name, "--dsn", s.dsn); err != nil {
			return err
		}
	}
	d.say(`They learn to know each other by cards. People compare the fingerprints by telephone; this demo says --yes.`)
	for _, s := range d.sites() {
		if err := d.card(s); err != nil {
			return err
		}
	}
	for _, s := range []*site{d.kisumu, d.migori} {
		if err := d.omsync(d.hub, "peer", "add", s.name+".card", "--as", "child", "--yes"); err != nil {
			return err
		}
		if err := d.omsync(s, "peer", "add", "hub.card", "--as", "parent", "--yes"); err != nil {
			return err
		}
	}
	return nil
}

func (d *stage) firstLoad() error {
	d.title("The first batch is a full load")
	d.say(`The folder stick stands for a USB stick. Each file on it is compressed, encrypted to one node and signed.`)
	if err := d.omsync(d.hub, "export", "--to", "stick"); err != nil {
		return err
	}
	for _, s := range []*site{d.kisumu, d.migori} {
		if err := d.omsync(s, "import", "--from", "stick"); err != nil {
			return err
		}
	}
	d.say(`The way back carries the acknowledgements: from now on the hub sends only what is new.`)
	return d.up(done)
}

// up brings what the clinics have to the hub, whose import should end with one of the codes given.
func (d *stage) up(codes []int) error {
	for _, s := range []*site{d.kisumu, d.migori} {
		if err := d.omsync(s, "export", "--to", "stick"); err != nil {
			return err
		}
	}
	if err := d.omsyncEnds(codes, d.hub, "import", "--from", "stick"); err != nil {
		return err
	}
	return d.wipe()
}

// down brings what the hub has to the clinics. Their imports should end with one of the codes given.
func (d *stage) down(codes []int) error {
	if err := d.omsync(d.hub, "export", "--to", "stick"); err != nil {
		return err
	}
	for _, s := range []*site{d.kisumu, d.migori} {
		if err := d.omsyncEnds(codes, s, "import", "--from", "stick"); err != nil {
			return err
		}
	}
	return d.wipe()
}

func (d *stage) work() error {
	d.title("All three work")
	d.say(`New patients at all three places, entered by OpenMRS as ever: it knows nothing of omsync.`)
	for i, s := range d.sites() {
		clinic := s.name
		if s == d.hub {
			clinic = "annexe"
		}
		if err := d.register(s, int64(2+i), clinic, 10+d.patients/10, false); err != nil {
			return err
		}
	}
	d.say(`The same numbers now mean different people, and every visit, observation and order refers to its patient by
		such a number:`)
	number := d.patients
	if err := d.ask(fmt.Sprintf("who is person_id %d?", number), fmt.Sprintf(person, "person_id", number), ""); err != nil {
		return err
	}
	d.say(`A round trip of the stick: the clinics' news to the hub, and the hub's to the clinics. What kisumu recorded
		reaches migori through the hub.`)
	if err := d.up(done); err != nil {
		return err
	}
	if err := d.down(done); err != nil {
		return err
	}
	d.say(`Every patient is at all three places now, under another number at each:`)
	for _, clinic := range []string{"annexe", "kisumu", "migori"} {
		if err := d.ask("where is patient "+clinic+"-000001?", fmt.Sprintf(person, "person_id", patient(clinic+"-000001")), ""); err != nil {
			return err
		}
	}
	return nil
}

// step is how far the sites' integers begin from each other.
func (d *stage) step() int64 { return int64(d.patients) / 5 }

// person is a query for what a person is known by.
const person = `SELECT CONCAT('person_id ', p.person_id, ': ', n.given_name, ' ', n.family_name, ', uuid ', LEFT(p.uuid, 8), '…')
	FROM person p JOIN person_name n USING (person_id) WHERE p.%s = %v ORDER BY n.uuid LIMIT 1`

// patient is a query for the number of the patient with an identifier.
func patient(identifier string) string {
	return "(SELECT patient_id FROM patient_identifier WHERE identifier = '" + identifier + "')"
}

func (d *stage) sameValue() error {
	d.title("The same patient, changed at all three places")
	d.say(`The hub corrects the sex; kisumu and migori both correct the name, without knowing of each other. Different
		values are no conflict. Of the two names the later stays; the other is kept in the conflict table, and the exit code
		tells that something was.`)
	const who = "hub-000003"
	for _, e := range []struct {
		site      *site
		statement string
	}{
		{d.hub, "UPDATE person SET gender = 'X' WHERE person_id = " + patient(who)},
		{d.kisumu, "UPDATE person_name SET family_name = 'Achieng' WHERE person_id = " + patient(who)},
		{d.migori, "UPDATE person_name SET family_name = 'Akinyi' WHERE person_id = " + patient(who)},
	} {
		if err := d.edit(e.site, e.statement); err != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := d.up(conflict); err != nil {
		return err
	}
	if err := d.down(mayRecord); err != nil {
		return err
	}
	const what = "name and sex of patient " + who
	query := "SELECT CONCAT(n.family_name, ', ', p.gender) FROM person p JOIN person_name n USING (person_id) WHERE person_id = " + patient(who) + " LIMIT 1"
	if err := d.ask(what, query, "Akinyi, X"); err != nil {
		return err
	}
	d.say(`Kisumu's name was right after all. Somebody who knows says so, at any of the three places:`)
	for _, args := range [][]string{{"list"}, {"show", "1"}, {"resolve", "1", "--take", "lost"}} {
		if err := d.omsync(d.hub, append([]string{"conflicts"}, args...)...); err != nil {
			return err
		}
	}
	if err := d.down(mayRecord); err != nil {
		return err
	}
	return d.ask(what, query, "Achieng, X")
}

func (d *stage) deletions() error {
	d.title("Deletions")
	d.say(`Migori deletes what is noted about a person: that goes everywhere. The hub deletes a visit to which kisumu adds an encounter at the
		same time: nobody's work may be lost, so the visit comes back, under the encounter.`)
	const (
		visit = `INSERT INTO visit (patient_id, visit_type_id, date_started, creator, date_created, uuid)
			SELECT patient_id, visit_type_id, NOW(), creator, NOW(), 'demo-visit' FROM visit LIMIT 1`
		encounter = `INSERT INTO encounter (patient_id, visit_id, encounter_type, encounter_datetime, creator, date_created, uuid)
			SELECT patient_id, visit_id, encounter_type_id, NOW(), v.creator, NOW(), 'demo-encounter'
			FROM visit v, encounter_type WHERE v.uuid = 'demo-visit' LIMIT 1`
	)
	who := patient("hub-000006")
	if err := d.edit(d.hub, visit); err != nil {
		return err
	}
	if err := d.down(done); err != nil {
		return err
	}
	for _, e := range []struct {
		site      *site
		statement string
	}{
		{d.migori, "DELETE FROM person_attribute WHERE person_id = " + who},
		{d.hub, "DELETE FROM visit WHERE uuid = 'demo-visit'"},
		{d.kisumu, encounter},
	} {
		if err := d.edit(e.site, e.statement); err != nil {
			return err
		}
	}
	if err := d.down(mayRecord); err != nil {
		return err
	}
	if err := d.up(conflict); err != nil {
		return err
	}
	if err := d.down(mayRecord); err != nil {
		return err
	}
	return d.ask("the visit's encounters, and what is left of the attributes", `SELECT CONCAT((SELECT COUNT(*) FROM visit v JOIN encounter e USING (visit_id) WHERE v.uuid = 'demo-visit'),
		' and ', (SELECT COUNT(*) FROM person_attribute WHERE person_id = `+who+`))`, "1 and 0")
}

func (d *stage) lost() error {
	d.title("A stick is lost")
	d.say(`Kisumu's batch never arrives. Nobody has to notice: what was not acknowledged is in the next batch again.`)
	const set = "UPDATE patient SET allergy_status = '%s' WHERE patient_id = " + "%s"
	if err := d.edit(d.kisumu, fmt.Sprintf(set, "See list", patient("hub-000006"))); err != nil {
		return err
	}
	if err := d.omsync(d.kisumu, "export", "--to", "stick"); err != nil {
		return err
	}
	if err := d.wipe(); err != nil {
		return err
	}
	if err := d.edit(d.kisumu, fmt.Sprintf(set, "No known allergies", patient("hub-000007"))); err != nil {
		return err
	}
	if err := d.omsync(d.kisumu, "export", "--to", "stick"); err != nil {
		return err
	}
	return d.omsync(d.hub, "import", "--from", "stick")
}

func (d *stage) hostile() error {
	d.title("The same file again, a damaged one, one for somebody else")
	file, err := d.from(d.kisumu)
	if err != nil {
		return err
	}
	d.say(`A batch counts once, however often it is imported; one that was changed by a single bit, or that another node
		should get, changes nothing.`)
	if err := d.omsync(d.hub, "import", file); err != nil {
		return err
	}
	damaged := "damaged.omsync"
	if err := flip(filepath.Join(d.dir, file), filepath.Join(d.dir, damaged)); err != nil {
		return err
	}
	if err := d.omsyncEnds(untrusted, d.hub, "import", damaged); err != nil {
		return err
	}
	if err := d.omsyncEnds(untrusted, d.migori, "import", file); err != nil {
		return err
	}
	return d.wipe()
}

// flip copies a file with one bit changed, far behind its header.
func flip(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	b[len(b)-200] ^= 1
	return os.WriteFile(to, b, 0o600)
}

func (d *stage) quiet() error {
	d.title("Until there is nothing left to say")
	d.say(`What is left goes round, and then its acknowledgements. After that nobody has anything to send: nothing goes
		in circles.`)
	for range 4 {
		quiet := true
		for _, step := range []struct{ from, to []*site }{
			{[]*site{d.hub}, []*site{d.kisumu, d.migori}},
			{[]*site{d.kisumu, d.migori}, []*site{d.hub}},
		} {
			for _, s := range step.from {
				if err := d.omsync(s, "export", "--to", "stick"); err != nil {
					return err
				}
			}
			files, err := d.stick()
			if err != nil {
				return err
			}
			if len(files) == 0 {
				continue
			}
			quiet = false
			for _, s := range step.to {
				if err := d.omsyncEnds(mayRecord, s, "import", "--from", "stick"); err != nil {
					return err
				}
			}
			if err := d.wipe(); err != nil {
				return err
			}
		}
		if quiet {
			return d.omsync(d.hub, "status")
		}
	}
	return errors.New("after four rounds there is still something to send")
}

func (d *stage) verdict() error {
	d.title("Are the three databases equal?")
	d.say(`A comparison that uses nothing of omsync: every row of every table that is exchanged, by its uuid, every column,
		with each reference replaced by the uuid of the row it points to.`)
	fmt.Fprintln(d.out)
	if err := compare(d.ctx, d.out, d.sites()); err != nil {
		return err
	}
	d.say(`Left out, because they stay where they are by design: the queues, alerts and settings of one server, the
		passwords of users, and the rights and preferences that a clinic gave to its own staff.`)
	d.say("The three databases are equal. (%.0f seconds.)", time.Since(d.began).Seconds())
	return nil
}
