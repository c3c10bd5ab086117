package main

import (
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/openmrs"
	"github.com/omsync/omsync/node/config"
)

// smallSites are a hub and a clinic with the same rows, whose commands go over counters to their databases if they are to be counted.
type smallSites struct {
	testing.TB
	program   string
	dir       string
	db        map[string]*sql.DB
	dsn       map[string]string
	counter   map[string]*dbtest.Counter
	counted   map[string]string // the DSN by way of it
	random    *rand.Rand
	files     int
	questions [][]int64 // what obs answer: concept, a coded answer, the largest number
}

// newSmallSites makes them, and exchanges all that the hub has.
func newSmallSites(t testing.TB, server *dbtest.ServerInfo, program string, patients int) *smallSites {
	t.Helper()
	s := &smallSites{TB: t, program: program, dir: t.TempDir(), db: map[string]*sql.DB{}, dsn: map[string]string{}, counter: map[string]*dbtest.Counter{},
		counted: map[string]string{}, random: rand.New(rand.NewPCG(1, 2))}
	for _, site := range []string{"hub", "kisumu"} {
		var name string
		name, s.dsn[site] = server.Database(t, openmrs.Schema("2.6")...)
		s.db[site] = server.Open(t, name)
		s.counter[site], s.counted[site] = dbtest.Count(t, s.dsn[site])
	}
	o := openmrs.Options{Seed: 1, Site: "hub", Patients: patients, Obs: 30 * patients, Metadata: true}
	if _, err := openmrs.Load(t.Context(), s.db["hub"], o); err != nil {
		t.Fatal(err)
	}
	if err := openmrs.SetAutoIncrement(t.Context(), s.db["kisumu"], 1_000_000); err != nil {
		t.Fatal(err)
	}
	for _, site := range []string{"hub", "kisumu"} {
		s.omsync(site, "init", "--node", site, "--dsn", s.dsn[site])
		card := s.omsync(site, "card")
		if err := os.WriteFile(filepath.Join(s.dir, site+".card"), []byte(card), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.omsync("kisumu", "peer", "add", filepath.Join(s.dir, "hub.card"), "--as", "parent", "--yes")
	s.omsync("hub", "peer", "add", filepath.Join(s.dir, "kisumu.card"), "--as", "child", "--yes")
	s.carry("hub", "kisumu")
	s.settle()
	return s
}

// omsync runs a command that must do well.
func (s *smallSites) omsync(site string, args ...string) string {
	s.Helper()
	cmd := exec.Command(s.program, append([]string{"--home", filepath.Join(s.dir, site)}, args...)...)
	cmd.Env = append(os.Environ(), "OMSYNC_HOME=")
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		s.Fatalf("omsync %s at %s: %v\n%s%s", strings.Join(args, " "), site, err, out, &errs)
	}
	return string(out)
}

// count has a site's commands go by way of its counter, or not.
func (s *smallSites) count(site string, counted bool) {
	s.Helper()
	path := filepath.Join(s.dir, site, config.Name)
	text, err := os.ReadFile(path)
	if err != nil {
		s.Fatal(err)
	}
	from, to := s.dsn[site], s.counted[site]
	if !counted {
		from, to = to, from
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), from, to, 1)), 0o600); err != nil {
		s.Fatal(err)
	}
	s.counter[site].Take()
}

// stick is a folder of its own for each file.
func (s *smallSites) stick() string {
	s.files++
	dir := filepath.Join(s.dir, fmt.Sprint("stick", s.files))
	if err := os.Mkdir(dir, 0o700); err != nil {
		s.Fatal(err)
	}
	return dir
}

// carry brings what one site has to the other.
func (s *smallSites) carry(from, to string) {
	s.Helper()
	dir := s.stick()
	s.omsync(from, "export", "--to", dir)
	s.omsync(to, "import", "--from", dir)
}

// settle exchanges until each site knows that the other has what it sent.
func (s *smallSites) settle() {
	s.Helper()
	s.carry("kisumu", "hub")
	s.carry("hub", "kisumu")
}

// cost is what one export, or import, took. read is how many rows the server read for it and whatever else it did meanwhile, those of the
// catalogue too.
type cost struct {
	took       time.Duration
	statements []string
	read       int64
}

// measure runs a command, whose statements are counted if the site's are.
func (s *smallSites) measure(site string, args ...string) cost {
	s.Helper()
	s.counter[site].Take()
	read := s.rowsRead(site)
	start := time.Now()
	s.omsync(site, args...)
	return cost{time.Since(start), s.counter[site].Take(), s.rowsRead(site) - read}
}

// rowsRead is how many rows a site's server has read.
func (s *smallSites) rowsRead(site string) (sum int64) {
	s.Helper()
	rows, err := s.db[site].Query("SHOW GLOBAL STATUS LIKE 'Handler\\_read\\_%'")
	if err != nil {
		s.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var n int64
		if err := rows.Scan(&name, &n); err != nil {
			s.Fatal(err)
		}
		sum += n
	}
	if err := rows.Err(); err != nil {
		s.Fatal(err)
	}
	return sum
}

// bytes returns how long the one file in a folder is without its header, which says who sends what to whom, without the signature, and
// without what age adds to its contents: what remains grows with what is said.
func (s *smallSites) bytes(dir string) int {
	s.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.omsync"))
	if err != nil || len(files) != 1 {
		s.Fatalf("%d files, %v", len(files), err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		s.Fatal(err)
	}
	const signature, nonce, chunk, tag = 64, 16, 64 << 10, 16
	b = b[5+binary.BigEndian.Uint32(b[1:]) : len(b)-signature]
	mac := strings.Index(string(b), "\n---")
	end := strings.IndexByte(string(b[mac+1:]), '\n')
	if mac < 0 || end < 0 {
		s.Fatal("the ciphertext has no age header")
	}
	n := len(b) - (mac + 1 + end + 1) - nonce
	return n - (n+chunk+tag-1)/(chunk+tag)*tag
}

func (s *smallSites) uuid() string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], s.random.Uint64())
	binary.BigEndian.PutUint64(b[8:], s.random.Uint64())
	b[6], b[8] = b[6]&15|0x40, b[8]&63|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// rows returns rows of integers.
func (s *smallSites) rows(site, query string) (out [][]int64) {
	s.Helper()
	rows, err := s.db[site].Query(query)
	if err != nil {
		s.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var v [4]int64
		if err := rows.Scan(&v[0], &v[1], &v[2], &v[3]); err != nil {
			s.Fatal(err)
		}
		out = append(out, v[:])
	}
	if err := rows.Err(); err != nil {
		s.Fatal(err)
	}
	return out
}

// addObs adds new obs at the clinic, so many in each of some encounters, in a transaction for each encounter, as an application does.
func (s *smallSites) addObs(encounters, each int, of string) {
	s.Helper()
	at := s.rows("kisumu", fmt.Sprintf("SELECT encounter_id, patient_id, creator, location_id FROM encounter WHERE location_id IS NOT NULL %s ORDER BY RAND(7) LIMIT %d", of, encounters))
	if len(at) != encounters {
		s.Fatalf("%d encounters of %d", len(at), encounters)
	}
	for _, e := range at {
		s.inOne("kisumu", s.obs(e[0], e[1], e[2], e[3], each)...)
	}
}

// obs are statements that add so many to an encounter: each is the answer to a question of its own.
func (s *smallSites) obs(encounter, person, creator, location int64, n int) (out []string) {
	if s.questions == nil {
		s.questions = s.rows("kisumu", `SELECT concept_id, COALESCE(MAX(value_coded), 0), CAST(COALESCE(MAX(value_numeric), 0) AS SIGNED), 0 FROM obs
			WHERE COALESCE(value_coded, value_numeric) IS NOT NULL GROUP BY concept_id ORDER BY concept_id`)
	}
	first := s.random.IntN(len(s.questions))
	now := time.Now().UTC().Format(time.DateTime)
	for i := range n {
		q := s.questions[(first+i)%len(s.questions)]
		coded, numeric := "NULL", fmt.Sprint(float64(s.random.Int64N(10*q[2]+100))/10)
		if q[1] != 0 {
			coded, numeric = fmt.Sprint(q[1]), "NULL"
		}
		out = append(out, fmt.Sprintf(`INSERT INTO obs (person_id, concept_id, encounter_id, obs_datetime, location_id, value_coded, value_numeric, creator, date_created, voided, uuid, status)
			VALUES (%d, %d, %d, '%s', %d, %s, %s, %d, '%s', 0, '%s', 'FINAL')`, person, q[0], encounter, now, location, coded, numeric, creator, now, s.uuid()))
	}
	return out
}

// inOne runs statements in one transaction.
func (s *smallSites) inOne(site string, statements ...string) {
	s.Helper()
	tx, err := s.db[site].Begin()
	if err != nil {
		s.Fatal(err)
	}
	defer tx.Rollback() // where a statement ends the test
	dbtest.Exec(s, tx, statements...)
	if err := tx.Commit(); err != nil {
		s.Fatal(err)
	}
}

// register adds a patient who comes for the first time: 17 rows.
func (s *smallSites) register() {
	s.Helper()
	like := s.rows("kisumu", "SELECT e.encounter_type, e.creator, e.location_id, v.visit_type_id FROM encounter e JOIN visit v ON v.visit_id = e.visit_id WHERE e.location_id IS NOT NULL LIMIT 1")[0]
	kind := s.rows("kisumu", "SELECT identifier_type, 0, 0, 0 FROM patient_identifier LIMIT 1")[0][0]
	now := time.Now().UTC().Format(time.DateTime)
	who, tx := fmt.Sprintf("%d, '%s'", like[1], now), s.files
	insert := func(table, columns, format string, args ...any) string {
		return fmt.Sprintf("INSERT INTO %s (%s, creator, date_created, uuid) VALUES (%s, %s, '%s')", table, columns, fmt.Sprintf(format, args...), who, s.uuid())
	}
	db, err := s.db["kisumu"].Begin()
	if err != nil {
		s.Fatal(err)
	}
	defer db.Rollback() // where a statement ends the test
	last := func() (id int64) {
		if err := db.QueryRow("SELECT LAST_INSERT_ID()").Scan(&id); err != nil {
			s.Fatal(err)
		}
		return id
	}
	dbtest.Exec(s, db, insert("person", "gender, birthdate", "'F', '%d-03-07'", 1950+s.random.IntN(60)))
	person := last()
	dbtest.Exec(s, db,
		insert("person_name", "preferred, person_id, given_name, family_name", "1, %d, 'Achieng%d', 'Otieno%d'", person, tx, s.random.IntN(100)),
		insert("person_address", "person_id, preferred, city_village, country", "%d, 1, 'Village %d', 'Kenya'", person, s.random.IntN(100)),
		fmt.Sprintf("INSERT INTO patient (patient_id, creator, date_created) VALUES (%d, %s)", person, who),
		insert("patient_identifier", "patient_id, identifier, identifier_type, preferred, location_id", "%d, 'K-%d', %d, 1, %d", person, s.random.IntN(1e6), kind, like[2]),
		insert("visit", "patient_id, visit_type_id, date_started, location_id", "%d, %d, '%s', %d", person, like[3], now, like[2]))
	visit := last()
	dbtest.Exec(s, db, insert("encounter", "encounter_type, patient_id, location_id, encounter_datetime, visit_id", "%d, %d, %d, '%s', %d", like[0], person, like[2], now, visit))
	dbtest.Exec(s, db, s.obs(last(), person, like[1], like[2], 10)...)
	if err := db.Commit(); err != nil {
		s.Fatal(err)
	}
}

// deltas are small changes at the clinic, with the rows that change.
func deltas() []delta {
	return []delta{
		{"nothing", 0, func(*smallSites) {}},
		{"registration", 17, func(s *smallSites) { s.register() }},
		{"100-encounters", 1000, func(s *smallSites) { s.addObs(100, 10, "") }},
		{"1000-patients", 1000, func(s *smallSites) {
			s.addObs(1000, 1, "AND encounter_id IN (SELECT MIN(encounter_id) FROM encounter WHERE location_id IS NOT NULL GROUP BY patient_id)")
		}},
		{"voided", 1000, func(s *smallSites) {
			dbtest.Exec(s, s.db["kisumu"], "UPDATE obs SET voided = 1, voided_by = creator, date_voided = UTC_TIMESTAMP(), void_reason = 'entered twice' WHERE voided = 0 ORDER BY RAND(3) LIMIT 1000")
		}},
	}
}

type delta struct {
	name   string
	rows   int
	change func(*smallSites)
}
