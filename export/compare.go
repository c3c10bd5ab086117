package export

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/digest"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// State says why a row that differs may be no fault.
type State string

// The states.
const (
	Differs State = ""          // it is one
	Flies   State = "in flight" // a change of it is under way between the two
	Waits   State = "waiting"   // it came, and cannot be applied yet
)

// Difference is a row that is not at both as it should be.
type Difference struct {
	Table *schema.Table
	Kind  digest.Kind
	State State
	At    journal.Row // where it is here, if it is
	Here  bool
	Key   string    // its key, if this database knows it: "" of a row that it never had
	Known merge.Row // what it is known by here
}

// Compared is how rows here compare with a peer's digest.
type Compared struct {
	Tables      []digest.TableResult
	Differences []Difference // all, if Exact
	Exact       bool
	Estimate    int64             // about how many rows differ
	Left        map[string]string // tables of the digest that could not be compared, and why
	FlightThere int               // rows that the peer left out since changes of them are under way
	NewHere     int64             // rows that this node left out since the peer cannot have them yet
	Rows        int64
}

// Errors of a digest that is not to be compared with.
var (
	ErrOtherHistory = errors.New("the digest is of another history of one of the two: let both exchange files first (omsync sync), and make a new one")
)

// CompareDigest compares the rows here with a peer's digest, in one snapshot, and changes nothing. h is the header of its file. What cannot be
// held in memory is in a file in the folder dir, which has no name.
func CompareDigest(ctx context.Context, j *journal.Journal, peer string, h *batch.Header, there *digest.Digest, dir string, o Options) (*Compared, error) {
	snap, err := settledSnapshot(ctx, j, peer, o)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	p, err := proofPlan(ctx, j, snap, peer, checks, o)
	if err != nil {
		return nil, err
	}
	c := &comparer{there: there, ack: h.Ack.Epoch, out: &Compared{Left: map[string]string{}, FlightThere: len(there.Flight)}, numbers: map[*table]int{}}
	ack := merge.Position(h.Ack)
	if h.AckHistory != p.history.ID || h.History != p.peer.Link.History || ack != (merge.Position{}) && !p.history.Has(ack) {
		return nil, ErrOtherHistory
	}
	c.late = p.peer.Link.ImportedAfter(h.Upto.Epoch)
	for number, t := range there.Tables {
		c.addTable(p, number, t)
	}
	if err := p.findUnsent(ctx); err != nil {
		return nil, err
	}
	c.prover = newProver(p, there.Like())
	if err := c.run(ctx, dir, o.Progress); err != nil {
		return nil, fmt.Errorf("compare with %s: %w", peer, err)
	}
	return c.out, nil
}

// comparer compares the rows here with a digest.
type comparer struct {
	*prover
	there   *digest.Digest
	ack     uint64 // of this node's epochs, what its maker had applied
	late    uint64 // this node's epoch in which something came from there that the digest does not know; 0: nothing did
	numbers map[*table]int
	spill   *spill
	out     *Compared
}

// addTable takes a table of the digest into the plan, or says why it cannot be compared.
func (c *comparer) addTable(p *plan, number int, said digest.Table) {
	t := p.j.Catalogue.Named(said.Name)
	if t == nil || p.known[t] == nil {
		c.out.Left[said.Name] = "it is not here"
		return
	}
	rules := p.j.On(t, p.peer)
	columns, missing := digested(t, said.Columns)
	same := p.compared(t, rules)
	apart := slices.IndexFunc(columns, func(c *schema.Column) bool { return !slices.Contains(same, c) }) // secrets, say: which rows differ tells something of them
	switch {
	case len(missing) > 0:
		c.out.Left[said.Name] = fmt.Sprintf("%s is not here", missing[0])
	case !rules.Compared():
		c.out.Left[said.Name] = "nothing of it goes between the two"
	case apart >= 0:
		c.out.Left[said.Name] = fmt.Sprintf("%s.%s need not be the same at both, by the rules here: make the digest with --without %[1]s.%[2]s", t.Name, columns[apart].Name)
	case p.known[t].picks != nil:
		c.out.Left[said.Name] = "it is in the digest twice"
	default:
		p.addProof(t, columns, true, rules.Compares)
		c.numbers[p.known[t]] = number
	}
}

func (c *comparer) run(ctx context.Context, dir string, progress func(rows, total int64)) (err error) {
	if c.spill, err = newSpill(dir); err != nil {
		return err
	}
	defer c.spill.close()
	numbers := make([]int, len(c.tables))
	for i, t := range c.tables {
		numbers[i] = c.numbers[t]
	}
	err = c.each(ctx, numbers, func(t *table, number int, s seen) error {
		if c.rows++; progress != nil && c.rows%blockRows == 0 {
			progress(c.rows, 0)
		}
		var flags byte
		sends := t.rules.SendsRow(s.known, false) // otherwise what was changed here stays here
		switch {
		case c.there.InFlight(s.id):
			return nil
		case sends && s.known.AddedSince(c.ack, c.peer.ID):
			c.out.NewHere++
			return c.spill.add(spilled{s.id, 0, number, s.local, isFlying})
		case sends && s.known.NewerThan(c.ack, c.peer.ID) || s.known.CameSince(c.late, c.peer.ID):
			flags = isFlying
		}
		c.sum.Add(s.id, s.content)
		return c.spill.add(spilled{s.id, s.content, number, s.local, flags})
	}, func(*table, int) error { return nil })
	if err != nil {
		return err
	}
	c.out.Rows = c.rows
	r := digest.Compare(c.there, c.sum)
	c.out.Tables, c.out.Exact, c.out.Estimate = r.Tables, r.Exact, r.Estimate
	return c.name(ctx, r)
}

// name says of each row that differs what is known of it here.
func (c *comparer) name(ctx context.Context, r *digest.Result) error {
	wanted := map[digest.Row]bool{}
	for _, id := range r.Differ {
		wanted[id] = true
	}
	here := map[digest.Row]spilled{}
	err := c.spill.each(func(s spilled) {
		if wanted[s.id] {
			here[s.id] = s
		}
	})
	if err != nil {
		return err
	}
	byTable := map[int][]digest.Row{}
	for _, id := range r.Differ {
		byTable[id.Table()] = append(byTable[id.Table()], id)
	}
	for _, t := range c.tables {
		if err := c.nameRows(ctx, t, byTable[c.numbers[t]], here, r); err != nil {
			return err
		}
	}
	return nil
}

// nameRows is name for the rows of one table.
func (c *comparer) nameRows(ctx context.Context, t *table, ids []digest.Row, here map[digest.Row]spilled, r *digest.Result) error {
	if len(ids) == 0 {
		return nil
	}
	waiting, err := c.waitingRows(ctx, t, c.numbers[t])
	if err != nil {
		return err
	}
	var rows []journal.Row
	for _, id := range ids {
		if s, ok := here[id]; ok {
			rows = append(rows, s.local)
		}
	}
	keys, err := rowkey.Of(ctx, c.snap, t.Table, rows)
	if err != nil {
		return err
	}
	versions, err := journal.Versions(ctx, c.snap, t.meta.ID, rows, c.j.Authors)
	if err != nil {
		return err
	}
	dead, err := c.deadRows(ctx, t, len(rows) < len(ids))
	if err != nil {
		return err
	}
	sealed := c.snap.Sealed(t.Table)
	for _, id := range ids {
		s, is := here[id]
		d := Difference{Table: t.Table, Kind: r.Kind(id, s.content), Here: is}
		_, waits := waiting[id]
		if is {
			d.At, d.Key = s.local, keys[s.local]
			d.Known = knownBy(sealed.Groups(s.local, versions[s.local]), t.meta.Default)
		} else if d.Key = waiting[id]; d.Key == "" {
			d.Key, d.Known = dead[id].Key, merge.Row{Known: dead[id].Key != "", Dead: dead[id].Version}
		}
		switch {
		case waits || c.there.WaitsThere(id):
			d.State = Waits
		case s.flags&isFlying != 0 || !is && d.Known.Known && (t.rules.SendsDeletion(d.Known.Dead) && d.Known.NewerThan(c.ack, c.peer.ID) || c.late != 0 && d.Known.Dead.From == c.peer.ID && d.Known.Dead.Epoch >= c.late):
			d.State = Flies
		}
		c.out.Differences = append(c.out.Differences, d)
	}
	return nil
}

// deadRows returns the deletions known of a table's rows.
func (c *comparer) deadRows(ctx context.Context, t *table, asked bool) (map[digest.Row]journal.Tombstone, error) {
	if !asked || !c.noted.dead[t.meta.ID] && c.snap.Sealed(t.Table) == nil {
		return nil, nil
	}
	dead, err := journal.NewerTombstones(ctx, c.snap, t.meta.ID, 0, merge.NoPeer, c.j.Authors)
	if err != nil {
		return nil, err
	}
	out := map[digest.Row]journal.Tombstone{}
	for some := range chunksOfKeys(c.snap.Sealed(t.Table).Tombstones(dead)) {
		var keys []string
		for _, d := range some {
			keys = append(keys, d.Key)
		}
		ids, err := c.ids(t, c.numbers[t], keys)
		if err != nil {
			return nil, err
		}
		for i, id := range ids {
			out[id] = some[i]
		}
	}
	return out, nil
}

// isFlying marks a row here with changes that the peer has not heard of, or that its digest is too old for.
const isFlying = 1

// spilled is what is kept of each row that was read, to be looked up once it is known which differ.
type spilled struct {
	id      digest.Row
	content uint64 // 0: the row is not compared
	table   int
	local   journal.Row
	flags   byte
}

// spill keeps them in a file.
type spill struct {
	f *os.File
	w *bufio.Writer
	b []byte
}

func newSpill(dir string) (*spill, error) {
	f, err := os.CreateTemp(dir, "verify-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil { // nobody else need see it, and it goes with this process
		f.Close()
		return nil, err
	}
	return &spill{f: f, w: bufio.NewWriterSize(f, 1<<18)}, nil
}

func (s *spill) close() { s.f.Close() }

func (s *spill) add(r spilled) error {
	b := binary.BigEndian.AppendUint64(s.b[:0], uint64(r.id))
	b = binary.BigEndian.AppendUint64(b, r.content)
	b = binary.BigEndian.AppendUint64(b, uint64(r.local.Int))
	b = append(binary.BigEndian.AppendUint16(b, uint16(r.table)), r.flags)
	b = append(binary.BigEndian.AppendUint32(b, uint32(len(r.local.Key))), r.local.Key...)
	s.b = b
	_, err := s.w.Write(b)
	return err
}

// each hands on all of them.
func (s *spill) each(f func(spilled)) error {
	if err := s.w.Flush(); err != nil {
		return err
	}
	if _, err := s.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	r := bufio.NewReaderSize(s.f, 1<<18)
	var b [31]byte
	for {
		if _, err := io.ReadFull(r, b[:]); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		key := make([]byte, binary.BigEndian.Uint32(b[27:]))
		if _, err := io.ReadFull(r, key); err != nil {
			return err
		}
		f(spilled{digest.Row(binary.BigEndian.Uint64(b[:])), binary.BigEndian.Uint64(b[8:]), int(binary.BigEndian.Uint16(b[24:])),
			journal.Row{Int: int64(binary.BigEndian.Uint64(b[16:])), Key: string(key)}, b[26]})
	}
}
