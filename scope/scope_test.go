package scope_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/scope"
)

// hub returns a hub with patients p1 to p3, a row of p1, and a child whose scope is empty.
func hub(t *testing.T) (*site, scope.Node, merge.Peer) {
	t.Helper()
	w := newWorld(trees[0], merge.Newest, nil)
	s := w.sites["h"]
	p := s.links["a"].peer
	s.children[p] = scope.Child{}
	for _, k := range []string{"p1", "p2", "p3"} {
		w.insert("h", k, 0)
	}
	w.insert("h", "c1", 0)
	s.seal()
	return s, s.node(), p
}

// came returns a row as the child sends it, with news.
func came(key string, to ...string) scope.Arrival {
	a := scope.Arrival{Row: rowOf(key), Place: scope.Place{Kind: kindOf(key), Alive: true}, News: true}
	for _, k := range to {
		a.Place.To = append(a.Place.To, rowOf(k))
	}
	return a
}

func TestSight(t *testing.T) {
	s, n, p := hub(t)
	if got := n.Sight(p, rowOf("c1")); got != scope.Out {
		t.Errorf("sight of a row of who is not in scope: %d", got)
	}
	n.Admit(p, "p1", 0)
	s.commit(false)
	at := scope.Sight(n.Entry(p, "p1").Since)
	if got := n.Sight(p, rowOf("c1")); got != at || at == scope.Out {
		t.Errorf("sight of a row of who is: %d, want %d", got, at)
	}
	if got := n.Sight(p, rowOf("p2")); got != scope.Out {
		t.Errorf("sight of another patient: %d", got)
	}
	if got := n.Sight(p, rowOf("k1")); got != scope.Always {
		t.Errorf("sight of a row with no path to an owner: %d", got)
	}
	n.Publish(rowOf("p2"))
	if got := n.Sight(p, rowOf("p2")); !got.In() {
		t.Error("a public row is out of sight")
	}
}

// A path that is too long, or that leads in a circle, leads nowhere, and ends.
func TestPathInACircle(t *testing.T) {
	_, n, p := hub(t)
	places := map[scope.Row]scope.Place{}
	for _, k := range []string{"c8", "d8"} {
		to := map[string]string{"c8": "d8", "d8": "c8"}[k]
		places[rowOf(k)] = scope.Place{Kind: scope.Owned, Alive: true, To: []scope.Row{rowOf(to)}}
	}
	n = n.Before(places)
	if got := n.Sight(p, rowOf("c8")); got != scope.Out {
		t.Errorf("sight %d", got)
	}
	if got := n.Owners(rowOf("c8")); len(got) > 0 {
		t.Errorf("owners %v", got)
	}
	n.Settled(p, came("c8", "d8"))
	n.Waits(p, came("c8", "d8"))
}

// A store that can read nothing lets nothing through.
func TestStoreThatReadsNothing(t *testing.T) {
	s := &blind{}
	n := scope.Node{Store: s}
	for _, kind := range []scope.Kind{scope.Own, scope.Owned} {
		s.kind = kind
		if got := n.Sight(1, rowOf("c1")); got != scope.Out {
			t.Errorf("sight %d", got)
		}
		if n.SendsRecord(1, scope.Record{Row: rowOf("c1"), Owners: []scope.Owner{"p1"}}) || n.SendsRecord(1, scope.Record{Row: rowOf("c1")}) {
			t.Error("a record goes")
		}
	}
}

// A blind store returns zero values.
type blind struct {
	scope.Store
	kind scope.Kind
}

func (b *blind) Place(scope.Row) scope.Place                   { return scope.Place{Kind: b.kind} }
func (b *blind) Child(merge.Peer) scope.Child                  { return scope.Child{} }
func (b *blind) Entry(merge.Peer, scope.Owner) (e scope.Entry) { return e }
func (b *blind) Exception(merge.Peer, scope.Row) scope.Sight   { return scope.Out }
func (b *blind) Public(scope.Row) scope.Sight                  { return scope.Out }

// A row in a child's sight comes to refer to one of nobody's: that one comes into sight too, or the child could not take the row.
func TestRowThatComesToBeNobodys(t *testing.T) {
	s, n, p := hub(t)
	s.w.nulls = true
	s.w.insert("h", "d1", 0)
	s.w.insert("h", "c2", 2)
	s.seal()
	n.Admit(p, "p1", 0)
	s.commit(false)
	if !n.Sight(p, rowOf("d1")).In() || n.Sight(p, rowOf("c2")).In() {
		t.Fatal("not d1 is in sight alone")
	}
	s.w.set("h", "d1", 1, "c2")
	s.seal()
	if !n.Sight(p, rowOf("d1")).In() || !n.Sight(p, rowOf("c2")).In() {
		t.Error("d1 and what it refers to are not in sight")
	}
}

func TestBeginEndsExceptions(t *testing.T) {
	s, n, p := hub(t)
	n.SetException(p, rowOf("c1"), 2)
	n.SetException(p, rowOf("d9"), 2)
	n.End(p)
	s.commit(false)
	n.Begin(p, []scope.Owner{"p2"})
	if got := n.Exceptions(p); len(got) != 1 || got[0] != rowOf("d9") {
		t.Errorf("exceptions %v", got)
	}
}

func TestRecordOwners(t *testing.T) {
	here, came := []scope.Owner{"p1"}, []scope.Owner{"p2"}
	for _, c := range []struct {
		conflict merge.Conflict
		want     []scope.Owner
	}{
		{merge.Conflict{}, here},
		{merge.Conflict{Incoming: true}, came},
		{merge.Conflict{Deletion: true}, came}, // of the row that comes back
		{merge.Conflict{Deletion: true, Incoming: true}, here},
	} {
		if got := scope.RecordOwners(c.conflict, here, came); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v", c.conflict, got)
		}
	}
}

func TestRowThatIsSaidToBePublic(t *testing.T) {
	_, n, p := hub(t)
	for i, call := range []func(merge.Peer, scope.Arrival){n.Settled, n.Waits} {
		a := came([]string{"p1", "p2"}[i])
		a.Public, a.News = true, false
		call(p, a)
		if !n.Public(a.Row).In() || n.Entry(p, scope.Owner(a.Row.Key)).In() {
			t.Errorf("%s is not public, or in the scope", a.Row.Key)
		}
	}
}

func TestBury(t *testing.T) {
	s, n, _ := hub(t)
	if got := n.Bury(rowOf("c1"), []scope.Owner{"p9"}); !slices.Equal(got, []scope.Owner{"p1"}) {
		t.Errorf("a row that is here: %v", got)
	}
	if got := n.Bury(rowOf("c9"), []scope.Owner{"p9"}); !slices.Equal(got, []scope.Owner{"p9"}) {
		t.Errorf("a row that never was: %v", got)
	}
	s.w.delete("h", "c1")
	s.seal()
	if got := n.Bury(rowOf("c1"), []scope.Owner{"p9"}); !slices.Equal(got, []scope.Owner{"p1"}) {
		t.Errorf("a row that is dead: %v", got)
	}
}

// waiting has a row of the child's wait at the hub that refers to a row which was deleted here.
func waitFor(t *testing.T) (*site, scope.Node, merge.Peer) {
	s, n, p := hub(t)
	n.Admit(p, "p1", 0)
	s.commit(false)
	s.w.delete("h", "p1")
	s.seal()
	s.w.target[1000] = "p1"
	s.wait[waitKey{"c7", "a", 0}] = waiting{Waiting: merge.Waiting{Incoming: merge.Incoming{Alive: true}}, val: [cols]value{0, 1000, 1001}}
	return s, n, p
}

func TestLeaveKeepsWhatWaitingRowsNeed(t *testing.T) {
	s, n, p := waitFor(t)
	if !n.Leave(p, "p1") || n.Leave(p, "p3") {
		t.Error("p1 leaves, and p3 never was in")
	}
	if !n.Sight(p, rowOf("p1")).In() {
		t.Error("the child is not sent the tombstone that it lacks")
	}
	if len(s.wait) != 1 {
		t.Fatal("nothing waits")
	}
}

func TestBeginKeepsWhatWaitingRowsNeed(t *testing.T) {
	s, n, p := waitFor(t)
	n.End(p)
	s.commit(false)
	n.Begin(p, nil)
	if !n.Sight(p, rowOf("p1")).In() {
		t.Error("the child is not sent the tombstone that it lacks")
	}
	if n.Sight(p, rowOf("p2")).In() {
		t.Error("p2 is in the scope")
	}
}

// A scope ends and begins again: what the child had all the time it has since when it had, the rest since the scope ended.
func TestEndAndBegin(t *testing.T) {
	s, n, p := hub(t)
	n.Admit(p, "p1", 0)
	s.commit(false)
	had := n.Sight(p, rowOf("c1"))
	n.End(p)
	s.commit(false)
	ended := n.Child(p).Since
	if !n.Child(p).Due(ended-1) || n.Child(p).Due(ended) {
		t.Error("the child is not told once")
	}
	n.End(p) // it has everything already
	if n.Child(p).Since != ended {
		t.Error("a scope ends twice")
	}
	for key, want := range map[string]scope.Sight{"c1": had, "p2": scope.Sight(ended), "k1": scope.Always} {
		if got := n.Sight(p, rowOf(key)); got != want {
			t.Errorf("%s is in sight since %d, want %d", key, got, want)
		}
	}
	n.Begin(p, []scope.Owner{"p2"})
	s.commit(false)
	for key, want := range map[string]scope.Sight{"c1": scope.Out, "p2": scope.Sight(ended), "p3": scope.Out} {
		if got := n.Sight(p, rowOf(key)); got != want {
			t.Errorf("%s is in sight since %d, want %d", key, got, want)
		}
	}
	e1, e2, began := n.Entry(p, "p1"), n.Entry(p, "p2"), n.Child(p).Since
	if e1.Gone != began || !e1.Left(began-1) || e1.Left(began) || !e2.Entered(began-1) || e2.Entered(began) {
		t.Errorf("p1 %+v, p2 %+v, began %d", e1, e2, began)
	}
	n.Begin(p, nil)
	if !n.Entry(p, "p2").In() {
		t.Error("a scope begins twice")
	}
}

func TestRuleTakesOutWhomItBrought(t *testing.T) {
	s, n, p := hub(t)
	n.Admit(p, "p1", 0)
	s.commit(false)
	plan := n.Plan(p, []scope.Owner{"p3", "p1", "p2", "p3"})
	if want := (scope.Change{Enter: []scope.Owner{"p2", "p3"}}); !reflect.DeepEqual(plan, want) {
		t.Fatalf("%v", plan)
	}
	n.Fill(p, plan)
	s.commit(false)
	n.Settled(p, came("p3"))
	plan = n.Plan(p, nil)
	if want := (scope.Change{Leave: []scope.Owner{"p2"}}); !reflect.DeepEqual(plan, want) {
		t.Fatalf("%v", plan)
	}
	n.Fill(p, plan)
	if n.Entry(p, "p2").In() || !n.Entry(p, "p1").In() || !n.Entry(p, "p3").In() {
		t.Error("more leave than the rule brought, or less")
	}
	n.End(p)
	if plan := n.Plan(p, []scope.Owner{"p2"}); len(plan.Enter)+len(plan.Leave) > 0 {
		t.Errorf("a child without a scope: %v", plan)
	}
}

// A rule that is asked of some owners changes nothing for others, and one that takes out most waits for a person.
func TestRuleOfSome(t *testing.T) {
	s, n, p := hub(t)
	n.Fill(p, n.PlanOf(p, nil, []scope.Owner{"p1", "p2"}))
	s.commit(false)
	if c, want := n.PlanOf(p, []scope.Owner{"p2", "p2", "p3"}, []scope.Owner{"p3"}), (scope.Change{Enter: []scope.Owner{"p3"}, Leave: []scope.Owner{"p2"}}); !reflect.DeepEqual(c, want) {
		t.Errorf("%v", c)
	}
	for _, x := range []struct {
		leave, brought int
		want           bool
	}{{20, 20, false}, {21, 42, false}, {21, 41, true}, {1000, 2001, false}} {
		if got := (scope.Change{Leave: make([]scope.Owner, x.leave)}).TakesMost(x.brought); got != x.want {
			t.Errorf("%d of %d leave: %v", x.leave, x.brought, got)
		}
	}
	for _, x := range []struct {
		rule scope.Rule
		good bool
	}{{scope.Rule{Location: "Ahero", Encounters: 3}, true}, {scope.Rule{Program: "HIV"}, true}, {scope.Rule{Attribute: "Clinic", Value: "Ahero"}, true}, {scope.Rule{}, false},
		{scope.Rule{Location: "Ahero", Program: "HIV"}, false}, {scope.Rule{Program: "HIV", Encounters: 1}, false}, {scope.Rule{Location: "Ahero", Encounters: 21}, false},
		{scope.Rule{Attribute: "Clinic"}, false}, {scope.Rule{Program: "HIV", Value: "x"}, false}} {
		if err := x.rule.Check(); (err == nil) != x.good {
			t.Errorf("%v: %v", x.rule, err)
		}
	}
}

func TestSettledBringsTheOwnersItCameWith(t *testing.T) {
	_, n, p := hub(t)
	n.Settled(p, came("c1", "p2"))
	if !n.Entry(p, "p1").In() || !n.Entry(p, "p2").In() || n.Entry(p, "p3").In() {
		t.Error("not p1 and p2 are in the scope")
	}
	old := came("c1", "p3")
	old.News = false
	n.Settled(p, old)
	n.Waits(p, old)
	if n.Entry(p, "p3").In() {
		t.Error("a row with nothing new brings its owner")
	}
}

// A row that waits brings into sight all that it needs: a patient's own row the patient, whose tombstones the child may lack.
func TestWaitingBringsWhatItNeeds(t *testing.T) {
	_, n, p := hub(t)
	a := came("p2")
	n.Waits(p, a)
	if !n.Entry(p, "p2").In() {
		t.Error("a patient's own row waits, and the patient is not in scope")
	}
	a = came("o1", "p1")
	a.Needs = []scope.Row{rowOf("c9")}
	n.Waits(p, a)
	if !n.Entry(p, "p1").In() || !n.Sight(p, rowOf("c9")).In() {
		t.Error("what a row needs is out of sight")
	}
}

func TestWaitingUserMakesPublic(t *testing.T) {
	_, n, p := hub(t)
	n.Waits(p, came("u1", "p2"))
	if !n.Public(rowOf("p2")).In() || n.Entry(p, "p2").In() {
		t.Error("the person is not public, or in the scope")
	}
}
