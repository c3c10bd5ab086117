package merge_test

import (
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"testing"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/merge"
)

// rules are those of the simulated table on the link to a peer.
func (s *site) rules(peer string) access.Rules {
	ends := access.Ends{Self: s.name, Peer: peer}
	if l := s.links[s.parent]; l != nil {
		ends.Parents = append(ends.Parents, l.peer)
	}
	return access.On(access.Table{Direction: s.w.direction}, s.links[peer].peer, s.roleOf(peer)).Between(ends)
}

func (s *site) roleOf(peer string) access.Role {
	if peer == s.parent {
		return access.Parent
	}
	return access.Child
}

// goes reports whether a row, or its deletion, goes to a peer. lost: the peer has nothing of it, or has lost it; answer: the peer's version of
// it was refused.
func (s *site) goes(to string, e entry, base uint64, knows merge.Peer, lost, answer bool) bool {
	r := s.rules(to)
	if r.SendsBack() {
		return e.Alive && r.GoesBack(e.Row, lost, base) || e.Known && !e.Alive && r.DeletionGoesBack(e.Dead, lost, base)
	}
	if !e.NewerThan(base, knows) && !answer {
		return false
	}
	return e.Alive && r.SendsRow(e.Row, false) || !e.Alive && r.SendsDeletion(e.Dead)
}

func (s *site) outgoing(to string, e entry) ([]merge.SentGroup, merge.Sent) {
	groups, dead := e.Outgoing(s.links[to].peer)
	if r := s.rules(to); e.Alive && r.GoesBack(e.Row, true, 0) {
		groups = r.Theirs(groups)
	}
	return groups, dead
}

// takesBack reports whether a row of a table that goes up only is taken from the parent, and leaves of it what is.
func (s *site) takesBack(from string, e entry, q *waiting) bool {
	r := s.rules(from)
	if !r.TakesBack() {
		return false
	}
	if !q.Alive {
		return r.TakesDeletionBack(e.Row, q.Dead)
	}
	q.Groups = r.Back(e.Row, q.Groups)
	return len(q.Groups) > 0
}

// refuse leaves out a row of a peer that may not change it, and remembers to answer.
func (s *site) refuse(key, from string, q waiting, im *merge.Import) (wrote bool) {
	e := s.rows[key]
	if !e.here || q.Alive && q.val == e.val || !s.rules(from).Answers() {
		return false
	}
	if s.refused[from] == nil {
		s.refused[from] = map[string]uint64{}
	}
	s.refused[from][key] = im.Epoch
	return true
}

// mayEdit reports whether what the site's application does to a row is for others too: an edit of what only flows down stays where it is.
func (s *site) mayEdit(key string) bool {
	return s.parent == "" || s.rules(s.parent).SendsRow(s.rows[key].Row, false)
}

// TestAddTable runs schedules with a table to which children may add rows, two of them at times the same one, or their parent too; they edit rows
// that they take for theirs and delete any; backups are restored, clocks wrong, policies differ. In the end all are equal and silent, whatever
// was refused on the way.
func TestAddTable(t *testing.T) {
	if seed := os.Getenv("OMSYNC_SEED"); seed != "" {
		n, _ := strconv.ParseInt(seed, 10, 64)
		_, fault := addSchedule(n, func(f string, a ...any) { fmt.Printf(f+"\n", a...) })
		t.Fatal(fault)
	}
	n := int64(20_000)
	if testing.Short() {
		n = 1000
	}
	if s := schedules(t); s > 0 {
		n = s
	}
	refused, failed := 0, 0
	for seed := range n {
		r, fault := addSchedule(seed, nil)
		if refused += r; fault != "" {
			t.Errorf("schedule %d: %s", seed, fault)
			if failed++; failed > 10 {
				break
			}
		}
	}
	if t.Logf("%d schedules, %d rows refused", n, refused); refused < int(n)/10 {
		t.Error("that is too few")
	}
}

func addSchedule(seed int64, talk func(string, ...any)) (refused int, fault string) {
	r := rand.New(rand.NewSource(seed))
	w := newWorld(trees[r.Intn(len(trees))], merge.Newest, talk)
	w.direction = access.Add
	w.mixPolicies(r)
	w.newest = false // a parent's version wins with whatever stamp
	w.strict = r.Intn(2) == 0
	keys := []string{"p1", "p2", "p3", "p4"}
	node := func() string { return w.names[r.Intn(len(w.names))] }
	if r.Intn(2) == 0 {
		for _, n := range w.names {
			if r.Intn(2) == 0 {
				w.found(n, keys[r.Intn(2)])
			}
		}
	}
	restores, skews := r.Intn(2) == 0, r.Intn(2) == 0
	for i := 10 + r.Intn(50); i > 0; i-- {
		w.now++
		l := w.links[r.Intn(len(w.links))]
		switch x := r.Float64(); {
		case restores && x < .06:
			if n := node(); r.Intn(3) == 0 {
				w.restore(n)
			} else {
				w.backups[n] = w.sites[n].backup()
				w.tell("backup of %s", n)
			}
		case x < .40:
			w.addApplication(r, node(), keys[r.Intn(len(keys))])
		case x < .65:
			w.send(r, l, merge.ExportRequest{SinceSent: r.Intn(4) == 0, Full: r.Intn(12) == 0}, true)
		case x < .92:
			w.arrive(r, l)
		case x < .94:
			w.quiet(r, 25)
		case skews:
			w.skew[node()] = []int64{-1000, -100, -15, 15, 100, 1000}[r.Intn(6)]
		}
	}
	w.tell("-- quiet")
	silent, stuck := w.quiet(r, 120)
	for _, s := range w.sites {
		for _, rows := range s.refused {
			refused += len(rows)
		}
	}
	if fault := w.check(silent, stuck); fault != "" {
		return refused, fault
	}
	return refused, w.checkAdders()
}

// checkAdders: each site knows whose a row is that one site alone inserted, whatever was refused, stamped anew and sent again.
func (w *world) checkAdders() string {
	by := map[string]string{}
	for _, a := range w.inserts {
		if was, ok := by[a.key]; ok && was != a.site {
			by[a.key] = ""
		} else {
			by[a.key] = a.site
		}
	}
	for key, site := range by {
		if site == "" || w.restores > 0 {
			continue
		}
		for _, n := range w.names {
			s := w.sites[n]
			if e := s.rows[key]; e.here && e.Alive && s.peerNamed(e.AddedBy()) != s.towards(site) {
				return fmt.Sprintf("another's row: %s at %s is of %q, and %s inserted it", key, n, s.peerNamed(e.AddedBy()), site)
			}
		}
	}
	return ""
}

func (s *site) peerNamed(p merge.Peer) string {
	for n, l := range s.links {
		if l.peer == p {
			return n
		}
	}
	return ""
}

// towards returns the neighbour by way of which another site is reached; "" for the site itself.
func (s *site) towards(other string) string {
	if other == s.name {
		return ""
	}
	for at := other; at != ""; at = s.w.sites[at].parent {
		if s.w.sites[at].parent == s.name {
			return at
		}
	}
	return s.parent
}

// addApplication does something to a row that is not deleted for good. What two sites added is not deleted: a child that goes on with its own
// one where its parent has deleted another's may not bring it back.
func (w *world) addApplication(r *rand.Rand, site, key string) {
	s := w.sites[site]
	adders := map[string]bool{}
	for _, a := range w.inserts {
		if a.key == key {
			adders[a.site] = true
		}
	}
	for _, d := range w.deletions {
		if d.key == key {
			adders["deleted"] = true
		}
	}
	switch x := r.Float64(); {
	case x < .1 && len(adders) == 1:
		w.delete(site, key)
	case x < .4 && !adders["deleted"]:
		w.insert(site, key, 0)
	case s.mayEdit(key):
		w.edit(site, key, merge.Bit(1+r.Intn(cols-1)), 0)
	}
}
