package apply_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/internal/sites"
)

// meeting is a hub and clinics whose files have rows in common.
type meeting struct {
	t       *testing.T
	rng     *rand.Rand
	hub     *sites.Site
	clinics []*sites.Site
	clock   int64           // µs since 1970 UTC
	used    map[string]bool // what the clinic at work has changed in the round
}

// TestAtOnceAsInTurn has clinics work at random on rows that they have in common, and the hub import their files at the same time: values
// that meet, rows with one uuid and rows with one key without any, deletions of what others change or refer to. All end with the same, and a
// second hub, which the same happens to and which imports one file after the other, holds the same rows and the same values that lost. Every
// other time, connections of the first hub are cut meanwhile.
//
// OMSYNC_SEED picks the schedule ("any" draws one), OMSYNC_ROUNDS how long it is.
func TestAtOnceAsInTurn(t *testing.T) {
	t.Parallel()
	seed, rounds := uint64(1), 2
	if s := os.Getenv("OMSYNC_SEED"); s == "any" {
		seed = uint64(time.Now().UnixNano() % 1_000_000)
	} else if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		seed = n
	}
	if n, err := strconv.Atoi(os.Getenv("OMSYNC_ROUNDS")); err == nil {
		rounds = n
	}
	t.Logf("OMSYNC_SEED=%d", seed)
	began := time.Now().Add(-time.Hour).UnixMicro()
	beside, turn := newMeeting(t, seed, began), newMeeting(t, seed, began)
	for i := range rounds {
		beside.round(i, true)
		turn.round(i, false)
		sites.Differ(t, "the hub that imports at the same time", beside.hub.Dump(), "the one that does not", turn.hub.Dump())
		if a, b := beside.hub.Conflicts(), turn.hub.Conflicts(); !slices.Equal(a, b) {
			t.Errorf("what lost is %q, and %q where one file is imported after the other", a, b)
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d conflicts", len(beside.hub.Conflicts()))
}

func newMeeting(t *testing.T, seed uint64, began int64) *meeting {
	m := &meeting{t: t, rng: rand.New(rand.NewPCG(seed, 5)), clock: began}
	for i, name := range []string{"hub", "busia", "kisumu", "migori"} {
		s := sites.New(t, name, "none", peopleSchema...)
		s.Waits = true
		if i == 0 {
			m.hub = s
			s.Exec(insertPeople(1, 24)...)
			s.Init()
			continue
		}
		s.SetOffset(int64(1000 * i))
		s.Init()
		m.hub.Connect(s)
		m.clinics = append(m.clinics, s)
	}
	sites.Exchange(append([]*sites.Site{m.hub}, m.clinics...)...)
	return m
}

// do runs a statement at a clinic, a second after the one before.
func (m *meeting) do(s *sites.Site, statement string) {
	m.t.Helper()
	m.clock += 1_000_000
	s.Exec(fmt.Sprintf("SET timestamp = %d", m.clock/1_000_000))
	s.Exec(statement)
}

// round has each clinic do some things, brings all files to the hub at once, and exchanges until all are quiet.
func (m *meeting) round(n int, beside bool) {
	m.t.Helper()
	for i, s := range m.clinics {
		m.used = map[string]bool{}
		for k := range 1 + m.rng.IntN(4) {
			m.act(s, fmt.Sprintf("%d-%d-%d", n, i, k), n)
		}
	}
	var files []*sites.File
	for _, s := range m.clinics {
		files = append(files, s.Export(m.hub)...)
	}
	if beside {
		var cut func()
		if n%2 == 1 {
			cut = m.cut
		}
		reports, errs := importAtOnce(m.t, m.hub, files, cut)
		for i, err := range errs {
			if err != nil && cut != nil {
				idle(m.t, m.hub)
				reports[i], err = m.hub.ImportErr(files[i])
			}
			if err != nil || reports[i].Outcome != apply.Applied && reports[i].Outcome != apply.Covered {
				m.t.Fatalf("%s: %v, %+v", files[i].Name, err, reports[i])
			}
		}
	} else {
		for _, f := range files {
			m.hub.Import(f)
		}
	}
	all := append([]*sites.Site{m.hub}, m.clinics...)
	sites.Exchange(all...)
	for _, s := range m.clinics {
		sites.Same(m.t, m.hub, s)
	}
	sites.Quiet(m.t, all...)
}

// cut ends connections of the hub's imports, a few, at whatever they are.
func (m *meeting) cut() {
	for range 4 {
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
		for _, r := range m.hub.Query("SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND command <> 'Sleep' AND id <> CONNECTION_ID() LIMIT 1") {
			m.hub.ExecErr("KILL " + r[0]) // it may have ended by itself
		}
	}
}

// act is one thing that a clinic does.
func (m *meeting) act(s *sites.Site, mark string, round int) {
	m.t.Helper()
	p := 1 + m.rng.IntN(20)
	once := func(what string) bool {
		before := m.used[what]
		m.used[what] = true
		return !before
	}
	switch k := m.rng.IntN(100); {
	case k < 30:
		if column := []string{"name", "note"}[m.rng.IntN(2)]; once(fmt.Sprint(column, p)) {
			m.do(s, fmt.Sprintf("UPDATE person SET %s = '%s' WHERE uuid = 'p-%d'", column, mark, p))
		}
	case k < 45:
		m.do(s, fmt.Sprintf("INSERT INTO obs (person_id, value, uuid) SELECT person_id, 1, 'o-%s' FROM person WHERE uuid = 'p-%d'", mark, p))
	case k < 55: // what a package brings to several
		uuid := fmt.Sprintf("p-%d-package-%d", round, m.rng.IntN(2))
		if once(uuid) {
			m.do(s, fmt.Sprintf("INSERT INTO person (name, uuid) VALUES ('%s', '%s')", mark, uuid))
			m.do(s, fmt.Sprintf("INSERT INTO obs (person_id, value, uuid) SELECT person_id, 1, 'o-%s' FROM person WHERE uuid = '%s'", mark, uuid))
		}
	case k < 70: // a key without a uuid
		if name := fmt.Sprint("flag-", round, "-", m.rng.IntN(2)); once(fmt.Sprint(name, p)) {
			m.do(s, fmt.Sprintf("INSERT INTO flag SELECT person_id, '%s', '%s' FROM person WHERE uuid = 'p-%d'", name, mark, p))
		}
	case k < 90:
		m.do(s, fmt.Sprintf("DELETE FROM obs WHERE uuid = 'o-%d'", p))
	default: // one that others may refer to by now
		p += 4
		m.do(s, fmt.Sprintf("DELETE o FROM obs o JOIN person p ON p.person_id = o.person_id WHERE p.uuid = 'p-%d'", p))
		m.do(s, fmt.Sprintf("DELETE f FROM flag f JOIN person p ON p.person_id = f.person_id WHERE p.uuid = 'p-%d'", p))
		m.do(s, fmt.Sprintf("DELETE t FROM patient t JOIN person p ON p.person_id = t.patient_id WHERE p.uuid = 'p-%d'", p))
		m.do(s, fmt.Sprintf("DELETE FROM person WHERE uuid = 'p-%d'", p))
	}
}
