package merge_test

import (
	"fmt"
	"maps"
	"math/rand"
	"strings"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/merge"
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

// A world is a tree of sites, the files under way between them, and what was really done to the data.
type world struct {
	policies map[string]merge.Policies // of each site
	newest   bool                      // all of them
	rough    bool
	strict   bool // rows do not wait: a file is applied whole or not at all
	names    []string
	sites    map[string]*site
	links    [][2]string
	files    map[[2]string][]*file
	skew     map[string]int64
	blocked  map[[2]string]bool // site and key: the site's database does not take the row for now
	broken   string             // a site whose files are stamped at the end of time; "": none

	direction access.Direction // which way the table goes on every link

	apart     bool // sites have keys of their own for one thing: see sim_alias_test.go
	noHorizon bool // everything is taken, as before there was a horizon
	mending   bool // some hold what they took then, and are refused
	mended    int  // rows that were mended

	backups  map[string]*site
	had      map[string]map[uint64]bool // histories that each site had: what is kept beside its database
	restores int
	ids      uint64
	now      int
	day      int64 // clock of the headers
	fault    string
	talk     func(string, ...any) // nil: nobody listens

	named     map[value]string // what rows are known by, where sites lived apart
	same      map[string]string
	made      int
	whole     bool // loads are not split
	decided   int  // rows that a person said to be one
	moves     bool // a site got another parent
	last      value
	target    map[value]string  // what a reference refers to
	wrote     map[value]written // every value ever written
	over      map[value][]value // what was written over it by one who saw it
	exempt    map[value]bool    // taken by a restore, held by nobody after it
	deletions []act
	inserts   []act
}

func newWorld(tree [][2]string, policy merge.Policy, talk func(string, ...any)) *world {
	w := &world{policies: map[string]merge.Policies{}, newest: policy == merge.Newest, sites: map[string]*site{}, files: map[[2]string][]*file{}, skew: map[string]int64{}, backups: map[string]*site{}, had: map[string]map[uint64]bool{}, blocked: map[[2]string]bool{},
		target: map[value]string{}, wrote: map[value]written{}, over: map[value][]value{}, exempt: map[value]bool{}, talk: talk}
	for _, n := range tree {
		w.names = append(w.names, n[0])
		w.sites[n[0]] = newSite(w, n[0], n[1])
		w.policies[n[0]] = merge.All(policy)
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

// remember notes, beside the site's database, which history it has.
func (w *world) remember(s *site) {
	had := maps.Clone(w.had[s.name])
	if had == nil {
		had = map[uint64]bool{}
	}
	had[s.history.ID] = true
	w.had[s.name] = had
}

// mixPolicies gives columns policies of their own, and at times each site others.
func (w *world) mixPolicies(r *rand.Rand) {
	kind := r.Intn(3)
	if kind == 0 {
		return
	}
	w.newest = false
	var same merge.Policies
	for i, n := range w.names {
		if i == 0 || kind == 2 {
			for bit := 1; bit < cols; bit++ {
				same.Set(merge.Bit(bit), merge.Policy(r.Intn(3)))
			}
		}
		w.policies[n] = same
	}
}

// policiesFrom returns what decides conflicts at a site in a file from another: what its parent has no policy for goes by its own.
func (w *world) policiesFrom(s *site, from string) merge.Policies {
	own := w.policies[s.name]
	if from == s.parent {
		return own.Under(w.policies[from])
	}
	return own
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

// ---- what the applications do

// birth is when simulated time begins: the beginning of 2026.
const birth = 1767225600000000

// simHorizon is how much later than a clock the stamps of a child may be: as far as two of the clocks may be apart.
const simHorizon = 2000

// farFuture and emptyBattery are skews of clocks that are quite wrong: by 35 years, and back in 1970.
const (
	farFuture    = 1 << 50
	emptyBattery = -birth
)

func (w *world) clock(site string) int64 {
	return max(100, birth+int64(w.now)*10+w.skew[site])
}

// clockOfHeaders is what a site's clock says when it makes a header: days go by where all else has settled.
func (w *world) clockOfHeaders(site string) int64 {
	return w.day + int64(w.now)*10 + w.skew[site]
}

func (w *world) write(key string, bit int, target string) value {
	w.last++
	w.wrote[w.last] = written{key, bit}
	if target != "" {
		w.target[w.last] = target
	}
	return w.last
}

func (w *world) insert(site, key string, pick int) {
	s := w.sites[site]
	if s.here(key) {
		return
	}
	target := ""
	if key[0] == 'c' {
		var parents []string
		for _, k := range s.keys() {
			if k[0] == 'p' && s.here(k) {
				parents = append(parents, k)
			}
		}
		if len(parents) == 0 {
			return
		}
		target = parents[pick%len(parents)]
	}
	e := s.rows[key]
	e.here = true
	e.val[1] = w.write(key, 1, target)
	for i := 2; i < cols; i++ {
		if !s.lacks.Has(i) {
			e.val[i] = w.write(key, i, "")
		}
	}
	s.rows[key] = e
	s.log = append(s.log, change{key, 'n', merge.Mask{}, w.clock(site)})
	w.inserts = append(w.inserts, act{w.now, key, site})
	w.tell("%s inserts %s %v, clock %d", site, key, e.val[1:], w.clock(site))
}

// found gives a site a row from before it became a node.
func (w *world) found(site, key string) {
	w.insert(site, key, 0)
	s := w.sites[site]
	s.log = nil
	if s.epoch() == 0 {
		s.commit()
	}
	if e, ok := s.rows[key]; ok {
		e.Row = merge.Stamper{Self: site, Epoch: 1}.Found(merge.Bits(allColumns))
		s.rows[key] = e
	}
}

func (w *world) edit(site, key string, mask merge.Mask, pick int) {
	s := w.sites[site]
	if !s.here(key) {
		return
	}
	e := s.rows[key]
	target := ""
	if key[0] == 'c' && mask.Has(1) {
		if target = s.referable(pick); !s.here(target) {
			mask = mask.Without(merge.Bit(1))
		}
	}
	mask = mask.Without(s.lacks)
	for i := 1; i < cols; i++ {
		if !mask.Has(i) {
			continue
		}
		t := ""
		if i == 1 {
			t = target
		}
		v := w.write(key, i, t)
		w.over[e.val[i]] = append(w.over[e.val[i]], v)
		w.tell("%s edits %s.%d: %d -> %d, clock %d", site, key, i, e.val[i], v, w.clock(site))
		e.val[i] = v
	}
	if !mask.IsEmpty() {
		s.rows[key] = e
		s.log = append(s.log, change{key, 'e', mask, w.clock(site)})
	}
}

func (w *world) delete(site, key string) {
	s := w.sites[site]
	if !s.here(key) {
		return
	}
	for _, k := range s.keys() {
		if e := s.rows[k]; k[0] == 'c' && e.here && s.target(e.val[1]) == key {
			w.delete(site, k)
		}
	}
	e := s.rows[key]
	for i := 1; i < cols; i++ {
		w.over[e.val[i]] = append(w.over[e.val[i]], deleted)
	}
	e.here, e.val = false, [cols]value{}
	s.rows[key] = e
	s.log = append(s.log, change{key, 'd', merge.Mask{}, w.clock(site)})
	w.deletions = append(w.deletions, act{w.now, key, site})
	w.tell("%s deletes %s, clock %d", site, key, w.clock(site))
}

// ---- files

// send exports to a peer. Some full loads are split; some of these are interrupted.
func (w *world) send(r *rand.Rand, l [2]string, ask merge.ExportRequest, interrupt bool) bool {
	part := []int{0, 0, 1, 2}[r.Intn(4)]
	if w.rough {
		part = r.Intn(2)
	}
	if w.apart && w.whole {
		part = 0
	}
	files := w.sites[l[0]].export(l[1], ask, part)
	if interrupt && len(files) > 1 && (r.Intn(4) == 0 || w.rough && r.Intn(2) == 0) {
		files = files[:1+r.Intn(len(files)-1)]
	}
	for _, f := range files {
		w.sites[l[0]].made(f)
		w.files[l] = append(w.files[l], f)
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
		w.tell("%s -> %s  %d..%d ack %d missing %d,%s %d rows: %s%s", f.src, f.dst, f.head.Base.Epoch, f.head.Upto.Epoch, f.head.Ack.Epoch,
			f.head.Missing.Epoch, part, len(f.rows), s, w.show(f.dst))
	}
	return s
}

func (w *world) show(site string) string {
	s := w.sites[site]
	var b strings.Builder
	for _, k := range s.keys() {
		e := s.rows[k]
		if e.here {
			fmt.Fprintf(&b, "\n      %s %v", k, e.val[1:])
		} else {
			fmt.Fprintf(&b, "\n      %s dead %d%s(e%d %d)", k, e.Dead.Time, e.Dead.Author, e.Dead.Epoch, e.Dead.From)
		}
		for _, g := range e.Groups {
			fmt.Fprintf(&b, " %v:%d%s(e%d %d)", g.Mask, g.Time, g.Author, g.Epoch, g.From)
		}
	}
	return b.String()
}

// quiet exchanges everything until nobody has anything to say. It starts a day later, when every link is due for a header.
// stuck are the directions in which files are refused whole.
func (w *world) quiet(r *rand.Rand, limit int) (silent bool, stuck map[[2]string]bool) {
	w.day += merge.Day
	stuck = map[[2]string]bool{}
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
				s := w.deliver(f)
				if s == refusedWhole {
					stuck[l] = true
				} else if s == "applied" && (f.head.Load == 0 || f.head.Last) {
					delete(stuck, l)
				}
				if s != "applied" && s != "covered" && f.tries < 2 { // kept, and tried again
					x := *f
					x.tries++
					w.files[l] = append(w.files[l], &x)
				}
			}
		}
		for _, n := range w.names {
			w.sites[n].retryAlone()
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
			return true, nil
		}
	}
	return false, stuck
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
