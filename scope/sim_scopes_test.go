package scope_test

import (
	"fmt"
	"math/rand"
	"slices"

	"github.com/omsync/omsync/scope"
)

// What people do with scopes: administrators of a node's parent, and users who ask for a patient.

// ask makes a node ask for a patient that it does not have.
func (w *world) ask(name, key string) {
	s := w.sites[name]
	if s.parent == "" || s.held[scope.Owner(key)] != 0 || s.whole && s.rows[key].Known {
		return
	}
	s.node().Ask(scope.Owner(key))
	w.reason.note(name, key)
	delete(w.still[name], key)
	w.tell("%s asks for %s", name, key)
}

// seek makes a node ask for a patient by an identifier.
func (w *world) seek(name, key string) {
	s := w.sites[name]
	if s.parent == "" {
		return
	}
	s.node().Seek("id-" + key)
	w.reason.note(name, key)
	delete(w.still[name], key)
	w.tell("%s asks for who is called %s", name, key)
}

// admit has a person bring a patient into a node's scope.
func (w *world) admit(name, key string) {
	s, p := w.end(name)
	if s == nil {
		return
	}
	s.seal()
	s.node().Admit(p, scope.Owner(key), s.links[name].Acked.Epoch)
	s.commit(false)
	w.reason.note(name, key)
	delete(w.still[name], key)
	w.tell("%s admits %s to %s", s.name, key, name)
}

// leave has a person take a patient out of a node's scope. purge: what the node has of the patient is to be deleted there.
func (w *world) leave(name, key string, purge bool) {
	s, p := w.end(name)
	w.blame(w.reasons(w.sites[name]))
	s.seal()
	if purge {
		if s.node().Purge(p, rowOf(key)) {
			w.gone(name, key)
			w.tell("and is purged there")
			for k, e := range s.rows {
				if slices.Contains(s.node().Owners(rowOf(k)), scope.Owner(key)) {
					e.Row = e.Reclaim(p, 0, s.Epoch())
					s.rows[k] = e
				}
			}
		}
	} else if s.node().Leave(p, scope.Owner(key)) {
		w.gone(name, key)
	}
	s.commit(false)
}

func (w *world) gone(name, key string) {
	s, _ := w.end(name)
	if w.settled(w.sites[name], s) && !w.sites[name].want[scope.Owner(key)] && w.sites[name].sought["id-"+key].Answer != scope.Open {
		w.still.note(name, key)
	}
	w.left.note(name, key)
	w.tell("%s leaves the scope of %s", key, name)
}

// settled reports whether all that a child has made its parent has, nothing of it waits there, and no file is under way.
func (w *world) settled(child, parent *site) bool {
	done := len(child.log) == 0
	for k := range parent.wait {
		done = done && k.peer != child.name
	}
	down, up := child.links[parent.name], parent.links[child.name]
	for _, f := range w.old[[2]string{parent.name, child.name}] {
		done = done && f.head.Upto.Epoch <= down.Applied.Epoch
	}
	for _, f := range w.old[[2]string{child.name, parent.name}] {
		done = done && f.head.Upto.Epoch <= up.Applied.Epoch
	}
	for _, e := range child.rows {
		if !e.Alive && e.Known {
			done = done && (e.Dead.From == down.peer || e.Dead.Epoch <= up.Applied.Epoch)
		}
		for _, g := range e.Groups {
			done = done && (g.From == down.peer || g.Epoch <= up.Applied.Epoch)
		}
	}
	return done
}

// answer has people answer all requests that wait at a node.
func (w *world) answer(r *rand.Rand, parent string) (some bool) {
	for _, name := range w.names {
		s, p := w.end(name)
		if s == nil || s.name != parent {
			continue
		}
		for _, o := range s.Entries(p) {
			if !s.entries[p][o].Asked {
				continue
			}
			some = true
			if r.Intn(3) > 0 {
				w.admit(name, string(o))
				continue
			}
			s.seal()
			s.node().Deny(p, o)
			s.commit(false)
			for n := name; n != ""; n = w.sites[n].parent {
				w.denied.note(n, string(o))
			}
			w.tell("%s denies %s to %s", parent, o, name)
		}
	}
	return some
}

// noteRule notes what a rule is about to change.
func (w *world) noteRule(name string, c scope.Change) {
	for _, o := range c.Enter {
		w.reason.note(name, string(o))
		delete(w.still[name], string(o))
		w.tell("a rule brings %s to %s", o, name)
	}
	for _, o := range c.Leave {
		w.gone(name, string(o))
	}
}

// begin gives a node a scope: whose rows it brought is in it.
func (w *world) begin(name string) {
	s, p := w.end(name)
	if s == nil || !s.children[p].All {
		return
	}
	s.seal()
	brought := map[scope.Owner]bool{}
	for k, e := range s.rows {
		for _, g := range e.Groups {
			if g.From == p && e.here {
				for _, o := range s.node().Owners(rowOf(k)) {
					brought[o] = true
				}
			}
		}
	}
	var owners []scope.Owner
	for _, k := range s.keys() {
		if o := scope.Owner(k); brought[o] {
			owners = append(owners, o)
			w.reason.note(name, k)
		} else if k[0] == 'p' {
			w.left.note(name, k)
		}
	}
	delete(w.still, name)
	for _, k := range []string{"p1", "p2", "p3", ""} {
		if !brought[scope.Owner(k)] {
			w.left.note(name, k)
		}
	}
	s.node().Begin(p, owners)
	s.commit(false)
	w.switched[name] = true
	w.tell("%s gets a scope at %s: %v", name, s.name, owners)
}

// end takes a node's scope away.
func (w *world) whole(name string) {
	s, p := w.end(name)
	if s == nil || s.children[p].All {
		return
	}
	s.seal()
	s.node().End(p)
	s.commit(false)
	w.switched[name] = true
	w.tell("%s gets everything at %s", name, s.name)
}

// again has a site send everything once more.
func (w *world) again(name string) {
	s := w.sites[name]
	s.seal()
	resent := map[uint64]bool{s.next(): true}
	for e := range s.resent {
		resent[e] = true
	}
	s.resent = resent
	for k, e := range s.rows {
		e.Row = e.Resend(s.next())
		s.rows[k] = e
	}
	for _, l := range s.links {
		l.RecordResend(s.next())
	}
	s.commit(true)
	delete(w.still, name)
	w.tell("%s is to send everything again", name)
}

// confidential looks for what a file must not hold.
func (w *world) confidential(f *file) {
	s := w.sites[f.src]
	if f.dst == s.parent || s.children[s.links[f.dst].peer].All {
		return
	}
	p := s.links[f.dst].peer
	for _, r := range f.rows {
		if r.Alive && !w.inScope(s, f.dst, r.key) || s.public[rowOf(r.key)].In() && !w.staff(r.key) {
			w.blame(fmt.Sprintf("leak: %s, %s -> %s", r.key, f.src, f.dst))
		}
	}
	for _, r := range f.records {
		if len(r.owners) == 0 && kindOf(r.key) == scope.Owned && !w.patients(r.key)[""] && r.val != deleted && !w.brought[brought{f.dst, f.src, r.val}] {
			w.blame(fmt.Sprintf("leak: record of %s.%d=%d, which another had, %s -> %s", r.key, r.bit, r.val, f.src, f.dst))
		}
		for _, o := range r.owners {
			if !s.entries[p][o].In() && !w.staff(r.key) {
				w.blame(fmt.Sprintf("leak: record of %s, %s -> %s", r.key, f.src, f.dst))
			}
		}
	}
}
