package export

import (
	"context"
	"errors"
	"fmt"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/digest"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// proof says what a plan is for, if rows are not sent.
type proof uint8

const (
	sends  proof = iota // rows are sent
	proves              // a digest of the rows that the peer is to have is made
	checks              // rows are compared with a digest of the peer's
)

// DigestOptions say of what a digest is made.
type DigestOptions struct {
	Finds   int      // how many differing rows it finds exactly
	Without []string // tables, and columns as TABLE.COLUMN, that the peer lacks: they are left out
	Carried bool     // it goes like a batch, and its file is named like one
}

// ErrNothingAcknowledged means that the peer has not said yet that it applied anything: there is nothing to compare.
var ErrNothingAcknowledged = errors.New("it has not acknowledged anything yet: let both exchange files first (omsync sync)")

// WriteDigest writes a digest of the rows that the peer is to have, in one snapshot, and notes nothing of it. Rows that changed here since
// what the peer has acknowledged are named in it, and are not compared.
func WriteDigest(ctx context.Context, j *journal.Journal, peer string, d DigestOptions, o Options) (Batch, error) {
	made, err := writeDigest(ctx, j, peer, d, o)
	if err != nil {
		return Batch{}, fmt.Errorf("digest for %s: %w", peer, err)
	}
	return made, nil
}

func writeDigest(ctx context.Context, j *journal.Journal, peer string, d DigestOptions, o Options) (Batch, error) {
	snap, err := settledSnapshot(ctx, j, peer, o)
	if err != nil {
		return Batch{}, err
	}
	defer snap.Close()
	p, err := proofPlan(ctx, j, snap, peer, proves, o)
	if err != nil {
		return Batch{}, err
	}
	if p.peer.Link.Acked.Epoch == 0 || p.peer.Link.Loading() {
		return Batch{}, ErrNothingAcknowledged
	}
	var tables []digest.Table
	for _, t := range j.Replicated() {
		if without(d.Without, t.Name, "") || p.peer.Owes(t.Name, p.peer.Link.Acked.Epoch) != 0 {
			continue // of what is owed, nothing is with the peer for sure
		}
		rules := j.On(t, p.peer)
		columns := []*schema.Column{}
		entry := digest.Table{Name: t.Name, Columns: []string{}}
		for _, c := range p.compared(t, rules) {
			if !without(d.Without, t.Name, c.Name) {
				columns, entry.Columns = append(columns, c), append(entry.Columns, c.Name)
			}
		}
		if p.addProof(t, columns, rules.Compared(), rules.Compares) {
			tables = append(tables, entry)
		}
	}
	if err := p.findUnsent(ctx); err != nil {
		return Batch{}, err
	}
	sum, err := digest.New(tables, d.Finds)
	if err != nil {
		return Batch{}, err
	}
	x := newProver(p, sum)
	if err := x.prove(ctx, o.Progress); err != nil {
		return Batch{}, err
	}
	data, err := sum.Marshal()
	if err != nil {
		return Batch{}, err
	}
	return p.writeDigestFile(data, d.Carried, o, x.rows)
}

// compared returns the columns of a table that are to be the same at both ends.
func (p *plan) compared(t *schema.Table, rules access.Rules) (out []*schema.Column) {
	skip := rules.ComparesNot()
	for _, c := range p.j.Columns(t) {
		if !skip.Has(p.j.Tables[t.Name].Bit(c.Name)) {
			out = append(out, c)
		}
	}
	return out
}

// settledSnapshot takes a snapshot in which it is known who may have what.
func settledSnapshot(ctx context.Context, j *journal.Journal, peer string, o Options) (*capture.Snapshot, error) {
	for range maxSnapshots {
		snap, err := capture.TakeSnapshot(ctx, j, o.Wait)
		if err != nil {
			return nil, err
		}
		p := &plan{j: j, snap: snap, features: o.Features, match: true}
		if p.peer, err = journal.PeerByName(ctx, snap, peer, false); err == nil && p.peer != nil {
			_, err = p.readScopes(ctx)
		}
		if err == nil && !(p.scopes.filters && snap.SealedSome()) {
			return snap, nil
		}
		snap.Close()
		if err != nil {
			return nil, err
		}
	}
	return nil, errBusy
}

// proofPlan is a plan without tables.
func proofPlan(ctx context.Context, j *journal.Journal, snap *capture.Snapshot, peer string, what proof, o Options) (*plan, error) {
	p := &plan{j: j, snap: snap, features: o.Features, known: map[*schema.Table]*table{}, left: leftOut{}, match: true, proof: what,
		only: map[*schema.Table][]*schema.Column{}}
	if _, err := p.meet(ctx, peer, merge.ExportRequest{Full: true}); err != nil {
		return nil, err
	}
	p.head.Last = true
	silent, err := p.readScopes(ctx)
	if err != nil {
		return nil, err
	}
	if silent {
		return nil, ErrNothingAcknowledged
	}
	if p.scopes.filters {
		p.scopes.store.Locate(p.peer.ID)
		if err := p.scopes.store.Err(); err != nil {
			return nil, err
		}
	}
	for _, t := range j.Catalogue.Tables {
		if meta := j.Tables[t.Name]; meta != nil {
			p.known[t] = p.newTable(t, meta)
		}
	}
	if p.noted.waiting, err = journal.WaitingTables(ctx, snap, p.peer.ID); err != nil {
		return nil, err
	}
	p.noted.live, p.noted.dead, err = journal.NotedTables(ctx, snap)
	return p, err
}

// noted are the tables of which the journal holds anything, so that it need not be asked for each of the others. Of a plan that is no proof it is empty.
type noted struct {
	live, dead map[uint16]bool // entries; tombstones
	waiting    map[uint16]bool // rows of the peer's that wait
}

// addProof takes a table into the plan, with these columns, if it is to be.
func (p *plan) addProof(t *schema.Table, columns []*schema.Column, is bool, picks func(merge.Row) bool) bool {
	if p.known[t] == nil || !is {
		return false
	}
	p.only[t] = columns
	out := p.newTable(t, p.known[t].meta)
	out.columns, out.picks = columns, picks
	p.known[t], p.tables = out, append(p.tables, out)
	return true
}

// excluded returns the columns that are not read.
func (p *plan) excluded(r access.Rules) merge.Mask {
	if p.proof != sends { // what is read is said by name
		return merge.Mask{}
	}
	return r.SendsNot()
}

// picks reports whether a row goes, or is compared.
func (r *reader) picks(row journal.Row, known merge.Row, lacks bool) bool {
	if r.t.picks != nil {
		return r.t.picks(known)
	}
	return r.goes(row, known, lacks)
}

// ids returns what stands for rows of a table by their keys.
func (x *prover) ids(t *table, number int, keys []string) ([]digest.Row, error) {
	if err := x.dict.makeRoom(len(keys) * 4); err != nil {
		return nil, err
	}
	indexes, err := x.dict.indexes(t.Table, keys)
	if err != nil {
		return nil, err
	}
	out := make([]digest.Row, len(keys))
	for i, index := range indexes {
		out[i] = x.hasher.Row(t.Name, number, *x.hasher.hashes.of(index))
	}
	return out, nil
}

// prove reads all tables into the digest.
func (x *prover) prove(ctx context.Context, progress func(rows, total int64)) error {
	acked := x.peer.Link.Acked.Epoch
	refused, err := journal.Refused(ctx, x.snap, x.peer.ID, acked)
	if err != nil {
		return err
	}
	var flight, waiting []digest.Row
	numbers := make([]int, len(x.tables))
	for i := range numbers {
		numbers[i] = i
	}
	err = x.each(ctx, numbers, func(t *table, _ int, s seen) error {
		if t.rules.SendsRow(s.known, false) && s.known.NewerThan(acked, x.peer.ID) || refused[t.meta.ID][s.local] != 0 {
			flight = append(flight, s.id)
		} else {
			x.sum.Add(s.id, s.content)
		}
		if x.rows++; progress != nil && x.rows%blockRows == 0 {
			progress(x.rows, 0)
		}
		if len(flight) > digest.MaxNamed {
			return fmt.Errorf("more than %d rows are under way: let both exchange files first (omsync sync)", digest.MaxNamed)
		}
		return nil
	}, func(t *table, number int) error {
		dead, err := x.flyingDeletions(ctx, t, number, acked)
		if err != nil {
			return err
		}
		late, err := x.waitingRows(ctx, t, number)
		if err != nil {
			return err
		}
		flight = append(flight, dead...)
		for id := range late {
			waiting = append(waiting, id)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return x.sum.Name(flight, waiting)
}

// flyingDeletions returns the rows of which the peer does not know yet that they were deleted here.
func (x *prover) flyingDeletions(ctx context.Context, t *table, number int, since uint64) ([]digest.Row, error) {
	var dead []journal.Tombstone
	if x.noted.dead[t.meta.ID] {
		var err error
		if dead, err = journal.NewerTombstones(ctx, x.snap, t.meta.ID, since, x.peer.ID, x.j.Authors); err != nil {
			return nil, err
		}
	}
	var out []digest.Row
	for some := range chunksOfKeys(x.snap.Sealed(t.Table).Tombstones(dead)) {
		var keys []string
		for _, d := range some {
			if t.rules.SendsDeletion(d.Version) && keyFits(t.Table, d.Key) {
				keys = append(keys, d.Key)
			}
		}
		ids, err := x.ids(t, number, keys)
		if err != nil {
			return nil, err
		}
		out = append(out, ids...)
	}
	return out, nil
}

// waitingRows returns the peer's rows of a table that wait here, each with its key.
func (x *prover) waitingRows(ctx context.Context, t *table, number int) (map[digest.Row]string, error) {
	out := map[digest.Row]string{}
	if !x.noted.waiting[t.meta.ID] {
		return out, nil
	}
	var keys []string
	err := journal.Waiting(ctx, x.snap, journal.WaitingFilter{Peer: x.peer.ID, Table: t.meta.ID}, func(w journal.WaitingRow) error {
		if keyFits(t.Table, w.Key) {
			keys = append(keys, w.Key)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	ids, err := x.ids(t, number, keys)
	for i, id := range ids {
		out[id] = keys[i]
	}
	return out, err
}

// writeDigestFile writes the file.
func (p *plan) writeDigestFile(data []byte, carried bool, o Options, rows int64) (Batch, error) {
	h := p.header(p.head)
	id := journal.Random()
	name := batch.DigestFileName(h, id)
	if carried {
		name = batch.NewFileName(h, id).String()
	}
	to, err := o.Create(name)
	if err != nil {
		return Batch{}, err
	}
	made := Batch{Peer: h.Receiver, File: name, Upto: h.Upto.Epoch, Rows: rows, Last: true}
	w, err := batch.NewWriter(to, h, o.Encrypt, o.Sign)
	if err == nil {
		err = w.Digest(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		to.Discard()
		return Batch{}, err
	}
	made.Bytes = w.Size()
	return made, to.Commit()
}
