package apply_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/scope"
	"github.com/omsync/omsync/scopes"
)

// scopeSchedules is how many random schedules are run; OMSYNC_TEST_SCOPES says another number, and OMSYNC_TEST_SEED the first.
const scopeSchedules = 1

func environment(t *testing.T, name string, usual int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// TestScopesRandom has people at a hub, at a node in the middle and at three clinics work on patients, with scopes that overlap, while files are
// made, lost and come late, and databases are restored. Then all exchange. Each file is looked into; what two sites both may have is
// compared, by references alone; and what was written is somewhere.
//
//	OMSYNC_TEST_SCOPES=300 OMSYNC_TEST_SEED=1 go test -timeout 2h -run TestScopesRandom ./apply
func TestScopesRandom(t *testing.T) {
	t.Parallel()
	first := environment(t, "OMSYNC_TEST_SEED", 1)
	net := newScopeNet(t)
	for i := range environment(t, "OMSYNC_TEST_SCOPES", scopeSchedules) {
		if err := net.hub.DB.Ping(); err != nil {
			t.Fatal(err)
		}
		t.Run(fmt.Sprint("seed ", first+i), func(t *testing.T) { net.run(t, uint64(first+i)) })
	}
}

// scopeNet is sites that run one schedule after the other, each from the same beginning.
type scopeNet struct {
	*scoped
	parents map[*sites.Site]*sites.Site
	vaults  map[*sites.Site]*vault
}

func newScopeNet(t *testing.T) *scopeNet {
	n := &scopeNet{scoped: newScoped(t, 4, "county", "kisumu"), vaults: map[*sites.Site]*vault{}}
	county := n.site("county")
	n.parents = map[*sites.Site]*sites.Site{county: n.hub, n.site("kisumu"): n.hub}
	for _, name := range []string{"migori", "siaya"} {
		n.parents[n.below(county, name)] = county
	}
	for _, s := range n.all {
		n.vaults[s] = &vault{s: s, t: t, of: map[string]*saved{}}
	}
	for _, s := range n.all[2:] {
		n.own(n.parents[s], s)
	}
	n.save("new")
	n.exchange()
	n.save("county has all")
	n.own(n.hub, county)
	n.exchange()
	n.save("all have scopes")
	return n
}

func (n *scopeNet) save(name string) {
	for _, v := range n.vaults {
		v.save(name)
	}
}

// vault keeps copies of a site's database.
type vault struct {
	s  *sites.Site
	t  *testing.T
	of map[string]*saved
}

type saved struct {
	database string
	tables   []string
}

// save copies the database whole, omsync's tables too.
func (v *vault) save(name string) {
	c := v.of[name]
	if c == nil {
		c = &saved{}
		c.database, _ = dbtest.Server(v.t).Database(v.t)
		for _, r := range v.s.Query("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'") {
			c.tables = append(c.tables, r[0])
			v.s.Exec("CREATE TABLE " + c.database + "." + r[0] + " LIKE " + r[0])
		}
		v.of[name] = c
	}
	for _, table := range c.tables {
		v.s.Exec("DELETE FROM "+c.database+"."+table, "INSERT INTO "+c.database+"."+table+" SELECT * FROM "+table)
	}
}

// restore puts a copy back, and opens the node anew as the next run of the command does.
func (v *vault) restore(name string) {
	c := v.of[name]
	v.s.Exec("SET @omsync_quiet = 1, foreign_key_checks = 0, sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
	for _, table := range c.tables {
		v.s.Exec("DELETE FROM "+table, "INSERT INTO "+table+" SELECT * FROM "+c.database+"."+table)
	}
	for _, r := range v.s.Query("SELECT DISTINCT table_name FROM information_schema.columns WHERE table_schema = DATABASE() AND extra LIKE '%auto_increment%' AND table_name LIKE 'omsync\\_%'") {
		v.s.Exec("ALTER TABLE " + r[0] + " AUTO_INCREMENT = 1") // as a dump has it: numbers are given out again
	}
	v.s.Exec("SET @omsync_quiet = NULL, foreign_key_checks = 1, sql_mode = DEFAULT")
	v.s.Reopen()
}

// scopeWorld is a random schedule under way.
type scopeWorld struct {
	*scopeNet
	t        *testing.T
	r        *rand.Rand
	names    int
	late     []*sites.File
	left     map[string]map[string]bool // of a child: patients who ever left its scope
	ever     map[string]map[string]bool // of a row: the patients that it was ever made to belong to
	written  map[string]string          // values that nobody who saw them wrote over, and where they were written
	restores int
	purges   *rand.Rand // nil: nobody is purged who leaves
	purged   int        // how often a patient was deleted at a child
	log      []string
}

func (n *scopeNet) run(t *testing.T, seed uint64) {
	w := &scopeWorld{scopeNet: n, t: t, r: rand.New(rand.NewPCG(seed, 14)), left: map[string]map[string]bool{}, ever: map[string]map[string]bool{}, written: map[string]string{}}
	before := n.scoped.t
	n.scoped.t = t
	sites.Use(t, n.all...)
	defer func() {
		n.scoped.t = before
		if t.Failed() {
			t.Logf("what was done:\n%s", strings.Join(w.log, "\n"))
		}
	}()
	from := []string{"new", "county has all", "all have scopes"}[w.r.IntN(3)]
	for _, s := range n.all {
		s.SetClock(0)
		n.vaults[s].restore(from)
		n.vaults[s].save("backup")
		w.left[s.Name] = map[string]bool{}
	}
	w.tell("at first: %s", from)
	w.begin()
	if more := rand.New(rand.NewPCG(seed, 1402)); more.IntN(2) == 0 {
		w.purges = more
	}
	restores := w.r.IntN(2) == 0
	for range environment(t, "OMSYNC_TEST_STEPS", 40) {
		if restores && w.r.IntN(14) == 0 {
			w.restore()
		} else {
			w.step()
		}
		if w.purges != nil && w.purges.IntN(4) == 0 {
			w.purge()
		}
		if t.Failed() {
			return
		}
	}
	if w.finish(); !t.Failed() {
		w.compare()
		w.lost()
		t.Logf("%d patients were deleted at children", w.purged)
	}
}

// begin notes whose rows are at first, and who had left a child's scope by then: what it got before it had one is there.
func (w *scopeWorld) begin() {
	for _, s := range w.all {
		d := s.Dump()
		of := ownersIn(d)
		for table, rows := range d {
			for key := range rows {
				for _, o := range of(table, key) {
					w.belong(o, table+"/"+key)
				}
			}
		}
		if w.parents[s] == nil {
			continue
		}
		may := w.allowed(s, d)
		for _, o := range patients(w.t, s) {
			if !may("patient", o) {
				w.left[s.Name][o] = true
			}
		}
	}
}

func (w *scopeWorld) tell(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf(format, args...))
}

// restore makes a copy of some database, or puts one back.
func (w *scopeWorld) restore() {
	s := w.all[w.r.IntN(len(w.all))]
	if w.r.IntN(3) > 0 {
		w.tell("%s: saved", s.Name)
		w.vaults[s].save("backup")
		return
	}
	w.tell("%s: RESTORED", s.Name)
	w.vaults[s].restore("backup")
	w.restores++
	w.forget()
}

// forget notes which values nobody holds any more.
func (w *scopeWorld) forget() {
	held := map[string]bool{}
	for _, s := range w.all {
		w.values(s, held)
	}
	for v := range w.written {
		if !held[v] {
			delete(w.written, v) // the restore took it from everybody
		}
	}
}

func (w *scopeWorld) pick(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[w.r.IntN(len(list))]
}

// column lists the values of a column at a site.
func column(t *testing.T, s *sites.Site, query string) (out []string) {
	t.Helper()
	rows, err := s.DB.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

// step does one thing somewhere.
func (w *scopeWorld) step() {
	s := w.all[w.r.IntN(len(w.all))]
	here := patients(w.t, s)
	p := w.pick(here)
	w.names++
	x := fmt.Sprintf("x%d", w.names)
	child, parent := w.link()
	switch k := w.r.IntN(26); {
	case k < 2 || p == "" && k < 13:
		w.tell("%s: register %s", s.Name, x)
		do(s, "INSERT INTO person (uuid, gender) VALUES ('"+x+"', 'F')", "INSERT INTO patient (patient_id) VALUES ([person "+x+"])",
			"INSERT INTO person_name (uuid, given_name, person_id) VALUES ('"+x+"-name', 'v"+x+"-name', [person "+x+"])")
		w.belong(x, "person/"+x, "patient/"+x, "person_name/"+x+"-name")
		w.wrote(s, "v"+x+"-name")
		w.visit(s, x+"-v", x)
	case k < 4:
		w.tell("%s: visit %s of %s", s.Name, x, p)
		w.visit(s, x, p)
	case k < 7:
		w.edit(s, "person", w.pick([]string{"gender", "city"}), p, x)
	case k < 9:
		table := w.pick([]string{"encounter", "obs", "encounter_note", "person_name"})
		text := map[string]string{"encounter": "form", "obs": "value_text", "encounter_note": "text", "person_name": "given_name"}[table]
		if u := w.pick(column(w.t, s, "SELECT uuid FROM "+table+" ORDER BY 1")); u != "" {
			w.edit(s, table, text, u, x)
		}
	case k < 10:
		if u := w.pick(column(w.t, s, "SELECT uuid FROM encounter_note ORDER BY 1")); u != "" {
			w.tell("%s: delete note %s", s.Name, u)
			w.over(column(w.t, s, "SELECT IFNULL(text, '') FROM encounter_note WHERE uuid = '"+u+"'"))
			do(s, "DELETE FROM encounter_note WHERE uuid = '"+u+"'")
		}
	case k < 11:
		if u := w.pick(column(w.t, s, "SELECT uuid FROM encounter ORDER BY 1")); u != "" {
			w.tell("%s: encounter %s moves to %s", s.Name, u, p)
			w.move(s, "e.uuid = '"+u+"'", p)
		}
	case k < 12:
		if q := w.pick(here); q != p {
			w.tell("%s: %s and %s are related", s.Name, p, q)
			do(s, "INSERT INTO relationship (uuid, kind, person_a, person_b) VALUES ('"+x+"', 'sister', [person "+p+"], [person "+q+"])")
			w.belong(p, "relationship/"+x)
			w.belong(q, "relationship/"+x)
		}
	case k < 13:
		w.tell("%s: %s works here", s.Name, p)
		do(s, "INSERT INTO users (uuid, username, person_id) VALUES ('"+x+"', '"+x+"', [person "+p+"])")
	case k < 14:
		if q := w.pick(here); q != p && q != "" {
			w.mergePatients(s, p, q, x)
		}
	case k < 15:
		if u := w.pick(column(w.t, s, "SELECT uuid FROM encounter ORDER BY 1")); u != "" {
			w.tell("%s: delete encounter %s", s.Name, u)
			for _, c := range [][2]string{{"obs", "value_text"}, {"encounter_note", "text"}, {"encounter", "form"}} {
				where := " WHERE encounter_id = [encounter " + u + "]"
				w.over(column(w.t, s, local(s, "SELECT IFNULL("+c[1]+", '') FROM "+c[0]+where)))
				do(s, "DELETE FROM "+c[0]+where)
			}
		}
	case k < 17:
		o := w.pick(patients(w.t, w.hub))
		w.tell("%s admits %s at %s", parent.Name, o, child.Name)
		w.admit(parent, child, scope.Owner(o))
	case k < 18:
		o := w.pick(patients(w.t, parent))
		w.tell("%s lets %s leave %s", parent.Name, o, child.Name)
		id := peerID(w.t, parent, child)
		decideScope(w.t, parent, func(node scope.Node) {
			if node.Leave(id, scope.Owner(o)) {
				w.left[child.Name][o] = true
			}
		})
	case k < 19:
		o := w.pick(patients(w.t, w.hub))
		w.tell("%s asks for %s", child.Name, o)
		decideScope(w.t, child, func(node scope.Node) { node.Ask(scope.Owner(o)) })
	case k < 20 && len(w.late) > 0:
		f := w.late[w.r.IntN(len(w.late))]
		w.tell("late:")
		w.deliver(f)
	case k < 21 && w.r.IntN(3) == 0:
		w.switches(parent, child)
	default:
		a, b := child, parent
		if w.r.IntN(2) == 0 {
			a, b = b, a
		}
		for _, f := range a.Export(b) {
			w.look(f)
			if w.r.IntN(4) == 0 {
				w.tell("held up: %s", f.Name)
				w.late = append(w.late, f)
				continue
			}
			w.deliver(f)
		}
	}
}

func (w *scopeWorld) link() (child, parent *sites.Site) {
	child = w.all[1+w.r.IntN(len(w.all)-1)]
	return child, w.parents[child]
}

// switches gives a child a scope with some patients, or takes it away.
func (w *scopeWorld) switches(parent, child *sites.Site) {
	id := peerID(w.t, parent, child)
	decideOn(w.t, parent, func(store *scopes.Store) {
		node := store.Node()
		if !node.Child(id).All {
			w.tell("%s: %s gets everything", parent.Name, child.Name)
			node.End(id)
			return
		}
		var stay []scope.Owner
		for _, o := range patients(w.t, parent) {
			if w.r.IntN(2) == 0 {
				stay = append(stay, scope.Owner(o))
			} else {
				w.left[child.Name][o] = true
			}
		}
		w.tell("%s: %s gets a scope with %v", parent.Name, child.Name, stay)
		for _, key := range column(w.t, parent, "SELECT uuid FROM person WHERE person_id IN (SELECT person_id FROM users)") {
			node.Publish(scope.Row{Table: "person", Key: key})
		}
		node.Begin(id, stay)
	})
}
