package scope_test

import (
	"fmt"
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
		if n.SendsRecord(1, rowOf("c1"), []scope.Owner{"p1"}) || n.SendsRecord(1, rowOf("c1"), nil) {
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

func TestSendsRecord(t *testing.T) {
	_, n, p := hub(t)
	n.Admit(p, "p1", 0)
	n.Publish(rowOf("p3"))
	for _, c := range []struct {
		key    string
		owners []scope.Owner
		want   bool
	}{
		{"c1", []scope.Owner{"p1"}, true},
		{"c1", []scope.Owner{"p2"}, false},
		{"r1", []scope.Owner{"p1", "p2"}, false},
		{"c1", nil, false},
		{"p3", []scope.Owner{"p3"}, true},
		{"c1", []scope.Owner{"p3"}, false}, // who is public is not in scope
		{"u1", nil, true},
		{"k1", nil, true},
	} {
		if got := n.SendsRecord(p, rowOf(c.key), c.owners); got != c.want {
			t.Errorf("record of %s of %v: %v", c.key, c.owners, got)
		}
	}
	n.End(p)
	if !n.SendsRecord(p, rowOf("c1"), nil) {
		t.Error("not to a child without a scope")
	}
}

func TestRequestFromBefore(t *testing.T) {
	s, n, p := hub(t)
	n.Admit(p, "p1", 0)
	s.commit(false)
	n.Leave(p, "p1")
	s.commit(false)
	gone := n.Entry(p, "p1").Gone
	for _, c := range []struct {
		ack   uint64
		valid bool
		want  bool
	}{{gone - 1, true, false}, {gone, false, false}, {gone, true, true}} {
		n.Request(p, []scope.Owner{"p1"}, 0, c.ack, c.valid)
		if got := n.Entry(p, "p1").In(); got != c.want {
			t.Errorf("asked with ack %d of %d, valid %v: in scope %v", c.ack, gone, c.valid, got)
		}
	}

	s, n, p = hub(t)
	s.children[p] = scope.Child{Approve: true}
	n.Request(p, []scope.Owner{"p2"}, 0, 0, true)
	if !n.Deny(p, "p2") || n.Deny(p, "p2") || n.Deny(p, "p3") {
		t.Error("what was asked is denied once")
	}
	s.commit(false)
	denied := n.Entry(p, "p2").Denied
	for ack, want := range map[uint64]bool{denied - 1: false, denied: true} {
		e := n.Entry(p, "p2")
		e.Asked = false
		n.SetEntry(p, "p2", e)
		n.Request(p, []scope.Owner{"p2"}, 0, ack, true)
		if got := n.Entry(p, "p2").Asked; got != want {
			t.Errorf("asked again with ack %d of %d: %v", ack, denied, got)
		}
	}

	s, n, p = hub(t)
	n.End(p)
	s.commit(false)
	n.Begin(p, nil)
	s.commit(false)
	began := n.Child(p).Since
	n.Request(p, []scope.Owner{"p3"}, 0, began-1, true)
	if n.Entry(p, "p3").In() {
		t.Error("what was asked before the scope began counts")
	}
	n.Request(p, []scope.Owner{"p3"}, 0, began, true)
	if !n.Entry(p, "p3").In() {
		t.Error("what was asked since does not")
	}
}

func TestApprove(t *testing.T) {
	s, n, p := hub(t)
	s.children[p] = scope.Child{Approve: true}
	n.Request(p, []scope.Owner{"p1", "p2"}, 0, 0, true)
	if e := n.Entry(p, "p1"); e.In() || !e.Asked {
		t.Errorf("asked: %+v", e)
	}
	n.Admit(p, "p1", 0)
	if e := n.Entry(p, "p1"); !e.In() || e.Asked {
		t.Errorf("admitted: %+v", e)
	}
	n.Request(p, []scope.Owner{"p1"}, 0, 0, true)
	if e := n.Entry(p, "p1"); !e.In() || e.Asked {
		t.Errorf("who is in scope is answered: %+v", e)
	}
	n.Settled(p, came("p2"))
	if e := n.Entry(p, "p2"); !e.In() || e.Asked {
		t.Errorf("who is written about: %+v", e)
	}
}

func TestHear(t *testing.T) {
	w := newWorld(trees[0], merge.Newest, nil)
	s := w.sites["a"]
	n := s.node()
	for _, o := range []scope.Owner{"p1", "p2", "p3"} {
		n.Ask(o)
	}
	n.Hear(scope.Said{Entered: []scope.Owner{"p1"}, Denied: []scope.Owner{"p2"}}, 4, 2)
	if n.Held("p1") != 4 || n.Held("p2") != 0 {
		t.Errorf("holds %v", n.Holds())
	}
	if got := n.Asks(); !slices.Equal(got, []scope.Owner{"p3"}) {
		t.Errorf("asks for %v", got)
	}
	n.Hear(scope.Said{Left: []scope.Owner{"p1"}, Purge: []scope.Owner{"p1"}}, 6, 3)
	if n.Held("p1") != 0 || n.Purging("p1") != (scope.Purge{Told: 6, Ack: 3}) {
		t.Errorf("holds %v, purges %+v", n.Holds(), n.Purging("p1"))
	}
	n.Hear(scope.Said{Entered: []scope.Owner{"p1"}}, 7, 3)
	if n.Purging("p1") != (scope.Purge{}) {
		t.Error("who entered again is purged")
	}
}

// A middle node gets a scope: it holds whom it is told of alone, and asks for whom its children have.
func TestHearOfAScopeThatBegins(t *testing.T) {
	w := newWorld(trees[4], merge.Newest, nil)
	s := w.sites["a"]
	n, p := s.node(), s.links["d"].peer
	s.children[p] = scope.Child{}
	n.Hear(scope.Said{Entered: []scope.Owner{"p1", "p2"}}, 1, 0)
	n.Hear(scope.Said{Whole: true}, 2, 0)
	n.Admit(p, "p1", 0)
	n.Admit(p, "p3", 0)
	n.Leave(p, "p4")
	for _, o := range n.Wants() {
		n.SetWant(o, false)
	}
	n.Hear(scope.Said{Entered: []scope.Owner{"p4"}}, 3, 0)
	if got := n.Holds(); !slices.Equal(got, []scope.Owner{"p4"}) || n.Whole() {
		t.Errorf("holds %v, whole %v", got, n.Whole())
	}
	if got := n.Asks(); !slices.Equal(got, []scope.Owner{"p1", "p3"}) {
		t.Errorf("asks for %v", got)
	}
}

// Who is in a child's scope is asked for upwards, also where a scope begins, and one that ends answers what a person had not.
func TestScopeThatBeginsOrEndsAsksUpwards(t *testing.T) {
	w := newWorld(trees[4], merge.Newest, nil)
	s := w.sites["a"]
	n, p := s.node(), s.links["d"].peer
	n.Begin(p, []scope.Owner{"p1"})
	s.commit(false)
	if got := n.Entry(p, "p1").Since; got != uint64(scope.Always) {
		t.Errorf("who stays is in scope since %d", got)
	}
	if got := n.Asks(); !slices.Equal(got, []scope.Owner{"p1"}) {
		t.Errorf("asks for %v", got)
	}
	c := n.Child(p)
	c.Approve = true
	n.SetChild(p, c)
	n.Request(p, []scope.Owner{"p2"}, 9, 9, true)
	if n.Want("p2") {
		t.Error("asks for whom nobody approved")
	}
	n.End(p)
	if got := n.Asks(); !slices.Equal(got, []scope.Owner{"p1", "p2"}) || n.Entry(p, "p2").Asked {
		t.Errorf("asks for %v", got)
	}
}

func TestPurge(t *testing.T) {
	s, n, p := hub(t)
	n.Admit(p, "p1", 0)
	s.commit(false)
	if n.Purge(p, rowOf("p2")) || !n.Purge(p, rowOf("p1")) {
		t.Error("p1 leaves, and p2 was not in")
	}
	n.Admit(p, "p9", 0)
	if n.Purge(p, rowOf("p9")) || !n.Entry(p, "p9").In() {
		t.Error("who is not here is purged")
	}
	if e := n.Entry(p, "p1"); !e.Purged(0) || e.Purged(e.Gone) || e.In() {
		t.Errorf("%+v", e)
	}
	n.Admit(p, "p1", 0)
	if e := n.Entry(p, "p1"); e.Purged(0) {
		t.Errorf("entered again: %+v", e)
	}

	w := newWorld(trees[0], merge.Newest, nil)
	s = w.sites["a"]
	n = s.node()
	w.insert("a", "p1", 0)
	w.insert("a", "c1", 0)
	s.seal()
	n.Hear(scope.Said{Left: []scope.Owner{"p1"}, Purge: []scope.Owner{"p1"}}, 3, 1)
	if n.MayPurge("p1", true, false) || n.MayPurge("p1", false, true) || n.MayPurge("p2", false, false) || !n.MayPurge("p1", false, false) {
		t.Error("a parent purges, or what is pending is purged, or who is not told of, or nobody")
	}
	if !n.Purges("p1", rowOf("c1")) || n.Purges("p2", rowOf("c1")) {
		t.Error("not the patient's rows go")
	}
	n.Publish(rowOf("p1"))
	if n.Purges("p1", rowOf("p1")) {
		t.Error("a public row goes")
	}
	u := n.Purging("p1")
	u.Done = true
	n.SetPurging("p1", u)
	if n.MayPurge("p1", false, false) {
		t.Error("purged twice")
	}
	if n.Rejoin(3) || !n.Rejoin(2) || n.Rejoin(0) {
		t.Error("the parent that was restored to before believes that this node has the rows")
	}
	n.Hear(scope.Said{Left: []scope.Owner{"p1"}, Purge: []scope.Owner{"p1"}}, 3, 1)
	n.Ask("p1")
	if n.MayPurge("p1", false, false) {
		t.Error("who is asked for is purged")
	}
}

// A header asks for no more than it may.
func TestRequestIsBounded(t *testing.T) {
	s, n, p := hub(t)
	var wants []scope.Owner
	for i := range scope.MaxWants + 7 {
		wants = append(wants, scope.Owner(fmt.Sprint("p", i)))
	}
	n.Request(p, wants, 0, 0, true)
	if got := len(s.Entries(p)); got != scope.MaxWants {
		t.Errorf("%d enter", got)
	}
}

// A child that asks for very many is answered in turns.
func TestAsksNoMoreThanMax(t *testing.T) {
	w := newWorld(trees[0], merge.Newest, nil)
	s := w.sites["a"]
	for i := range scope.MaxWants + 7 {
		s.SetWant(scope.Owner(string(rune('p'))+string(rune(i+1000))), true)
	}
	asks := s.node().Asks()
	if len(asks) != scope.MaxWants {
		t.Fatalf("%d", len(asks))
	}
	s.node().Hear(scope.Said{Entered: asks}, 1, 1)
	if got := s.node().Asks(); len(got) != 7 {
		t.Errorf("%d follow", len(got))
	}
}
