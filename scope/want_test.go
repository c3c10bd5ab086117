package scope_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/scope"
)

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
		if got := n.SendsRecord(p, scope.Record{Row: rowOf(c.key), Owners: c.owners, Over: p + 1, Epoch: 9}); got != c.want {
			t.Errorf("record of %s of %v: %v", c.key, c.owners, got)
		}
	}
	if !n.SendsRecord(p, scope.Record{Row: rowOf("c9"), Over: p, Epoch: 9}) || n.SendsRecord(p, scope.Record{Row: rowOf("c9"), Owners: []scope.Owner{"p2"}, Over: p, Epoch: 9}) {
		t.Error("what the child's own batch lost, and nobody knows whose it was, goes there; what is another patient's does not")
	}
	n.SetChild(p, scope.Child{Since: 9})
	if n.SendsRecord(p, scope.Record{Row: rowOf("c9"), Over: p, Epoch: 9}) {
		t.Error("what was recorded before the child had its scope goes there")
	}
	n.End(p)
	if !n.SendsRecord(p, scope.Record{Row: rowOf("c1")}) {
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

// A refusal is told in each batch until the child has acknowledged it.
func TestDeny(t *testing.T) {
	s, n, p := hub(t)
	s.children[p] = scope.Child{Approve: true}
	n.Request(p, []scope.Owner{"p1"}, 0, 0, true)
	if n.Deny(p, "p2") || !n.Deny(p, "p1") {
		t.Error("who did not ask is refused, or who asked is not")
	}
	e := n.Entry(p, "p1")
	if e.Asked || e.In() || !e.Refused(e.Denied-1) || e.Refused(e.Denied) {
		t.Errorf("refused: %+v", e)
	}
}

func TestHear(t *testing.T) {
	w := newWorld(trees[0], merge.Newest, nil)
	s := w.sites["a"]
	n := s.node()
	for _, o := range []scope.Owner{"p1", "p2", "p3"} {
		n.Ask(o)
	}
	n.Hear(scope.Said{Entered: []scope.Owner{"p1"}, Denied: []scope.Owner{"p2"}}, 4, 2, true)
	if n.Held("p1") != 4 || n.Held("p2") != 0 {
		t.Errorf("holds %v", n.Holds())
	}
	if got := n.Asks(); !slices.Equal(got, []scope.Owner{"p3"}) {
		t.Errorf("asks for %v", got)
	}
	n.Hear(scope.Said{Left: []scope.Owner{"p1"}, Purge: []scope.Owner{"p1"}}, 6, 3, true)
	if n.Held("p1") != 0 || n.Purging("p1") != (scope.Purge{Told: 6, Ack: 3}) {
		t.Errorf("holds %v, purges %+v", n.Holds(), n.Purging("p1"))
	}
	n.Hear(scope.Said{Entered: []scope.Owner{"p1"}}, 7, 3, true)
	if n.Purging("p1") != (scope.Purge{}) {
		t.Error("who entered again is purged")
	}
	n.Hear(scope.Said{Left: []scope.Owner{"p1"}, Purge: []scope.Owner{"p1"}}, 8, 3, false)
	if u := n.Purging("p1"); u.Ack != 0 {
		t.Errorf("an acknowledgement of before a restore counts: %+v", u)
	}
	n.Hear(scope.Said{Left: []scope.Owner{"p1"}}, 9, 3, true)
	if n.Purging("p1") != (scope.Purge{}) {
		t.Error("a purge that is not said again is not called off")
	}
	n.SetPurging("p1", scope.Purge{Told: 9, Done: true})
	n.Hear(scope.Said{Left: []scope.Owner{"p1"}}, 10, 3, true)
	if !n.Purging("p1").Done {
		t.Error("it is forgotten that the patient's rows are deleted")
	}
}

// A row that leaves its owner for another, or for nobody, calls off the owner's purge: the child does not know that it has.
func TestPurgeIsCalledOff(t *testing.T) {
	for _, c := range []struct {
		what string
		do   func(w *world)
		off  bool
	}{
		{"a row moves to another patient", func(w *world) { w.set("h", "c1", 1, "p2") }, true},
		{"a row comes to be nobody's", func(w *world) { w.set("h", "c1", 1, "") }, true},
		{"a row that was dead comes back as another's", func(w *world) {
			w.delete("h", "c1")
			w.sites["h"].seal()
			w.insert("h", "c1", 1)
		}, true},
		{"a row dies", func(w *world) { w.delete("h", "c1") }, false},
		{"a row changes", func(w *world) { w.set("h", "c1", 2, "") }, false},
	} {
		s, n, p := hub(t)
		n.Admit(p, "p1", 0)
		s.commit(false)
		n.Purge(p, rowOf("p1"))
		s.commit(false)
		left := n.Entry(p, "p1")
		c.do(s.w)
		s.seal()
		now := n.Entry(p, "p1")
		if now.In() || now.Purge == c.off || now.Left(left.Gone) != c.off {
			t.Errorf("%s: %+v, and it was %+v", c.what, now, left)
		}
	}
}

// A middle node gets a scope: it holds whom it is told of alone, and asks for whom its children have.
func TestHearOfAScopeThatBegins(t *testing.T) {
	w := newWorld(trees[4], merge.Newest, nil)
	s := w.sites["a"]
	n, p := s.node(), s.links["d"].peer
	s.children[p] = scope.Child{}
	n.Hear(scope.Said{Entered: []scope.Owner{"p1", "p2"}}, 1, 0, true)
	n.Hear(scope.Said{Whole: true}, 2, 0, true)
	n.Admit(p, "p1", 0)
	n.Admit(p, "p3", 0)
	n.Leave(p, "p4")
	for _, o := range n.Wants() {
		n.SetWant(o, false)
	}
	n.Hear(scope.Said{Entered: []scope.Owner{"p4"}}, 3, 0, true)
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
	w.insert("a", "p1", 0)
	s.seal()
	w.insert("a", "p2", 0)
	s.seal()
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
	n.Hear(scope.Said{Left: []scope.Owner{"p1"}, Purge: []scope.Owner{"p1"}}, 3, 1, true)
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
	dead := map[scope.Row]scope.Place{rowOf("p3"): {Kind: scope.Own}, rowOf("c3"): {Kind: scope.Owned, Owners: []scope.Owner{"p3"}}}
	if n := n.Before(dead); n.Purges("p3", rowOf("p3")) || n.Purges("p3", rowOf("c3")) {
		t.Error("a tombstone goes")
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
	n.Hear(scope.Said{Left: []scope.Owner{"p1"}, Purge: []scope.Owner{"p1"}}, 3, 1, true)
	n.Ask("p1")
	if n.MayPurge("p1", false, false) {
		t.Error("who is asked for is purged")
	}
}

// What a child's requests make its parent keep is counted, once.
func TestRequestsAreCounted(t *testing.T) {
	s, n, p := hub(t)
	n.Admit(p, "p1", 0)
	wants := []scope.Owner{"p1", "p2", "nobody"}
	count := func(what string, want ...scope.Owner) {
		t.Helper()
		if got := n.Request(p, wants, 0, 0, true); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	count("of whom two are not in its scope", "p2", "nobody")
	count("again")
	s, n, p = hub(t)
	s.children[p] = scope.Child{Approve: true}
	count("a person is to answer", "p1", "p2", "nobody")
	count("again")
	s, n, p = hub(t)
	s.children[p] = scope.Child{All: true}
	count("it has everything, and so has its parent, which has none")
	w := newWorld(trees[4], merge.Newest, nil)
	s = w.sites["h"]
	n, p = s.node(), s.links["a"].peer
	s.children[p] = scope.Child{All: true}
	count("it has everything that its parent has", "p1", "p2", "nobody")
	count("again")
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
	s.node().Hear(scope.Said{Entered: asks}, 1, 1, true)
	if got := s.node().Asks(); len(got) != 7 {
		t.Errorf("%d follow", len(got))
	}
}
