package export

import (
	"context"
	"errors"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
)

// output is the files of an export: one, or the parts of a full load.
type output struct {
	plan *plan
	o    Options
	id   uint64       // random: two batches never have one name, so that a file's name tells it from every other
	head merge.Header // of the file under way
	file *file        // nil before the first and between two
	rows int64        // in all of them
	done []Batch      // those that are finished

	compressor *batch.Compressor // of the next file; nil: it makes its own
}

// file is the one under way.
type file struct {
	to   File
	w    *batch.Writer
	dict *dictionary
	made Batch
}

func newOutput(p *plan, o Options) *output {
	return &output{plan: p, o: o, id: journal.Random(), head: p.head}
}

// parts returns how many parts were begun; 0 if the export is not a full load in parts.
func (o *output) parts() uint32 { return o.head.Part }

// expect has what the next file needs made while rows are read for it.
func (o *output) expect() { o.compressor = batch.NewCompressor(o.plan.header(o.head)) }

// current returns the file under way, which it begins if there is none.
func (o *output) current() (*file, error) {
	if o.file == nil {
		if err := o.begin(false); err != nil {
			return nil, err
		}
	}
	return o.file, nil
}

// beginAlone begins a file that is no part, whatever was planned.
func (o *output) beginAlone() error {
	o.head.Load = 0
	return o.begin(true)
}

// begin begins a file. last: it is the last of a load in parts.
func (o *output) begin(last bool) error {
	o.head.Last = true
	if o.head.Load != 0 {
		o.head.Part++
		o.head.Last = last
	}
	h := o.plan.header(o.head)
	name := batch.NewFileName(h, o.id).String()
	if o.plan.match {
		name = batch.MatchFileName(h, o.id)
	}
	to, err := o.o.Create(name)
	if err != nil {
		return err
	}
	o.file = &file{to: to, made: Batch{Peer: h.Receiver, File: name, Base: h.Base.Epoch, Upto: h.Upto.Epoch, Part: h.Part, Last: h.Last}}
	compressor := o.compressor
	o.compressor = nil
	if o.plan.sections {
		o.file.w, err = o.o.Sections.compressors.NewWriter(to, h, o.o.Encrypt, o.o.Sign)
	} else {
		o.file.w, err = batch.NewWriterWith(compressor, to, h, o.o.Encrypt, o.o.Sign)
	}
	if err != nil {
		return err
	}
	o.file.dict = newDictionary(o.plan, o.file.w)
	if h.HasShortKeys() {
		o.file.dict.short = o.file.w
	}
	if o.plan.told != nil {
		if err := o.file.w.Rules(o.plan.told); err != nil {
			return err
		}
	}
	said := o.plan.scopes.said
	if said == nil || said.Said && !h.Last {
		return nil
	}
	return o.file.w.Scope(said)
}

// finish gives the file its final name, and lets the journal know of it before: a file that nobody has costs nothing, a file that
// nobody knows of a round trip.
func (o *output) finish(ctx context.Context) error {
	f := o.file
	if err := f.w.Close(); err != nil {
		return err
	}
	f.made.Bytes = f.w.Size()
	if !o.plan.match {
		if err := o.record(ctx); err != nil {
			return err
		}
	}
	if err := f.to.Commit(); err != nil {
		return err
	}
	o.done = append(o.done, f.made)
	o.file = nil
	return nil
}

// discard leaves nothing of the file under way.
func (o *output) discard() {
	if o.file != nil {
		if o.file.w != nil {
			o.file.w.Wait()
		}
		o.file.to.Discard()
	}
}

// count adds rows to what is shown of the progress.
func (o *output) count(rows int) {
	o.rows += int64(rows)
	if o.o.Progress != nil {
		o.o.Progress(o.rows, 0)
	}
}

// record notes the file in the peer's row, as it is now: an import may have changed it since the snapshot.
func (o *output) record(ctx context.Context) error {
	j, peer := o.plan.j, o.plan.peer
	tx, err := j.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	// A long import from the peer holds the row to its end.
	if _, err := tx.ExecContext(ctx, "SET @omsync_wait = @@innodb_lock_wait_timeout, innodb_lock_wait_timeout = 3600"); err != nil {
		return err
	}
	now, err := journal.PeerByName(ctx, tx, peer.Name, true)
	if _, err := tx.ExecContext(ctx, "SET innodb_lock_wait_timeout = @omsync_wait"); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	if now == nil || now.ID != peer.ID {
		return errors.New("the peer was removed meanwhile")
	}
	if err := o.plan.unsent.record(ctx, tx, o.plan); err != nil {
		return err
	}
	now.SentAt = j.Now()
	merge.RecordExport(o.plan.history, &now.Link, o.head, o.file.made.Bytes, now.SentAt.UnixMicro())
	if err := journal.SavePeer(ctx, tx, now); err != nil {
		return err
	}
	return tx.Commit()
}
