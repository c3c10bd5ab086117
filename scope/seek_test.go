package scope_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/scope"
)

// called makes identifiers mean what a test says.
type called struct {
	scope.Store
	who map[string]scope.Identity
}

func (c called) Who(identifier string) scope.Identity { return c.who[identifier] }

func TestIdentify(t *testing.T) {
	s, n, p := hub(t)
	n.Store = called{s, map[string]scope.Identity{
		"one":     {Owners: []scope.Owner{"p1"}},
		"two":     {Owners: []scope.Owner{"p2", "p3"}},
		"voided":  {Voided: true},
		"mixed":   {Owners: []scope.Owner{"p2"}, Voided: true},
		"keyless": {Owners: []scope.Owner{"p2"}, Keyless: true},
	}}
	if _, vain := n.Identify(p, []string{"one", "two", "voided", "mixed", "keyless", "none", ""}, 0, 0, true); vain != 4 {
		t.Errorf("%d brought nobody", vain)
	}
	if kept, vain := n.Identify(p, []string{"two", "none"}, 0, 0, true); len(kept)+vain != 0 {
		t.Errorf("asked again before it heard: %v, %d", kept, vain)
	}
	for name, want := range map[string]scope.Reply{"one": {Answer: scope.Found, Owner: "p1"}, "two": {Answer: scope.Several}, "voided": {Answer: scope.Voided},
		"mixed": {Answer: scope.Found, Owner: "p2"}, "keyless": {Answer: scope.Keyless}, "none": {Answer: scope.Nobody}, "": {}} {
		got := n.Reply(p, name)
		if got.At != 0 {
			want.At = s.next()
		}
		if got != want {
			t.Errorf("%q: %+v, not %+v", name, got, want)
		}
	}
	if !n.Entry(p, "p1").In() || !n.Entry(p, "p2").In() || n.Entry(p, "p3").In() {
		t.Errorf("in scope: %v", n.Entries(p))
	}
	if r := n.Reply(p, "one"); r.Told(r.At) || !r.Told(r.At-1) {
		t.Error("told of what the child has heard, or not of what it has not")
	}
}

// Who left is not brought back by a file from before, and what was answered is not looked for again until the child has heard it.
func TestIdentifyFromBefore(t *testing.T) {
	s, n, p := hub(t)
	who := map[string]scope.Identity{"one": {Owners: []scope.Owner{"p1"}}}
	n.Store = called{s, who}
	n.Admit(p, "p1", 0)
	s.commit(false)
	n.Leave(p, "p1")
	s.commit(false)
	gone := n.Entry(p, "p1").Gone
	n.Identify(p, []string{"one"}, gone-1, gone-1, true)
	if n.Entry(p, "p1").In() {
		t.Error("a file from before the leave brings the patient back")
	}
	who["one"] = scope.Identity{}
	answered := n.Reply(p, "one").At
	n.Identify(p, []string{"one"}, answered-1, answered-1, true)
	if got := n.Reply(p, "one").Answer; got != scope.Found {
		t.Errorf("looked for again before it is heard: %v", got)
	}
	s.commit(false)
	n.Identify(p, []string{"one"}, answered, answered, true)
	if got := n.Reply(p, "one").Answer; got != scope.Nobody {
		t.Errorf("asked again: %v", got)
	}
	n.Identify(p, nil, s.next(), s.next(), true)
	if got := n.Replies(p); len(got) > 0 {
		t.Errorf("what was heard is kept: %v", got)
	}
}

func TestIdentifyApproves(t *testing.T) {
	s, n, p := hub(t)
	s.children[p] = scope.Child{Approve: true}
	n.Store = called{s, map[string]scope.Identity{"one": {Owners: []scope.Owner{"p1"}}}}
	n.Identify(p, []string{"one"}, 0, 0, true)
	if e := n.Entry(p, "p1"); e.In() || !e.Asked || n.Reply(p, "one").Answer != scope.Waits {
		t.Errorf("%+v, answered %v", e, n.Reply(p, "one"))
	}
	n.Request(p, []scope.Owner{"p2"}, 0, 0, true)
	if r := n.Reply(p, "p2"); r.Answer != scope.Waits || r.Owner != "p2" {
		t.Errorf("a request by key: %+v", r)
	}

	w := newWorld(trees[0], merge.Newest, nil)
	c := w.sites["a"].node()
	c.Seek("one")
	c.Ask("p2")
	waits := scope.Reply{Answer: scope.Waits, Owner: "p1"}
	c.Hear(scope.Said{Replies: map[string]scope.Reply{"one": waits, "p2": {Answer: scope.Waits, Owner: "p2"}, "p3": {Answer: scope.Waits, Owner: "p3"}, "two": waits}}, 3, 1, true)
	if c.Sought("one") != waits || c.Sought("p2").Answer != scope.Waits || c.Sought("p3").Answer+c.Sought("two").Answer != 0 || !c.Want("p1") {
		t.Errorf("heard: %v, wants %v", c.AllSought(), c.Wants())
	}
	c.Hear(scope.Said{Denied: []scope.Owner{"p2"}}, 4, 1, true)
	if c.Want("p2") || c.Sought("p2").Answer != scope.NotAsked {
		t.Error("a person answered, and it waits still")
	}
	c.Hear(scope.Said{Replies: map[string]scope.Reply{"one": {Answer: scope.Nobody}}}, 5, 1, true)
	if c.Sought("one") != waits {
		t.Error("answered twice")
	}
	c.Seek("new")
	c.Hear(scope.Said{Replies: map[string]scope.Reply{"new": {Answer: scope.Keyless + 1}}}, 6, 1, true)
	if got := c.Seeks(); !slices.Equal(got, []string{"new"}) {
		t.Errorf("asks for %v", got)
	}
}

// A node in the middle passes on what it cannot answer, and answers its child with what it is answered.
func TestIdentifyThroughTheMiddle(t *testing.T) {
	w := newWorld(trees[4], merge.Newest, nil)
	s := w.sites["a"]
	n, p := s.node(), s.links["d"].peer
	s.children[p] = scope.Child{}
	n.Identify(p, []string{"id-p1", "id-p2"}, 0, 0, true)
	if got := n.Seeks(); !slices.Equal(got, []string{"id-p1", "id-p2"}) || n.Reply(p, "id-p1").Answer != scope.Passed {
		t.Errorf("asks for %v, answered %+v", got, n.Reply(p, "id-p1"))
	}
	n.Hear(scope.Said{Replies: map[string]scope.Reply{"id-p1": {Answer: scope.Found, Owner: "p1"}, "id-p2": {Answer: scope.Several}}, Entered: []scope.Owner{"p1"}}, 4, 0, true)
	if r := n.Reply(p, "id-p1"); r.Answer != scope.Found || r.Owner != "p1" || !n.Entry(p, "p1").In() || n.Held("p1") != 4 || n.Want("p1") {
		t.Errorf("%+v, %+v, wants %v", r, n.Entry(p, "p1"), n.Wants())
	}
	if r := n.Reply(p, "id-p2"); r.Answer != scope.Several || len(n.Seeks()) > 0 {
		t.Errorf("%+v, asks for %v", r, n.Seeks())
	}
}

func TestSeeksAreBounded(t *testing.T) {
	s, n, p := hub(t)
	var many []string
	for i := range scope.MaxReplies + 9 {
		many = append(many, fmt.Sprint(i))
	}
	n.Identify(p, many, 0, 0, true)
	if got := len(n.Replies(p)); got != scope.MaxSeeks {
		t.Errorf("%d answers to one header", got)
	}
	for some := range slices.Chunk(many, scope.MaxSeeks) {
		n.Identify(p, some, 0, 0, true)
	}
	if got := len(n.Replies(p)); got != scope.MaxReplies {
		t.Errorf("%d answers are kept", got)
	}
	s.children[p] = scope.Child{Approve: true}
	n.Request(p, []scope.Owner{"p1"}, 0, 0, true)
	if n.Reply(p, "p1").Answer != scope.NotAsked || !n.Entry(p, "p1").Asked {
		t.Error("an answer beyond the bound, or no request")
	}

	w := newWorld(trees[0], merge.Newest, nil)
	c := w.sites["a"].node()
	for _, i := range many {
		c.Seek(i)
	}
	if got := len(c.AllSought()); got != scope.MaxReplies || c.Seek("another") {
		t.Errorf("asks for %d", got)
	}
	c.SetSought("7", scope.Reply{Answer: scope.Nobody})
	if !c.Seek("another") || c.Sought("7").Answer != scope.NotAsked {
		t.Error("what was answered keeps others out")
	}
	if got := len(c.Seeks()); got != scope.MaxSeeks {
		t.Errorf("a header asks for %d", got)
	}
}
