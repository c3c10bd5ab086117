package scope_test

import (
	"fmt"
	"maps"
	"math/rand"
	"strings"

	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/scope"
)

// trees are the shapes of a network: node and parent.
var trees = [][][2]string{
	{{"h", ""}, {"a", "h"}},
	{{"a", "h"}, {"b", "h"}, {"h", ""}},
	{{"a", "h"}, {"b", "h"}, {"h", ""}, {"z", "h"}},
	{{"a", "h"}, {"h", "r"}, {"r", ""}},
	{{"a", "h"}, {"d", "a"}, {"h", "r"}, {"r", ""}},
	{{"a", "h"}, {"b", "h"}, {"d", "g"}, {"g", "r"}, {"h", "r"}, {"r", ""}},
}

// An act is something that an application did: which row, where and when.
type act struct {
	at        int
	key, site string
}

type written struct {
	key string
	bit int
}

// brought says which value was in a file.
type brought struct {
	src, dst string
	val      value
}

// pairs are pairs of names, by the first.
type pairs map[string]map[string]bool

func (m pairs) note(a, b string) {
	if m[a] == nil {
		m[a] = map[string]bool{}
	}
	m[a][b] = true
}

// A world is a tree of sites, the files under way between them, and what was really done to the data.
type world struct {
	policy   merge.Policy
	policies merge.Policies
	names    []string
	root     string
	sites    map[string]*site
	links    [][2]string
	files    map[[2]string][]*file
	old      map[[2]string][]*file // every file ever made
	skew     map[string]int64
	backups  map[string]*site
	restores int
	ids      uint64
	now      int
	day      int64 // clock of the headers
	nulls    bool  // references may be NULL
	fault    string
	talk     func(string, ...any) // nil: nobody listens

	last      value
	target    map[value]string // what a reference refers to; none: NULL
	wrote     map[value]written
	over      map[value][]value // what was written over it by one who saw it
	brought   map[brought]bool
	exempt    map[value]bool // taken by a restore, held by nobody after it
	deletions []act
	inserts   []act

	purges   bool            // patients who leave are purged, some of them
	persons  bool            // patients have a row of a person too
	readded  bool            // a peer was removed and added again
	ruled    map[string]bool // children whose scope a rule fills
	switched map[string]bool // nodes that ever got a scope, or lost it, while at work
	left     pairs           // of a node: patients that ever left its scope
	still    pairs           // and of whom nobody has spoken since
	reason   pairs           // patients of whom a node wrote something, whom it asked for or was admitted
	denied   pairs           // and for whom it asked in vain
	referred pairs           // what a column of a row has ever referred to, "" for NULL
	moved    pairs           // of a row: what it was made to refer to after its insert, or by one of several inserts
}

func newWorld(tree [][2]string, policy merge.Policy, talk func(string, ...any)) *world {
	w := &world{policy: policy, policies: merge.All(policy), sites: map[string]*site{}, files: map[[2]string][]*file{}, old: map[[2]string][]*file{}, skew: map[string]int64{}, backups: map[string]*site{},
		target: map[value]string{}, wrote: map[value]written{}, over: map[value][]value{}, exempt: map[value]bool{}, brought: map[brought]bool{}, talk: talk, ruled: map[string]bool{}, switched: map[string]bool{},
		left: pairs{}, still: pairs{}, reason: pairs{}, denied: pairs{}, referred: pairs{}, moved: pairs{}}
	for _, n := range tree {
		w.names = append(w.names, n[0])
		w.sites[n[0]] = newSite(w, n[0], n[1])
		if n[1] == "" {
			w.root = n[0]
		}
	}
	for _, n := range tree {
		if n[1] != "" {
			w.links = append(w.links, [2]string{n[0], n[1]}, [2]string{n[1], n[0]})
			w.sites[n[0]].add(n[1])
			w.sites[n[1]].add(n[0])
		}
	}
	return w
}

func (w *world) id() uint64 { w.ids++; return w.ids }

func (w *world) tell(format string, args ...any) {
	if w.talk != nil {
		w.talk(format, args...)
	}
}

func (w *world) blame(fault string) {
	if w.fault == "" {
		w.fault = fault
	}
}

// end returns a node's end of the link at its parent: nil at the root.
func (w *world) end(child string) (*site, merge.Peer) {
	s := w.sites[child]
	if s.parent == "" {
		return nil, 0
	}
	p := w.sites[s.parent]
	return p, p.links[child].peer
}

// birth is when simulated time begins: the beginning of 2026.
const birth = 1767225600000000

func (w *world) clock(site string) int64          { return max(100, birth+int64(w.now)*10+w.skew[site]) }
func (w *world) clockOfHeaders(site string) int64 { return w.day + int64(w.now)*10 + w.skew[site] }

// person returns the key of a patient's person: "" if there is none, or it is no patient.
func (w *world) person(key string) string {
	if !w.persons || key[0] != 'p' {
		return ""
	}
	return "n" + key[1:]
}

// refs are the rows that a row with these values refers to: "" where that is NULL.
func (w *world) refs(key string, val [cols]value) []string {
	var s []string
	for i := 1; i < cols; i++ {
		if isRef(key, i) {
			s = append(s, w.target[val[i]])
		}
	}
	return s
}

// ---- files

// send exports to a peer. Some full loads are split; some of these are interrupted.
func (w *world) send(r *rand.Rand, l [2]string, ask merge.ExportRequest, interrupt bool) bool {
	files := w.sites[l[0]].export(l[1], ask, []int{0, 0, 1, 2}[r.Intn(4)])
	if interrupt && len(files) > 1 && r.Intn(4) == 0 {
		files = files[:1+r.Intn(len(files)-1)]
	}
	for _, f := range files {
		w.confidential(f)
		w.sites[l[0]].made(f)
		w.files[l] = append(w.files[l], f)
		w.old[l] = append(w.old[l], f)
	}
	return len(files) > 0
}

func (w *world) deliver(f *file) string {
	for _, r := range f.rows {
		for _, v := range r.val {
			w.brought[brought{f.src, f.dst, v}] = true
		}
	}
	for _, r := range f.records {
		w.brought[brought{f.src, f.dst, r.val}] = true
	}
	s := w.sites[f.dst].receive(f)
	if w.talk != nil {
		part := ""
		if f.head.Load != 0 {
			part = fmt.Sprintf(" load %d part %d last %v,", f.head.Load, f.head.Part, f.head.Last)
		}
		w.tell("%s -> %s  %d..%d ack %d,%s %d rows, %+v, asks for %v: %s%s", f.src, f.dst, f.head.Base.Epoch, f.head.Upto.Epoch, f.head.Ack.Epoch,
			part, len(f.rows), f.said, f.wants, s, w.show(f.dst))
	}
	return s
}

func (w *world) show(name string) string {
	s := w.sites[name]
	var b strings.Builder
	for _, k := range s.keys() {
		e := s.rows[k]
		if e.here {
			fmt.Fprintf(&b, "\n      %s %v %v", k, e.val[1:], w.refs(k, e.val))
		} else {
			fmt.Fprintf(&b, "\n      %s dead %d%s(e%d %d) %v", k, e.Dead.Time, e.Dead.Author, e.Dead.Epoch, e.Dead.From, e.owners)
		}
		for _, g := range e.Groups {
			fmt.Fprintf(&b, " %v:%d%s(e%d %d)", g.Words(), g.Time, g.Author, g.Epoch, g.From)
		}
	}
	for _, k := range s.waiting() {
		fmt.Fprintf(&b, "\n      waits: %v %v %v, news %v", k, s.wait[k].val, w.refs(k.key, s.wait[k].val), s.wait[k].Groups)
	}
	for _, r := range s.losses(0, merge.NoPeer) {
		fmt.Fprintf(&b, "\n      record: %s.%d=%d of %v", r.key, r.bit, r.val, s.records[r].owners)
	}
	for _, n := range w.names {
		if p, e := w.end(n); p == s && !s.children[e].All {
			fmt.Fprintf(&b, "\n      scope of %s: %+v %v, exceptions %v", n, s.children[e], s.entries[e], s.exceptions[e])
		}
	}
	fmt.Fprintf(&b, "\n      public %v, wants %v, holds %v, purges %v, whole %v", s.public, s.want, s.held, s.purge, s.whole)
	return b.String()
}

// quiet exchanges everything until nobody has anything to say. It starts a day later, when every link is due for a header.
func (w *world) quiet(r *rand.Rand, limit int) bool {
	w.day += 2 * merge.Day // clocks may have been set back
	for round := 0; round < limit; round++ {
		w.now++
		if round%12 == 11 {
			w.day += merge.Day // a load that seemed lost before is made again in its time
		}
		moved := false
		for _, l := range w.links {
			files := w.files[l]
			w.files[l] = nil
			r.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
			for _, f := range files {
				moved = true
				if s := w.deliver(f); s != "applied" && s != "covered" && f.tries < 2 { // kept, and tried again
					x := *f
					x.tries++
					w.files[l] = append(w.files[l], &x)
				}
			}
		}
		for _, n := range w.names {
			w.sites[n].retryAlone()
			w.sites[n].doPurge()
			moved = w.answer(r, n) || moved
		}
		for _, i := range r.Perm(len(w.links)) {
			if w.send(r, w.links[i], merge.ExportRequest{}, false) {
				moved = true
			}
		}
		if !moved && w.loadsWait() {
			w.day += merge.Day
			continue
		}
		if !moved {
			return true
		}
	}
	return false
}

// loadsWait reports whether some load that a peer says it lacks has to wait before it is made again.
func (w *world) loadsWait() bool {
	for _, l := range w.links {
		if e := w.sites[l[0]].links[l[1]]; e.Loading() && e.Sending.Missing {
			return true
		}
	}
	return false
}

// ---- restores

func (w *world) restore(name string) {
	b := w.backups[name]
	if b == nil {
		return
	}
	for _, n := range w.names {
		if w.sites[n].parent == name {
			w.blame(w.reasons(w.sites[n]))
		}
	}
	w.sites[name] = b.backup()
	w.restores++
	w.tell("%s RESTORED%s", name, w.show(name))
	w.forget()
}

// forget notes which values nobody holds any more.
func (w *world) forget() {
	held := map[value]bool{}
	for _, s := range w.sites {
		for _, e := range s.rows {
			for _, v := range e.val {
				held[v] = true
			}
		}
		for r := range s.records {
			held[r.val] = true
		}
		for _, q := range s.wait {
			for _, v := range q.val {
				held[v] = true
			}
		}
	}
	for v := range w.wrote {
		if !w.exempt[v] && !w.survives(v, held, map[value]bool{}) {
			w.exempt[v] = true
		}
	}
}

// survives reports whether v, or what was written over it, is held somewhere.
func (w *world) survives(v value, held, tried map[value]bool) bool {
	if held[v] {
		return true
	}
	if tried[v] {
		return false
	}
	tried[v] = true
	for _, o := range w.over[v] {
		if o == deleted || !w.exempt[o] && w.survives(o, held, tried) {
			return true
		}
	}
	return false
}

// ever are the patients that a column of a row has ever referred to, through other rows too.
func (w *world) ever(key string, bit int) map[string]bool {
	all := map[string]bool{}
	for t := range w.referred[fmt.Sprint(key, ".", bit)] {
		maps.Copy(all, w.patients(t))
	}
	return all
}

// patients are those that a row has ever belonged to; "" of one that ever belonged to nobody.
func (w *world) patients(key string) map[string]bool {
	if key == "" || key[0] == 'p' {
		return map[string]bool{key: true}
	}
	if key[0] == 'n' {
		return map[string]bool{"": true, "p" + key[1:]: true}
	}
	all := map[string]bool{}
	for i := 1; i < cols; i++ {
		if isRef(key, i) {
			maps.Copy(all, w.ever(key, i))
		}
	}
	return all
}

// staff reports whether a user has ever referred to a row.
func (w *world) staff(key string) bool {
	for at, targets := range w.referred {
		if at[0] == 'u' && targets[key] {
			return true
		}
	}
	return false
}

var _ scope.Store = (*site)(nil)
