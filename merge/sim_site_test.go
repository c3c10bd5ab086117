package merge_test

import (
	"fmt"
	"maps"
	"slices"
	"sort"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/merge"
)

// The simulated data: rows with a few columns. Rows whose key begins with 'c' refer by column 1 to one that begins with 'p'.
const (
	cols       = 4               // 0 is the row's existence
	allColumns = 1<<cols - 1 - 1 // their bits
)

// A value is different at every write.
type value int

const deleted value = -1 // in records and histories of values: the row's deletion

type entry struct {
	merge.Row
	here bool // in the database; Row.Alive follows at the next seal
	val  [cols]value
	back bool // see merge.Returned
}

type change struct {
	key  string
	kind byte // 'n'ew, 'e'dit, 'd'elete
	mask merge.Mask
	time int64
}

type record struct {
	key   string
	bit   int
	val   value
	loser merge.Stamp
}

type sentRow struct {
	key string
	val [cols]value
	merge.Incoming
}

type file struct {
	src, dst string
	head     merge.Header
	again    map[uint64]bool
	lacks    merge.Mask // columns that the sender does not have
	size     int64
	rows     []sentRow
	records  []record
	means    map[value]string // which rows references are to, by the receiver's keys
	asks     uint64           // the sender's epoch of its request for everything
	gained   merge.Mask       // columns that it has since that
	lost     bool             // which it has lost
	short    []string         // rows that it may name by the beginnings of their keys
	tries    int
}

type end struct {
	merge.Link
	peer    merge.Peer
	retried bool // rows of the peer's that waited were settled in the transaction under way
}

// A site is a node: its database and its ends of links. Slices and maps inside rows, links and history are never changed in
// place, so a shallow copy of them is a backup.
type site struct {
	w       *world
	name    string
	parent  string
	tokens  []uint64 // by epoch
	history merge.History
	resent  map[uint64]bool
	rows    map[string]entry
	log     []change
	records map[record]merge.Version
	wait    map[waitKey]waiting
	links   map[string]*end
	peers   merge.Peer // the last number given

	refused map[string]map[string]uint64 // by peer and key: rows of which its version was refused here, and the epoch
	added   map[string]access.Added      // by key: who had added what was deleted here

	asked    uint64            // the epoch in which every peer was asked to send all again; 0: never
	answered map[string]uint64 // what peers asked for and got
	lost     uint64            // asked, if that was for what was lost
	lacks    merge.Mask        // columns that are not here for now
	gained   merge.Mask        // columns that were not, until asked
	owes     map[string]owed   // what peers are sent for that

	aliases   map[pairOf]string // own keys
	reclaimed map[uint64]bool   // epochs
	means     map[value]string  // which rows references are to, where they came from a peer
}

// An owed is all rows that go to a peer which asked for them: in batches that start before an epoch. lost: what came from the peer too; gained:
// columns that the peer has since that.
type owed struct {
	epoch  uint64
	lost   bool
	gained merge.Mask
}

func newSite(w *world, name, parent string) *site {
	s := &site{w: w, name: name, parent: parent, tokens: []uint64{0}, rows: map[string]entry{}, records: map[record]merge.Version{}, wait: map[waitKey]waiting{}, links: map[string]*end{},
		aliases: map[pairOf]string{}, reclaimed: map[uint64]bool{}, means: map[value]string{},
		refused: map[string]map[string]uint64{}, added: map[string]access.Added{}}
	s.history = merge.History{ID: w.id(), Has: s.has}
	w.remember(s)
	return s
}

// add makes a new link to a peer, also where there was one before.
func (s *site) add(peer string) {
	s.loseWaiting(peer)
	s.peers++
	s.links[peer] = &end{Link: merge.Link{Number: s.w.id()}, peer: s.peers}
}

func (s *site) backup() *site {
	c := *s
	c.tokens = slices.Clone(s.tokens)
	c.rows = maps.Clone(s.rows)
	c.log = slices.Clone(s.log)
	c.records = maps.Clone(s.records)
	c.wait = maps.Clone(s.wait)
	c.aliases, c.means, c.reclaimed = maps.Clone(s.aliases), maps.Clone(s.means), maps.Clone(s.reclaimed)
	c.added, c.refused = maps.Clone(s.added), map[string]map[string]uint64{}
	for k, rows := range s.refused {
		c.refused[k] = maps.Clone(rows)
	}
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
func (s *site) commit()      { s.tokens = append(s.tokens, s.w.id()) }

func (s *site) keys() []string { return slices.Sorted(maps.Keys(s.rows)) }

func (s *site) seal() {
	if len(s.log) == 0 {
		return
	}
	m := merge.Stamper{Self: s.name, Epoch: s.next()}
	for _, c := range s.log {
		e := s.rows[c.key]
		before := e.Row
		switch c.kind {
		case 'n':
			if e.Known && !e.Alive {
				e.Dead.Added = merge.Adder{Stored: s.added[c.key].Known, Peer: s.added[c.key].By}
			}
			e.Row = m.Insert(e.Row, merge.Bits(allColumns).Without(s.lacks), c.time)
		case 'e':
			e.Row = m.Edit(e.Row, c.mask.Without(s.lacks), c.time)
		case 'd':
			s.added[c.key] = access.Added{Known: true, By: e.AddedBy()}
			e.Row = m.Delete(e.Row, c.time)
		}
		e.back = e.back || c.kind == 'n' && merge.Returned(before, e.Row)
		s.rows[c.key] = e
	}
	s.log = nil
	s.commit()
}

// export makes the files of one batch for a peer: none if there is nothing to say, several if a full load is split into
// parts of at most part rows (0: not split).
func (s *site) export(to string, ask merge.ExportRequest, part int) []*file {
	s.seal()
	l := s.links[to]
	ask.Now = s.w.clockOfHeaders(s.name)
	h, full := merge.PlanExport(&s.history, &l.Link, ask)
	h.Upto, h.At = s.position(), s.w.clockOfHeaders(s.name)
	whole := &file{src: s.name, dst: to, head: h, again: s.resent, lacks: s.lacks, size: []int64{1, 1 << 40}[s.epoch()%2]}
	if l.Acked.Epoch < s.asked {
		whole.asks, whole.lost, whole.gained = s.asked, s.asked == s.lost, s.gained
	}
	whole.short = s.short(l, h, to)
	for _, k := range s.keys() {
		e := s.rows[k]
		knows, base, again := l.peer, h.Base.Epoch, s.owes[to].epoch > h.Base.Epoch
		if again {
			base = 0
			if s.owes[to].lost {
				knows = merge.NoPeer
			}
		}
		answer := e.Alive && s.refused[to][k] > h.Base.Epoch
		if !s.goes(to, e, base, knows, h.Base.Epoch == 0 || knows == merge.NoPeer, answer) {
			continue
		}
		r := sentRow{key: k, val: e.val, Incoming: merge.Incoming{Alive: e.Alive, Ack: l.RowAck(e.Row, l.peer)}}
		switch {
		case answer:
			e.Row = e.Refused(s.refused[to][k], l.peer)
		case again:
			e.Row = e.Again(s.owes[to].epoch)
		}
		if q, ok := s.wait[waitKey{k, to, 0}]; ok {
			r.Ack = min(r.Ack, q.Since())
		}
		r.Groups, r.Dead = s.outgoing(to, e)
		whole.rows = append(whole.rows, r)
	}
	sort.SliceStable(whole.rows, func(i, j int) bool { return rank(whole.rows[i]) < rank(whole.rows[j]) })
	for r, v := range s.records {
		if v.Epoch > h.Base.Epoch && v.From != l.peer {
			whole.records = append(whole.records, r)
		}
	}
	if s.w.apart {
		s.translateOut(whole)
	}
	if len(whole.rows) == 0 && len(whole.records) == 0 && !merge.HeaderIsDue(&s.history, &l.Link, s.w.clockOfHeaders(s.name)) {
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
	merge.RecordExport(&s.history, &s.links[f.dst].Link, f.head, f.size, s.w.clockOfHeaders(s.name))
}

// rank: rows before those that refer to them; deletions come last.
func rank(r sentRow) int {
	switch {
	case r.Alive && r.key[0] == 'p':
		return 0
	case r.Alive:
		return 1
	}
	return 2
}

// refusedWhole is what receive says of a file with a row that cannot be applied, where rows may not wait.
const refusedWhole = "refused whole"

// receive imports a file and says what became of it.
func (s *site) receive(f *file) string {
	l := s.links[f.src]
	s.history.Remembered = s.w.had[s.name]
	d := merge.Receive(&s.history, &l.Link, f.head)
	if d.NewHistory {
		s.history.ID = s.w.id()
		s.w.remember(s)
	}
	if d.Rejoin != nil {
		s.reclaim(l.peer, d.Rejoin.OwnEpoch)
		s.loseWaiting(f.src)
	}
	s.answer(f, d.Verdict)
	if d.Verdict != merge.Apply {
		return []string{"applied", "covered", "gap", "part gap", "other history", "retired", "stranger"}[d.Verdict] // a restore is never taken for a copy
	}
	s.looksFor(f)
	im := l.Import(&s.history, f.head, d)
	im.Self, im.Peer, im.Epoch, im.FromParent = s.name, l.peer, s.next(), f.src == s.parent
	im.Horizon = merge.Horizon(s.w.clock(s.name), s.horizon(), im.FromParent)
	im.PeerResent = func(e uint64) bool { return f.again[e] }
	im.OwnResent = func(e uint64) bool { return s.resent[e] }
	im.Reclaimed = func(e uint64) bool { return s.reclaimed[e] }
	rows, records, aliases, means := s.rows, s.records, s.aliases, s.means
	s.rows, s.records, s.aliases, s.means = maps.Clone(rows), maps.Clone(records), maps.Clone(aliases), maps.Clone(means)
	wrote := s.apply(f, &im)
	if s.w.strict && len(s.wait) > 0 { // all or nothing
		s.rows, s.records, s.wait, s.aliases, s.means = rows, records, map[waitKey]waiting{}, aliases, means
		return refusedWhole
	}
	if wrote {
		s.commit()
	}
	merge.RecordImport(&l.Link, f.head, s.epoch(), wrote)
	s.retried()
	return "applied"
}

func (s *site) reclaim(p merge.Peer, after uint64) {
	changed := false
	for k, e := range s.rows {
		r := e.Reclaim(p, after, s.next())
		if !sameRow(r, e.Row) {
			e.Row, changed = r, true
			s.rows[k] = e
		}
	}
	for k, v := range s.records {
		if v.From == p && v.Epoch > after {
			s.records[k], changed = merge.Version{Epoch: s.next()}, true
		}
	}
	if changed {
		s.reclaimed[s.next()] = true
		s.commit()
	}
}

func sameRow(a, b merge.Row) bool {
	return a.Known == b.Known && a.Alive == b.Alive && a.Dead == b.Dead && slices.Equal(a.Groups, b.Groups)
}

func (s *site) apply(f *file, im *merge.Import) (wrote bool) {
	if s.w.apart {
		f, wrote = s.translateIn(f, im)
	}
	f = s.without(f)
	lacks := merge.Lacks{Now: f.lacks, Gained: s.owes[f.src].gained, Until: s.owes[f.src].epoch, Here: s.gained, Asked: s.asked}
	for i, r := range f.rows {
		ack := im.RowAck(r.Ack)
		f.rows[i].Unseen, f.rows[i].Missed = lacks.Unseen(ack), lacks.Missed(ack)
	}
	n := 0
	for n < len(f.rows) && f.rows[n].Alive {
		wrote = s.take(f.rows[n], f.src, im, false) || wrote
		n++
	}
	dead := f.rows[n:]
	refused := merge.RefuseDeletions(len(dead), s.references(dead, im))
	for i, r := range dead {
		wrote = s.take(r, f.src, im, refused[i]) || wrote
	}
	wrote = s.retry(im) || wrote
	for _, r := range f.records {
		if _, ok := s.records[r]; !ok {
			s.records[r], wrote = merge.Version{Epoch: im.Epoch, From: im.Peer}, true
		}
	}
	return wrote
}

// without is a file as it reads where columns are not here.
func (s *site) without(f *file) *file {
	x := *f
	x.rows = slices.Clone(f.rows)
	for i := range x.rows {
		r := &x.rows[i]
		r.Columns = merge.Bits(allColumns).Without(s.lacks)
		r.Groups = slices.Clone(r.Groups)
		for j := range r.Groups {
			r.Groups[j].Mask = r.Groups[j].Mask.Without(s.lacks)
		}
		for bit := range r.val {
			if f.lacks.Or(s.lacks).Has(bit) {
				r.val[bit] = s.rows[r.key].val[bit]
			}
		}
	}
	return &x
}

func (s *site) here(key string) bool { return s.rows[key].here }

func (s *site) refers(key string, ref value) bool { return key[0] != 'c' || s.here(s.target(ref)) }

// digest is what a second import of a file must not change.
func (s *site) digest() string {
	var b []byte
	for _, k := range s.keys() {
		b = fmt.Append(b, k, s.rows[k])
	}
	return fmt.Sprint(string(b), s.aliases, len(s.records), len(s.wait), s.epoch(), s.history.ID)
}
