package scope_test

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/scope"
)

// The simulated data: rows with two columns. The first letter of a key is its table: patients (p), rows that refer to a patient (c), to such a
// row (d), to two patients (r), to a patient whose they are and to a c row (o), users (u) that refer to a patient and are for all, and rows that
// belong to nobody (k). A reference of a c row may be NULL. In some schedules a patient also has a row of a person (n) with its key, to which the
// patient's row refers: it is the patient's if there is one, and users refer to persons.
const (
	cols       = 3               // 0 is the row's existence; 1 and 2 are columns, some of them references
	allColumns = 1<<cols - 1 - 1 // their bits
)

// A value is different at every write. What a reference refers to is in world.target.
type value int

const deleted value = -1 // in records and histories of values: the row's deletion

func (w *world) above(table byte) byte {
	switch table {
	case 'u':
		if w.persons {
			return 'n'
		}
		return 'p'
	case 'c', 'r', 'o':
		return 'p'
	case 'd':
		return 'c'
	}
	return 0
}

// needs are the rows that a row with these values refers to by the reference that says nothing of whose it is.
func (w *world) needs(key string, val [cols]value) []string {
	switch {
	case key[0] == 'o' && w.target[val[2]] != "":
		return []string{w.target[val[2]]}
	case key[0] == 'p' && w.persons:
		return []string{"n" + key[1:]}
	}
	return nil
}

func isRef(key string, col int) bool {
	return col == 1 && strings.IndexByte("crdou", key[0]) >= 0 || col == 2 && key[0] == 'r'
}

func level(key string) int {
	switch key[0] {
	case 'n', 'k':
		return 0
	case 'p':
		return 1
	case 'd', 'o':
		return 3
	}
	return 2
}

func kindOf(key string) scope.Kind {
	switch key[0] {
	case 'p':
		return scope.Own
	case 'u':
		return scope.Staff
	case 'k':
		return scope.Common
	}
	return scope.Owned
}

func rowOf(key string) scope.Row {
	if key == "" {
		return scope.Row{}
	}
	return scope.Row{Table: key[:1], Key: key}
}

type entry struct {
	merge.Row
	here   bool // in the database; Row.Alive follows at the next seal
	val    [cols]value
	owners []scope.Owner // kept with a tombstone
}

type change struct {
	key  string
	kind byte // 'n'ew, 'e'dit, 'd'elete
	mask merge.Mask
	time int64
	was  *scope.Place // where the row stood, if the change touches that
}

type record struct {
	key   string
	bit   int
	val   value
	loser merge.Stamp
}

type loss struct {
	merge.Version
	owners []scope.Owner
	over   merge.Peer // in whose batch it was noticed, or came
}

type sentRecord struct {
	record
	owners []scope.Owner
}

type sentRow struct {
	key    string
	val    [cols]value
	owners []scope.Owner
	public bool
	merge.Incoming
}

type file struct {
	src, dst string
	head     merge.Header
	again    map[uint64]bool
	size     int64
	rows     []sentRow
	records  []sentRecord
	said     scope.Said
	wants    []scope.Owner
	seeks    []string
	tries    int
}

type end struct {
	merge.Link
	peer    merge.Peer
	asked   string // what the last header asked for
	retried bool   // rows of the peer's that waited were settled in the transaction under way
}

// A site is a node: its database and its ends of links.
type site struct {
	w       *world
	name    string
	parent  string
	tokens  []uint64 // by epoch
	history merge.History
	resent  map[uint64]bool
	rows    map[string]entry
	log     []change
	records map[record]loss
	wait    map[waitKey]waiting
	links   map[string]*end
	peers   merge.Peer // the last number given
	later   []later    // persons' rows that are here, and whose patients may come in the same file
	taken   bool       // the transaction under way took an epoch
	tables
}

func newSite(w *world, name, parent string) *site {
	s := &site{w: w, name: name, parent: parent, tokens: []uint64{0}, rows: map[string]entry{}, records: map[record]loss{}, wait: map[waitKey]waiting{}, links: map[string]*end{},
		tables: newTables()}
	s.history = merge.History{ID: w.id(), Has: s.has}
	return s
}

// add makes a new link to a peer, also where there was one before: a child's scope goes with it, and a parent is asked again.
func (s *site) add(peer string) {
	s.loseWaiting(peer)
	if peer == s.parent {
		s.node().Rejoin(0)
	}
	s.peers++
	if old, ok := s.links[peer]; ok {
		s.carry(old.peer, s.peers)
	} else {
		s.children[s.peers] = scope.Child{All: true}
	}
	s.links[peer] = &end{Link: merge.Link{Number: s.w.id()}, peer: s.peers}
}

func (s *site) backup() *site {
	c := *s
	c.tokens = slices.Clone(s.tokens)
	c.rows = maps.Clone(s.rows)
	c.log = slices.Clone(s.log)
	c.records = maps.Clone(s.records)
	c.wait = maps.Clone(s.wait)
	c.tables = s.tables.clone()
	c.links = map[string]*end{}
	for k, e := range s.links {
		x := *e
		c.links[k] = &x
	}
	c.history.Has = c.has
	return &c
}

func (s *site) has(m merge.Position) bool {
	return m.Epoch < uint64(len(s.tokens)) && s.tokens[m.Epoch] == m.Token
}

func (s *site) epoch() uint64 { return uint64(len(s.tokens) - 1) }
func (s *site) position() merge.Position {
	return merge.Position{Epoch: s.epoch(), Token: s.tokens[s.epoch()]}
}
func (s *site) next() uint64 { return s.epoch() + 1 }

// commit ends a transaction, which wrote something or took an epoch for it.
func (s *site) commit(wrote bool) bool {
	wrote = wrote || s.taken
	if wrote {
		s.tokens = append(s.tokens, s.w.id())
	}
	s.taken = false
	return wrote
}

func (s *site) keys() []string { return slices.Sorted(maps.Keys(s.rows)) }

func (s *site) here(key string) bool { return s.rows[key].here }

func (s *site) refers(key string, val [cols]value) bool {
	for _, t := range append(s.w.refs(key, val), s.w.needs(key, val)...) {
		if t != "" && !s.here(t) {
			return false
		}
	}
	return true
}

// seal stamps what the application has changed since the last one.
func (s *site) seal() {
	if len(s.log) == 0 {
		return
	}
	was := map[scope.Row]scope.Place{}
	var keys []string
	for _, c := range s.log {
		if _, ok := was[rowOf(c.key)]; !ok && c.was != nil {
			was[rowOf(c.key)] = *c.was
			keys = append(keys, c.key)
		}
	}
	for _, k := range keys { // whose a person is changes with the patient
		if n := s.w.person(k); n != "" {
			person, ok := was[rowOf(n)]
			if !ok {
				e := s.rows[n]
				person = s.place(n, e.here, e.val, e.owners)
				keys = append(keys, n)
			}
			if person.Alive {
				person.To = []scope.Row{{}}
				if was[rowOf(k)].Alive {
					person.To[0] = rowOf(k)
				}
			}
			was[rowOf(n)] = person
		}
	}
	before, views := s.node().Before(was), map[string]scope.View{}
	for _, k := range keys {
		views[k] = before.Look(rowOf(k))
	}
	m := merge.Stamper{Self: s.name, Epoch: s.next()}
	for _, c := range s.log {
		e := s.rows[c.key]
		switch c.kind {
		case 'n':
			e.Row = m.Insert(e.Row, merge.Bits(allColumns), c.time)
		case 'e':
			e.Row = m.Edit(e.Row, c.mask, c.time)
		case 'd':
			e.Row = m.Delete(e.Row, c.time)
			if o := views[c.key].Owners; len(o) > 0 {
				e.owners = o
			}
		}
		s.rows[c.key] = e
	}
	for _, k := range keys {
		s.node().Follow(views[k])
	}
	s.log = nil
	s.commit(true)
}

// export makes the files of one batch for a peer: none if there is nothing to say, several if a full load is split into
// parts of at most part rows (0: not split).
func (s *site) export(to string, ask merge.ExportRequest, part int) []*file {
	s.seal()
	l := s.links[to]
	n, p := s.node(), l.peer
	s.fill(to)
	ask.Now = s.w.clockOfHeaders(s.name)
	h, full := merge.PlanExport(&s.history, &l.Link, ask)
	h.Upto, h.At = s.position(), s.w.clockOfHeaders(s.name)
	whole := &file{src: s.name, dst: to, head: h, again: s.resent, size: []int64{1, 1 << 40}[s.epoch()%2]}
	all := to == s.parent || n.Child(p).All
	for _, k := range s.keys() {
		e, sight := s.rows[k], scope.Always
		if to != s.parent {
			sight = n.Sight(p, rowOf(k))
		}
		if !sight.Sends(e.Row, h.Base.Epoch, p) {
			continue
		}
		r := sentRow{key: k, val: e.val, public: n.Public(rowOf(k)).In(), Incoming: merge.Incoming{Alive: e.Alive, Ack: l.RowAck(e.Row, p)}}
		if all && !e.Alive {
			r.owners = e.owners
		}
		if q, ok := s.wait[waitKey{k, to, 0}]; ok {
			r.Ack = min(r.Ack, q.Since())
		}
		r.Groups, r.Dead = sight.Told(e.Row).Outgoing(p)
		whole.rows = append(whole.rows, r)
	}
	sort.SliceStable(whole.rows, func(i, j int) bool { return rank(whole.rows[i]) < rank(whole.rows[j]) })
	for _, r := range s.losses(h.Base.Epoch, p) {
		v := s.records[r]
		if to == s.parent || n.SendsRecord(p, scope.Record{Row: rowOf(r.key), Owners: v.owners, Over: v.over, Epoch: v.Epoch}) {
			whole.records = append(whole.records, sentRecord{r, v.owners})
		}
	}
	due := s.say(whole, to)
	if len(whole.rows) == 0 && len(whole.records) == 0 && !due && !merge.HeaderIsDue(&s.history, &l.Link, s.w.clockOfHeaders(s.name)) {
		return nil
	}
	if !full || part == 0 || whole.head.Upto == whole.head.Base {
		return []*file{whole}
	}
	var parts []*file
	id := s.w.id()
	for rows := whole.rows; len(parts) == 0 || len(rows) > 0; {
		n := min(part, len(rows))
		f := *whole
		f.rows, rows = rows[:n], rows[n:]
		f.head.Load, f.head.Part, f.head.Last = id, uint32(len(parts)+1), len(rows) == 0
		if len(parts) > 0 { // a record goes no later than the row that won, or a restore in between may take it
			f.records = nil
		}
		parts = append(parts, &f)
	}
	return parts
}

// made gives a file its final name.
func (s *site) made(f *file) {
	l := s.links[f.dst]
	l.asked = fmt.Sprint(f.wants, f.seeks)
	merge.RecordExport(&s.history, &l.Link, f.head, f.size, s.w.clockOfHeaders(s.name))
}

// rank: rows before those that refer to them, tombstones in the other order.
func rank(r sentRow) int {
	if r.Alive {
		return level(r.key)
	}
	return 9 - level(r.key)
}

// digest is what a second import of a file must not change.
func (s *site) digest() string {
	var b []byte
	for _, k := range s.keys() {
		b = fmt.Append(b, k, s.rows[k])
	}
	return fmt.Sprint(string(b), len(s.records), len(s.wait), s.epoch(), s.history.ID, s.tables)
}
