package scope_test

import (
	"fmt"
	"maps"
	"math/rand"
	"slices"
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
	exempt    map[value]bool    // taken by a restore, held by nobody after it
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
		target: map[value]string{}, wrote: map[value]written{}, over: map[value][]value{}, exempt: map[value]bool{}, talk: talk, ruled: map[string]bool{}, switched: map[string]bool{},
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

// ---- what a site's application does

func (w *world) write(site, key string, bit int, target string) value {
	w.last++
	w.wrote[w.last] = written{key, bit}
	if isRef(key, bit) {
		if target != "" {
			w.target[w.last] = target
			delete(w.still[site], target)
		}
		w.referred.note(fmt.Sprint(key, ".", bit), target)
	}
	return w.last
}

// refer has an o row refer to a c row of its patient's.
func (w *world) refer(site, key string, v value, patient string, pick int) {
	s := w.sites[site]
	var found []string
	for _, k := range s.keys() {
		if e := s.rows[k]; k[0] == 'c' && e.here && w.target[e.val[1]] == patient {
			found = append(found, k)
		}
	}
	if key[0] == 'o' && len(found) > 0 {
		w.target[v] = found[pick%len(found)]
	}
}

func (w *world) insert(site, key string, pick int) {
	s := w.sites[site]
	if s.here(key) {
		return
	}
	if n := w.person(key); n != "" {
		w.insert(site, n, pick)
		w.moved.note(n, key)
	}
	var target [cols]string
	if table := w.above(key[0]); table != 0 {
		var found []string
		for _, k := range s.keys() {
			if k[0] == table && s.here(k) {
				found = append(found, k)
			}
		}
		if len(found) == 0 {
			return
		}
		for i := range target {
			if !isRef(key, i) {
				continue
			}
			if target[i] = found[(pick+i-1)%len(found)]; w.nulls && key[0] == 'c' && pick == 2 {
				target[i] = ""
			}
			if was := w.referred[fmt.Sprint(key, ".", i)]; key[0] != 'u' && len(was) > 0 {
				w.moved.note(key, target[i])
				for t := range was {
					w.moved.note(key, t)
				}
			}
		}
	}
	e := s.rows[key]
	was := s.place(key, false, e.val, e.owners)
	e.here = true
	e.val = [cols]value{0, w.write(site, key, 1, target[1]), w.write(site, key, 2, target[2])}
	s.rows[key] = e
	w.refer(site, key, e.val[2], target[1], pick)
	w.inserts = append(w.inserts, act{w.now, key, site})
	w.of(s, key, true)
	s.log = append(s.log, change{key, 'n', merge.Mask{}, w.clock(site), &was})
	w.tell("%s inserts %s %v %v, clock %d", site, key, e.val[1:], w.refs(key, e.val), w.clock(site))
}

// of notes whose a row is that a node writes. Who edits what all may have gets no right to the rest.
func (w *world) of(s *site, key string, inserted bool) {
	owners := s.node().Owners(rowOf(key))
	for _, o := range owners {
		if key[0] != 'p' && key[0] != 'n' || inserted || !w.staff(key) {
			w.reason.note(s.name, string(o))
		}
	}
	if len(owners) == 0 {
		w.reason.note(s.name, "")
	}
	w.spoken(s, key)
}

// spoken notes that a node has something new to say of those to whom a row belongs.
func (w *world) spoken(s *site, key string) {
	for _, o := range s.node().Owners(rowOf(key)) {
		delete(w.still[s.name], string(o))
	}
}

// found gives a site a row from before it became a node.
func (w *world) found(site, key string) {
	w.insert(site, key, 0)
	s := w.sites[site]
	s.log = nil
	if s.epoch() == 0 {
		s.commit(true)
	}
	if n := w.person(key); n != "" && s.here(n) && !s.rows[n].Known {
		e := s.rows[n]
		e.Row = merge.Stamper{Self: site, Epoch: 1}.Found(merge.Bits(allColumns))
		s.rows[n] = e
	}
	if e, ok := s.rows[key]; ok {
		e.Row = merge.Stamper{Self: site, Epoch: 1}.Found(merge.Bits(allColumns))
		s.rows[key] = e
		if key[0] == 'u' {
			s.public[rowOf(w.refs(key, e.val)[0])] = 1
		}
	}
}

func (w *world) edit(site, key string, bit, pick int) {
	target := ""
	if isRef(key, bit) {
		target = fmt.Sprintf("%c%d", w.above(key[0]), pick%3+1)
		if w.nulls && key[0] == 'c' && pick == 3 {
			w.set(site, key, bit, "")
			return
		}
		if !w.sites[site].here(target) {
			return
		}
	}
	w.set(site, key, bit, target)
}

func (w *world) set(site, key string, bit int, target string) {
	s := w.sites[site]
	if !s.here(key) {
		return
	}
	e := s.rows[key]
	if isRef(key, bit) && key[0] != 'u' {
		w.moved.note(key, target)
	}
	w.spoken(s, key)
	v := w.write(site, key, bit, target)
	w.over[e.val[bit]] = append(w.over[e.val[bit]], v)
	w.tell("%s edits %s.%d: %d -> %d %s, clock %d", site, key, bit, e.val[bit], v, target, w.clock(site))
	c := change{key, 'e', merge.Bit(bit), w.clock(site), nil}
	if isRef(key, bit) {
		was := s.place(key, true, e.val, nil)
		c.was = &was
	}
	s.log = append(s.log, c)
	e.val[bit] = v
	if bit == 2 {
		w.refer(site, key, v, w.target[e.val[1]], int(v))
	}
	s.rows[key] = e
	w.of(s, key, false)
}

// merge makes two patients of a site one.
func (w *world) merge(site, winner, loser string) {
	s := w.sites[site]
	if winner == loser || !s.here(winner) || !s.here(loser) {
		return
	}
	w.tell("%s merges %s into %s", site, loser, winner)
	for _, k := range s.keys() {
		for i := 1; i < cols; i++ {
			if s.here(k) && isRef(k, i) && w.target[s.rows[k].val[i]] == loser {
				w.set(site, k, i, winner)
			}
		}
	}
	w.delete(site, loser)
}

func (w *world) delete(site, key string) {
	s := w.sites[site]
	if !s.here(key) {
		return
	}
	for _, k := range s.keys() {
		if e := s.rows[k]; e.here && slices.Contains(append(w.refs(k, e.val), w.needs(k, e.val)...), key) {
			w.delete(site, k)
		}
	}
	w.spoken(s, key)
	e := s.rows[key]
	for i := 1; i < cols; i++ {
		w.over[e.val[i]] = append(w.over[e.val[i]], deleted)
		for t := range w.referred[fmt.Sprint(key, ".", i)] {
			if key[0] != 'u' {
				w.moved.note(key, t) // a row that comes back over its deletion may come back as it was before a move
			}
		}
	}
	was := s.place(key, true, e.val, nil)
	e.here, e.val = false, [cols]value{}
	s.rows[key] = e
	s.log = append(s.log, change{key, 'd', merge.Mask{}, w.clock(site), &was})
	w.deletions = append(w.deletions, act{w.now, key, site})
	w.tell("%s deletes %s, clock %d", site, key, w.clock(site))
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
		fmt.Fprintf(&b, "\n      waits: %v", k)
	}
	for _, n := range w.names {
		if p, e := w.end(n); p == s && !s.children[e].All {
			fmt.Fprintf(&b, "\n      scope of %s: %+v %v, exceptions %v", n, s.children[e], s.entries[e], s.exceptions[e])
		}
	}
	fmt.Fprintf(&b, "\n      public %v, wants %v, holds %v, whole %v", s.public, s.want, s.held, s.whole)
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
