package export

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/internal/headers"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// File is where a batch goes. It has its final name only after Commit; Discard leaves nothing.
type File interface {
	io.Writer
	Commit() error
	Discard()
}

// Options say what to export and how a file is made.
type Options struct {
	Full      bool           // a full load, whatever the peer has acknowledged
	SinceSent bool           // from the last batch made, acknowledged or not: for a link that runs one way
	PartSize  int64          // bytes after which a full load goes on in the next file; 0: one file
	Wait      time.Duration  // how long to wait for the gate
	Features  features.Known // what this program reads and writes; the peer is written what it has said that it reads

	Create   func(name string) (File, error)
	Encrypt  func(io.Writer) (io.WriteCloser, error) // to the peer
	Sign     func(message []byte) ([]byte, error)    // as this node
	Progress func(rows, total int64)                 // total is 0 where it is not known; nil: nobody asks
}

// Batch is a batch, or a part of a full load, that was made.
type Batch struct {
	Peer, File      string
	Base, Upto      uint64
	Rows, Deletions int64
	Bytes           int64
	Part            uint32 // from 1; 0 if the batch was not split
	Last            bool
}

// Export makes the batch that takes a peer from what it has acknowledged to now. It answers nothing if there is nothing
// to send. The database is read in one snapshot, and the application waits for none of it.
func Export(ctx context.Context, j *journal.Journal, peer string, o Options) ([]Batch, error) {
	for { // until little is left: what the last seal makes is held in memory to the end of the export
		n, err := capture.Seal(ctx, j, o.Wait)
		if err != nil {
			return nil, err
		}
		if n < 1000 {
			break
		}
	}
	s, snap, err := capture.SealBehindGate(ctx, j, o.Wait)
	for err == nil && s.Changes == capture.SealLimit { // a large transaction came in between: its values must not go out unstamped
		snap.Close()
		s, snap, err = capture.SealBehindGate(ctx, j, o.Wait)
	}
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	x := &export{j: j, snap: snap, sealed: s, o: o, id: journal.Random()}
	out, err := x.run(ctx, peer)
	if err != nil {
		if x.file != nil {
			x.file.Discard()
		}
		return out, fmt.Errorf("export to %s: %w", peer, err)
	}
	return out, nil
}

// export is the batch, or the parts of one, that are being made.
type export struct {
	j      *journal.Journal
	snap   capture.Snapshot
	sealed *capture.Sealed
	o      Options

	peer *journal.Peer
	node *merge.History
	head merge.Header
	full bool

	file File // the one under way; nil between files
	name string
	id   uint64 // random: two batches never have one name, so that a file's name tells it from every other
	w    *batch.Writer
	d    *dictionary
	part uint32
	one  Batch
	done []Batch
	rows int64

	split bool                                   // a full load in parts
	sent  map[*schema.Table]*paged               // rows that are in some part already, where a reference may run ahead
	kept  map[*schema.Table]map[journal.Row]bool // rows whose deletion by the parent was refused here
	later map[*schema.Table][]journal.Row        // rows to be sent once more at the end, with the reference that ran ahead
}

func (x *export) run(ctx context.Context, name string) ([]Batch, error) {
	var bad error
	_, node, err := journal.LoadHistory(ctx, x.snap, &bad)
	if err != nil {
		return nil, err
	}
	x.node = node
	if x.peer, err = journal.PeerByName(ctx, x.snap, name, false); err != nil {
		return nil, err
	}
	if x.peer == nil {
		return nil, fmt.Errorf("no peer of that name: see omsync peer list")
	}
	x.head, x.full = merge.PlanExport(node, &x.peer.Link, merge.ExportRequest{Full: x.o.Full, SinceSent: x.o.SinceSent})
	if bad != nil {
		return nil, bad
	}
	if x.head.Upto, err = journal.LastEpoch(ctx, x.snap); err != nil {
		return nil, err
	}
	if x.sealed.Epoch.Epoch != 0 {
		x.head.Upto = x.sealed.Epoch
	}
	if x.split = x.full && x.o.PartSize > 0; x.split {
		x.head.Load = journal.Random()
		x.sent, x.later = map[*schema.Table]*paged{}, map[*schema.Table][]journal.Row{}
	}
	if err := x.refused(ctx); err != nil {
		return nil, err
	}
	if err := x.records(ctx); err != nil { // in a load in parts no later than the rows they are about
		return nil, err
	}
	if err := x.deletions(ctx); err != nil {
		return nil, err
	}
	tables := x.tables()
	live, _, err := journal.NewerTables(ctx, x.snap, x.head.Base.Epoch, x.peer.ID)
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		jt := x.j.Tables[t.Name]
		if !live[jt.ID] && x.sealed.Tables[t] == nil && (jt.Default.Mask == 0 || jt.Default.Epoch <= x.head.Base.Epoch) {
			continue
		}
		if err := x.reader(t).each(ctx, func(p *portion) error { return x.block(ctx, t, p, false) }); err != nil {
			return nil, err
		}
	}
	if x.split && x.part > 0 {
		if x.w != nil {
			if err := x.finish(ctx, false); err != nil {
				return nil, err
			}
		}
		if err := x.open(true); err != nil {
			return nil, err
		}
		for _, t := range tables {
			for part := range slices.Chunk(x.later[t], blockRows) {
				if err := x.again(ctx, t, part); err != nil {
					return nil, err
				}
			}
		}
	}
	if x.w == nil {
		if !x.o.Full && !merge.HeaderIsDue(x.node, &x.peer.Link, x.j.Now().UnixMicro()) {
			return nil, nil
		}
		x.split, x.head.Load = false, 0
		if err := x.open(true); err != nil {
			return nil, err
		}
	}
	return x.done, x.finish(ctx, true)
}

// up says whether the peer is this node's parent.
func (x *export) up() bool { return x.peer.Role == access.Parent }

// tables lists those whose rows go to the peer.
func (x *export) tables() []*schema.Table {
	var out []*schema.Table
	for _, t := range x.j.Replicated() {
		switch d := x.j.Profile.Direction(t.Name); {
		case d == access.None, d == access.Down && x.up() && x.kept[t] == nil:
		default:
			out = append(out, t)
		}
	}
	return out
}

// refused finds the rows of which the parent's deletion was refused here, because something that may go up refers to them.
func (x *export) refused(ctx context.Context) error {
	if !x.up() {
		return nil
	}
	x.kept = map[*schema.Table]map[journal.Row]bool{}
	for _, t := range x.j.Replicated() {
		if x.j.Profile.Direction(t.Name) == access.Both || x.j.Profile.Rights(t.Name) || t.Key != schema.KeyUUID {
			continue
		}
		ks, err := journal.RefusedDeletions(ctx, x.snap, x.j.Tables[t.Name].ID, x.head.Base.Epoch)
		if err != nil {
			return err
		}
		rows, err := rowkey.ByUUID(ctx, x.snap, t, ks)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if x.kept[t] == nil {
				x.kept[t] = map[journal.Row]bool{}
			}
			x.kept[t][r] = true
		}
	}
	return nil
}

// columns are a table's columns that go to the peer.
func (x *export) columns(t *schema.Table) []*schema.Column {
	var out []*schema.Column
	for _, c := range x.j.Columns(t) {
		if x.up() && x.j.Profile.Excluded(t.Name, c.Name) == schema.ExcludeUp {
			continue
		}
		out = append(out, c)
	}
	return out
}

func (x *export) reader(t *schema.Table) *reader {
	return &reader{j: x.j, q: x.snap, table: t, columns: x.columns(t), base: x.head.Base.Epoch, peer: x.peer.ID, sealed: x.sealed.Tables[t]}
}

// open begins a file.
func (x *export) open(last bool) error {
	if x.split {
		x.part++
	}
	x.head.Part, x.head.Last = x.part, last
	h := headers.FromRules(x.head)
	h.Sender, h.Receiver, h.Schema, h.Time = x.j.Self, x.peer.Name, x.j.Catalogue.Fingerprint(), x.j.Now().UnixMicro()
	if !x.split {
		h.Last = true
	}
	ctx := context.Background()
	var err error
	if h.Resent, err = journal.ResendEpochs(ctx, x.snap, x.head.Base.Epoch); err != nil {
		return err
	}
	h.Requests = headers.Requests(x.peer.ResendRequests(), x.o.Features, x.peer.Heard)
	x.name = fileName(h, x.id)
	if x.file, err = x.o.Create(x.name); err != nil {
		return err
	}
	x.one = Batch{Peer: x.peer.Name, File: x.name, Base: h.Base.Epoch, Upto: h.Upto.Epoch, Part: h.Part, Last: h.Last}
	if x.w, err = batch.NewWriter(x.file, h, x.o.Encrypt, x.o.Sign); err != nil {
		return err
	}
	x.d = newDictionary(x.j, x.snap, x.w, x.columns)
	return nil
}

// finish gives the file its final name, and lets the journal know of it before: a file that nobody has costs nothing, a
// file that nobody knows of a round trip.
func (x *export) finish(ctx context.Context, last bool) error {
	if err := x.w.Close(); err != nil {
		return err
	}
	x.one.Bytes = x.w.Size()
	if err := x.made(ctx); err != nil {
		return err
	}
	if err := x.file.Commit(); err != nil {
		return err
	}
	x.done = append(x.done, x.one)
	x.file, x.w, x.d = nil, nil, nil
	return nil
}

// made remembers the batch in the peer's row, as it is now: an import may have changed it since the snapshot.
func (x *export) made(ctx context.Context) error {
	tx, err := x.j.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	// A long import from the peer holds the row to its end.
	if _, err := tx.ExecContext(ctx, "SET @omsync_wait = @@innodb_lock_wait_timeout, innodb_lock_wait_timeout = 3600"); err != nil {
		return err
	}
	p, err := journal.PeerByName(ctx, tx, x.peer.Name, true)
	if _, err := tx.ExecContext(ctx, "SET innodb_lock_wait_timeout = @omsync_wait"); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	if p == nil || p.ID != x.peer.ID {
		return fmt.Errorf("the peer was removed meanwhile")
	}
	now := x.j.Now()
	merge.RecordExport(x.node, &p.Link, x.head, now.UnixMicro())
	p.SentAt = now
	if err := journal.SavePeer(ctx, tx, p); err != nil {
		return err
	}
	return tx.Commit()
}

// fileName is a name that FAT and exFAT accept, that sorts by the order in which a node's batches apply.
func fileName(h *batch.Header, id uint64) string {
	part := ""
	if h.Load != 0 {
		part = fmt.Sprintf("-part%04d", h.Part)
	}
	return fmt.Sprintf("%s-to-%s-%010d-%010d-%06x%s.omsync", h.Sender, h.Receiver, h.Base.Epoch, h.Upto.Epoch, id&0xffffff, part)
}
