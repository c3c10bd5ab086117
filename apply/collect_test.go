package apply_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/internal/openmrs"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
)

// collecting is a hub that collects, and its clinics. All lived apart. Every file is encrypted to its receiver, and read by the test with the
// receiver's key.
type collecting struct {
	t       *testing.T
	things  things
	hub     *sites.Site
	clinics []*sites.Site
	ids     map[string]*keys.Identity
	whose   map[string]string // keys, names and values, in small letters: the site that alone may read of them, beside the hub, or everybody
	sent    map[string]int64  // bytes of files to and from each clinic that hold something, since it was last looked at
	headers map[string]int    // files that hold nothing but their headers, likewise
	had     map[string]int    // how much of that each clinic's own files held, and of what everybody may read
	made    int
}

// everybody may read of it.
const everybody = "everybody"

// identify gives a site keys.
func (n *collecting) identify(s *sites.Site) {
	id, err := keys.Create(n.t.TempDir(), s.Name, "")
	if err != nil {
		n.t.Fatal(err)
	}
	n.ids[s.Name] = id
	s.Options = func(o *apply.Options) { o.Decrypt = id.Decrypt }
}

// note takes down what a site's own rows are called that were not noted before, the hub's first. What the hub decides goes to all, and so do its
// staff; its patients' records do not.
func (n *collecting) note(s *sites.Site) {
	records := []string{"obs", "encounter", "visit", "orders", "patient_identifier", "person_attribute", "conditions", "allergy"}
	put := func(key, of string) {
		if n.whose[key] == "" {
			n.whose[key] = of
		}
	}
	for _, r := range s.Query("SELECT table_name FROM information_schema.columns WHERE table_schema = DATABASE() AND column_name = 'uuid'") {
		of := s.Name
		if s == n.hub && !slices.Contains(records, r[0]) {
			of = everybody
		}
		for _, u := range s.Query("SELECT LOWER(uuid) FROM `" + r[0] + "` WHERE uuid <> ''") {
			if n.things.of(u[0]) == u[0] { // otherwise the hub has it too
				put(u[0], of)
			}
		}
	}
	for _, r := range s.Query("SELECT LOWER(identifier) FROM patient_identifier WHERE LENGTH(identifier) > 5") {
		put(r[0], s.Name)
	}
}

// exchange lets the hub and its clinics exchange until nobody has anything to send, and looks into every file.
func (n *collecting) exchange() {
	n.t.Helper()
	for range 12 {
		quiet := true
		for _, c := range n.clinics {
			for _, l := range [][2]*sites.Site{{c, n.hub}, {n.hub, c}} {
				to := n.ids[l[1].Name].Card()
				for _, f := range l[0].Export(l[1], func(o *export.Options) { o.Encrypt = to.Encrypt }) {
					quiet = false
					if f.Made.Rows+f.Made.Deletions > 0 {
						n.sent[c.Name] += int64(len(f.Data))
					} else {
						n.headers[c.Name]++
					}
					n.look(c, f)
					if r := l[1].Import(f); r.Outcome != apply.Applied && r.Outcome != apply.Covered {
						n.t.Fatalf("%s at %s: %s: %s", f.Name, l[1].Name, r.Outcome, r.Why)
					}
				}
			}
		}
		if quiet {
			return
		}
	}
	n.t.Fatal("an exchange that does not end")
}

// look decrypts a file on a clinic's link: it holds nothing of another clinic, nor of the hub's patients.
func (n *collecting) look(clinic *sites.Site, f *sites.File) {
	n.t.Helper()
	for name, id := range n.ids {
		r, err := batch.Open(bytes.NewReader(f.Data), int64(len(f.Data)), func(*batch.Header, []byte, []byte) error { return nil }, id.Decrypt)
		if name != f.To.Name {
			if err == nil {
				n.t.Fatalf("%s reads %s", name, f.Name)
			}
			continue
		}
		if err != nil {
			n.t.Fatal(err)
		}
		defer r.Close()
		found := map[string]string{}
		for err == nil {
			var item any
			if item, err = r.Next(); err != nil {
				break
			}
			for _, v := range texts(item) {
				switch of := n.whose[strings.ToLower(string(v))]; of {
				case "":
				case clinic.Name, everybody:
					n.had[of]++
				default:
					found[string(v)] = of
				}
			}
		}
		if !errors.Is(err, io.EOF) {
			n.t.Fatal(err)
		}
		for v, of := range found {
			n.t.Errorf("%s holds %q of %s, and %d more such", f.Name, v, of, len(found)-1)
			break
		}
	}
}

// texts are all texts in an item of a batch.
func texts(item any) (out [][]byte) {
	var all []batch.Values
	switch x := item.(type) {
	case *batch.KeysItem:
		all = x.Parts
	case *batch.Rows:
		all = x.Columns
	case *batch.Records:
		for _, v := range x.Values {
			out = append(out, bytes.FieldsFunc(v, func(r rune) bool {
				return r != '-' && !('0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
			})...)
			out = append(out, v)
		}
	}
	for _, v := range all {
		out = append(out, v.Bytes...)
	}
	return out
}

// add makes a clinic that lived apart a peer of the hub, once a person decided what is one.
func (n *collecting) add(s *sites.Site) {
	n.identify(s)
	s.Init()
	n.hub.Connect(s)
	n.things.decide(n.t, n.hub, s)
	n.clinics = append(n.clinics, s)
	n.note(s)
}

// work is a day at every clinic and at the hub, the same each day.
func (n *collecting) work() {
	n.made++
	defer func() {
		for _, s := range append([]*sites.Site{n.hub}, n.clinics...) {
			n.note(s)
		}
	}()
	for _, s := range append([]*sites.Site{n.hub}, n.clinics...) {
		for i := range 3 {
			u := fmt.Sprintf("w%03d%d%.4s-0000-4000-8000-000000000000", n.made, i, s.Name+"____")
			s.Exec("INSERT INTO person (gender, birthdate, creator, date_created, uuid) SELECT 'F', '1990-01-31', MIN(user_id), '2024-05-06', '"+u+"' FROM users",
				"INSERT INTO patient (patient_id, creator, date_created) SELECT person_id, creator, date_created FROM person WHERE uuid = '"+u+"'",
				"INSERT INTO person_name (person_id, given_name, family_name, preferred, creator, date_created, uuid) SELECT person_id, '"+u+"-given', 'Otieno', 1, creator, date_created, '"+u+"n' FROM person WHERE uuid = '"+u+"'",
				"INSERT INTO obs (person_id, concept_id, obs_datetime, value_text, creator, date_created, uuid) SELECT person_id, (SELECT MIN(concept_id) FROM concept), date_created, '"+u+"-text', creator, date_created, '"+u+"o' FROM person WHERE uuid = '"+u+"'")
			for _, end := range []string{"", "n", "o", "-given", "-text"} {
				n.whose[u+end] = s.Name
			}
		}
		s.Exec("UPDATE obs SET comments = CONCAT('day ', obs_id) ORDER BY uuid LIMIT 5", "DELETE FROM person_attribute ORDER BY uuid LIMIT 1",
			"INSERT INTO location (name, creator, date_created, uuid) SELECT 'Tent', MIN(user_id), '2024-05-06', CONCAT('w', UUID()) FROM users")
	}
	n.hub.Exec(fmt.Sprintf("UPDATE encounter_type SET description = 'day %d'", n.made),
		"UPDATE obs SET value_text = 'the hub''s' ORDER BY uuid DESC LIMIT 20", // of clinics' patients too: it stays there
		fmt.Sprintf("UPDATE location SET description = 'day %d' WHERE uuid IN (SELECT uuid FROM (SELECT uuid FROM location ORDER BY location_id LIMIT 3) x)", n.made))
}

// took returns the bytes and the headers of a clinic since it was last asked.
func (n *collecting) took(s *sites.Site) (bytes int64, headers int) {
	bytes, headers = n.sent[s.Name], n.headers[s.Name]
	n.sent[s.Name], n.headers[s.Name] = 0, 0
	return bytes, headers
}

// A hub that collects from four clinics which lived apart, one after another: no clinic gets a file with anything of another one or of the
// hub's patients, what its files take is the same however many others there are, and after its computer is lost what it had comes back, and
// nothing else.
func TestClinicsThatLivedApartReportToAHub(t *testing.T) {
	names := []string{"hub", "kisumu", "migori", "nyando", "siaya"}
	if testing.Short() {
		t.Skip("loads five databases")
	}
	all, a := livedApart(t, 6, names...)
	n := &collecting{t: t, things: a, hub: all[0], ids: map[string]*keys.Identity{}, whose: map[string]string{}, sent: map[string]int64{}, headers: map[string]int{}, had: map[string]int{}}
	n.identify(n.hub)
	n.hub.Init()
	if err := journal.SaveRulesForAll(t.Context(), n.hub.J.DB, nil, access.Collect); err != nil {
		t.Fatal(err)
	}
	n.note(n.hub)
	var loads, days []int64 // bytes of each clinic's first exchange; of a day of the first clinic, alone and with one more each time
	var headers []int       // of those days
	for _, s := range all[1:] {
		n.add(s)
		n.exchange()
		load, _ := n.took(s)
		if s == all[1] { // its first day is another: with it come values that both sites had
			n.work()
			n.exchange()
		}
		n.took(all[1])
		n.work()
		n.exchange()
		day, empty := n.took(all[1])
		loads, days, headers = append(loads, load), append(days, day), append(headers, empty)
	}
	t.Logf("bytes of each clinic's first exchange: %d; of a day of the first clinic, with one to four clinics: %d, and headers: %d", loads, days, headers)
	for _, of := range [][]int64{loads, days} {
		if low, high := slices.Min(of), slices.Max(of); high > low+low/20 {
			t.Errorf("bytes go from %d to %d with the number of clinics", low, high)
		}
	}
	if slices.Max(headers[1:]) > headers[0]+1 { // of what others sent meanwhile the clinic hears that there is nothing for it
		t.Errorf("headers a day with one to four clinics: %d", headers)
	}
	for _, s := range n.clinics {
		if n.had[s.Name] < 100 || n.had[everybody] < 2000 {
			t.Errorf("the files of %s hold %d things of its own, and all together %d of everybody's: what is looked for is wrong", s.Name, n.had[s.Name], n.had[everybody])
		}
		for _, other := range []*sites.Site{n.hub, s} {
			if got := other.Query("SELECT CONVERT(reason USING utf8mb4), CONVERT(text USING utf8mb4), COUNT(*) FROM omsync_waiting GROUP BY 1, 2 LIMIT 10"); len(got) > 0 {
				t.Fatalf("at %s wait %v", other.Name, got)
			}
		}
	}

	lost := n.clinics[1]
	before := a.named(lost.Dump())
	n.hub.Disconnect(lost)
	s := sites.New(t, lost.Name, "openmrs", openmrs.Schema("2.6")...)
	s.Waits, s.Listens = true, true
	n.identify(s)
	s.Init()
	n.hub.Connect(s)
	n.clinics[1] = s
	n.exchange()
	clinical, atHub := map[string]int{}, n.hub.Dump()
	after := s.Dump()
	for table := range before {
		cat := s.J.Catalogue.Table(table)
		if way := access.Collect.Direction(cat.Direction, cat.Owned); way == access.Down || way == access.None {
			delete(before, table) // the hub's; the clinic's own of it went nowhere
			if way == access.Down {
				sites.Differ(t, s.Name, sites.Dumped{table: after[table]}, n.hub.Name, sites.Dumped{table: atHub[table]})
			}
			delete(after, table)
			continue
		}
		clinical[table] = len(after[table])
	}
	sites.Differ(t, "the lost clinic", before, "the new one", after)
	for _, table := range []string{"patient", "obs", "encounter", "patient_identifier", "users", "location"} {
		if clinical[table] == 0 || table == "obs" && clinical[table] >= len(atHub[table]) {
			t.Errorf("%d rows of %s came back, of %d at the hub", clinical[table], table, len(atHub[table]))
		}
	}
	n.work()
	n.exchange()
}
