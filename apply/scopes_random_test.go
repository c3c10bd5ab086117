package apply_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/scope"
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
// made, lost and come late. Then all exchange. Each file is looked into; and what two sites both may have is compared, by references alone.
func TestScopesRandom(t *testing.T) {
	t.Parallel()
	first := environment(t, "OMSYNC_TEST_SEED", 1)
	for i := range environment(t, "OMSYNC_TEST_SCOPES", scopeSchedules) {
		t.Run(fmt.Sprint("seed ", first+i), func(t *testing.T) { runScopes(t, uint64(first+i)) })
	}
}

// scopeWorld is a random schedule under way.
type scopeWorld struct {
	*scoped
	r       *rand.Rand
	names   int
	late    []*sites.File
	left    map[string]bool // patients who ever left a scope
	parents map[*sites.Site]*sites.Site
	log     []string
}

func runScopes(t *testing.T, seed uint64) {
	n := newScoped(t, 4, "county", "kisumu")
	county := n.site("county")
	w := &scopeWorld{scoped: n, r: rand.New(rand.NewPCG(seed, 14)), left: map[string]bool{},
		parents: map[*sites.Site]*sites.Site{county: n.hub, n.site("kisumu"): n.hub}}
	for _, name := range []string{"migori", "siaya"} {
		w.parents[n.below(county, name)] = county
	}
	defer func() {
		if t.Failed() {
			t.Logf("what was done:\n%s", strings.Join(w.log, "\n"))
		}
	}()
	for child, parent := range w.parents {
		if child != county || w.r.IntN(2) == 0 {
			n.own(parent, child)
		}
	}
	n.exchange()
	for range environment(t, "OMSYNC_TEST_STEPS", 30) {
		w.step()
		if t.Failed() {
			return
		}
	}
	n.exchange()
	w.compare()
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
	name := fmt.Sprintf("x%d", w.names)
	note := func(format string, args ...any) { w.log = append(w.log, s.Name+": "+fmt.Sprintf(format, args...)) }
	child, parent := w.link()
	switch k := w.r.IntN(20); {
	case k < 2 || p == "" && k < 12:
		note("register %s", name)
		register(s, name)
	case k < 4:
		note("visit %s of %s", name, p)
		visit(s, name, p)
	case k < 7:
		column := w.pick([]string{"gender", "city"})
		note("edit %s of %s", column, p)
		do(s, "UPDATE person SET "+column+" = '"+name+"' WHERE uuid = '"+p+"'")
	case k < 8:
		if x := w.pick(column(w.t, s, "SELECT uuid FROM encounter_note ORDER BY 1")); x != "" {
			note("delete note %s", x)
			do(s, "DELETE FROM encounter_note WHERE uuid = '"+x+"'")
		}
	case k < 9:
		if x := w.pick(column(w.t, s, "SELECT uuid FROM encounter ORDER BY 1")); x != "" {
			note("encounter %s moves to %s", x, p)
			do(s, "UPDATE obs SET person_id = [person "+p+"] WHERE encounter_id = [encounter "+x+"]", "UPDATE encounter SET patient_id = [person "+p+"] WHERE uuid = '"+x+"'")
		}
	case k < 10:
		if q := w.pick(here); q != p {
			note("%s and %s are related", p, q)
			do(s, "INSERT INTO relationship (uuid, kind, person_a, person_b) VALUES ('"+name+"', 'sister', [person "+p+"], [person "+q+"])")
		}
	case k < 11:
		note("%s works here", p)
		do(s, "INSERT INTO users (uuid, username, person_id) VALUES ('"+name+"', '"+name+"', [person "+p+"])")
	case k < 13:
		o := w.pick(patients(w.t, w.hub))
		w.log = append(w.log, fmt.Sprintf("%s admits %s at %s", parent.Name, o, child.Name))
		w.admit(parent, child, scope.Owner(o))
	case k < 14:
		o := w.pick(patients(w.t, parent))
		w.log = append(w.log, fmt.Sprintf("%s lets %s leave %s", parent.Name, o, child.Name))
		id := peerID(w.t, parent, child)
		decideScope(w.t, parent, func(node scope.Node) {
			if node.Leave(id, scope.Owner(o)) {
				w.left[o] = true
			}
		})
	case k < 15:
		o := w.pick(patients(w.t, w.hub))
		w.log = append(w.log, fmt.Sprintf("%s asks for %s", child.Name, o))
		decideScope(w.t, child, func(node scope.Node) { node.Ask(scope.Owner(o)) })
	case k < 16 && len(w.late) > 0:
		f := w.late[w.r.IntN(len(w.late))]
		w.log = append(w.log, "late: "+f.Name)
		f.To.Import(f)
	default:
		a, b := child, parent
		if w.r.IntN(2) == 0 {
			a, b = b, a
		}
		for _, f := range a.Export(b) {
			w.look(f)
			if w.r.IntN(4) == 0 {
				w.log, w.late = append(w.log, "held up: "+f.Name), append(w.late, f)
				continue
			}
			w.log = append(w.log, f.Name)
			b.Import(f)
		}
	}
}

func (w *scopeWorld) link() (child, parent *sites.Site) {
	child = w.all[1+w.r.IntN(len(w.all)-1)]
	return child, w.parents[child]
}

// ownersIn says of each row of a dump whose it is, by references alone.
func ownersIn(d sites.Dumped) func(table, key string) []string {
	var of func(table, key string) []string
	person := func(key string) []string {
		if d["patient"][key] == nil {
			return nil
		}
		return []string{key}
	}
	of = func(table, key string) []string {
		r := d[table][key]
		switch table {
		case "person", "patient":
			return person(key)
		case "person_name":
			return person(r["person_id"])
		case "obs":
			return person(r["person_id"])
		case "encounter":
			return person(r["patient_id"])
		case "encounter_note":
			return of("encounter", r["encounter_id"])
		case "relationship":
			a, b := person(r["person_a"]), person(r["person_b"])
			return append(slices.Clone(a), b...)
		}
		return nil
	}
	return of
}

// compare makes sure that a child holds as its parent does what it may have, and that all it made is at the parent.
func (w *scopeWorld) compare() {
	w.t.Helper()
	dumps := map[*sites.Site]sites.Dumped{}
	for _, s := range w.all {
		dumps[s] = s.Dump()
	}
	compared := 0
	for child, parent := range w.parents {
		in := map[string]bool{}
		own := column(w.t, parent, "SELECT s.own FROM omsync_scope_peer s JOIN omsync_peer p ON p.id = s.peer_id WHERE p.name = '"+child.Name+"'")
		for _, o := range column(w.t, parent, "SELECT s.owner_key FROM omsync_scope s JOIN omsync_peer p ON p.id = s.peer_id WHERE s.since > 0 AND p.name = '"+child.Name+"'") {
			in[o] = true
		}
		may := func(d sites.Dumped) func(table, key string) bool {
			of := ownersIn(d)
			return func(table, key string) bool {
				if len(own) == 0 || own[0] == "0" || table == "concept" || table == "users" {
					return true
				}
				owners := of(table, key)
				for _, o := range owners {
					if !in[o] || w.left[o] && len(owners) > 1 {
						return false
					}
				}
				return len(owners) > 0
			}
		}
		both := [2]struct {
			from, to *sites.Site
		}{{parent, child}, {child, parent}}
		for _, x := range both {
			allowed := may(dumps[x.from])
			for table, rows := range dumps[x.from] {
				for key, row := range rows {
					if !allowed(table, key) {
						continue
					}
					compared++
					if other := dumps[x.to][table][key]; fmt.Sprint(other) != fmt.Sprint(row) {
						w.t.Errorf("%s %s is %v at %s, and %v at %s", table, key, row, x.from.Name, other, x.to.Name)
					}
				}
			}
		}
	}
	if compared < 50 {
		w.t.Errorf("only %d rows were compared", compared)
	}
}
