package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/scope"
)

// File is where a batch goes. It has its final name only after Commit; Discard leaves nothing.
type File interface {
	io.Writer
	Commit() error
	Discard()
}

// Options say what to export and how a file is made.
type Options struct {
	Full       bool // a full load, whatever the peer has acknowledged
	BeforeLoad bool // rows go to a parent although nothing of it is applied here, and nothing was ever sent to it
	SinceSent  bool // from the last batch made, acknowledged or not: for a link that runs one way
	// Match, if it is not nil, has a file for matching made: a full load of these columns of these tables alone, which is never applied, and
	// of which nothing is noted. See [batch.Header.ForMatching].
	Match    map[*schema.Table][]*schema.Column
	PartSize int64                               // bytes after which a full load goes on in the next file; 0: one file
	Wait     time.Duration                       // how long to wait for the gate
	Policies func(*journal.Table) merge.Policies // what decides conflicts here, which a child is told; nil: the later stamp
	Features features.Known                      // what this program reads and writes; the peer is written what it has said that it reads
	Unread   []string                            // names of features that it reads, and of which the peer is not told so for now

	Sections   *Sections             // what is made once for several children; nil: everything is made for each
	ScopeRules map[string]scope.Rule // the rules that may fill scopes, by name
	Health     *batch.Health         // what a parent is told of this node; nil: nothing
	Cards      []string              // what headers say of the two nodes' keys: see [batch.HasCard] and [batch.NewCard]

	Create   func(name string) (File, error)
	Encrypt  func(io.Writer) (io.WriteCloser, error) // to the peer
	Sign     func(message []byte) ([]byte, error)    // as this node
	Progress func(rows, total int64)                 // total is 0 where it is not known; nil: nobody asks
}

// Batch is a batch, or a part of a full load, that was written.
type Batch struct {
	Peer, File      string
	Base, Upto      uint64
	Rows, Deletions int64
	Bytes           int64
	Part            uint32 // from 1; 0 if the batch was not split
	Last            bool
}

// Export writes the batch that takes a peer from what it has acknowledged to now, or the parts of a full load. It returns those that
// are finished, also with an error; none if there is nothing to send. The database is read in one snapshot, and the application waits
// for none of it.
func Export(ctx context.Context, j *journal.Journal, peer string, o Options) ([]Batch, error) {
	p, err := planned(ctx, j, peer, o)
	if err != nil {
		return nil, err
	}
	defer p.snap.Close()
	x := &exporter{plan: p, out: newOutput(p, o)}
	if p.head.Load != 0 {
		x.load = newLoad()
	}
	err = x.run(ctx, o.Full)
	x.left.report(peer, j.Warn)
	if err != nil {
		x.out.discard()
		return x.out.done, fmt.Errorf("export to %s: %w", peer, err)
	}
	return x.out.done, nil
}

// planned takes a snapshot, and settles in it what is to be sent. Rows that were kept back and may go now get a new epoch before, and
// those that the peer can know by fewer versions only get these.
func planned(ctx context.Context, j *journal.Journal, peer string, o Options) (*plan, error) {
	tries, followed := 0, false
	for again := false; ; {
		snap, err := capture.TakeSnapshot(ctx, j, o.Wait)
		if err != nil {
			return nil, err
		}
		p, err := makePlan(ctx, j, snap, peer, o)
		if err == nil && !followed && p.hasScopeRules() { // only now it is known that there are some
			followed = true
			snap.Close()
			if err := p.followScopeRules(ctx, o); err != nil {
				return nil, fmt.Errorf("export to %s: follow the rules of its scope: %w", peer, err)
			}
			continue
		}
		if err == nil && p.scopes.filters && snap.SealedSome() {
			if tries++; tries < maxSnapshots {
				snap.Close()
				continue
			}
			err = errBusy
		}
		if err != nil {
			snap.Close()
			return nil, fmt.Errorf("export to %s: %w", peer, err)
		}
		if p.match {
			return p, nil
		}
		released, changed := p.released(), p.rulesChanged()
		apart, err := p.apart(ctx)
		if err == nil && (len(released)+len(apart) == 0 && !changed || again) { // what comes in between goes with the next export
			return p, nil
		}
		again = true
		snap.Close()
		if err == nil && len(released) > 0 {
			err = p.release(ctx, released, o)
		}
		if err == nil && changed {
			err = p.followRules(ctx, o)
		}
		if err == nil && len(apart) > 0 {
			err = p.bringTogether(ctx, apart, o)
		}
		if err != nil {
			return nil, fmt.Errorf("export to %s: %w", peer, err)
		}
	}
}

// maxSnapshots is how often a snapshot is taken anew because the seal with it found changes: what follows from these for a scope is not in it.
const maxSnapshots = 200

var errBusy = errors.New("the application changes more than can be followed: try again")

// exporter writes what a plan says.
type exporter struct {
	*plan
	out  *output
	load *load // nil if it is not a full load in parts

	making *making // what is written goes into this section; nil: into files

	newer, buried map[uint16]bool // tables with versions, and with tombstones, above the base that did not come from the peer, and perhaps others
}

// run writes the files. always: a header at least, whether or not one is due.
func (x *exporter) run(ctx context.Context, always bool) error {
	if x.silent {
		return x.finishAlone(ctx, always)
	}
	err := x.findNewer(ctx)
	if err != nil {
		return err
	}
	if x.match {
		if err := x.writeTables(ctx); err != nil {
			return err
		}
		return x.finishAlone(ctx, true)
	}
	shared, err := x.share(ctx)
	if err != nil {
		return err
	}
	if x.sections = shared != nil; !x.sections && len(x.newer)+len(x.buried) > 0 {
		x.out.expect()
	}
	if err := x.writeConflicts(ctx); err != nil { // in a load in parts no later than the rows they are about
		return err
	}
	if err := x.writeResolutions(ctx); err != nil {
		return err
	}
	if err := x.writeDeletions(ctx); err != nil {
		return err
	}
	if shared != nil {
		err = x.writeShared(ctx, shared)
	} else {
		err = x.writeTables(ctx)
	}
	if err != nil {
		return err
	}
	x.warnUnsent()
	if x.out.parts() > 0 {
		if err := x.writeDeferred(ctx); err != nil {
			return err
		}
	}
	return x.finishAlone(ctx, always)
}

// finishAlone finishes the file under way; if there is none, one that is a header, if that is due.
func (x *exporter) finishAlone(ctx context.Context, always bool) error {
	if x.out.file == nil {
		if !always && x.told == nil && !x.scopes.due && !merge.HeaderIsDue(x.history, &x.peer.Link, x.j.Now().UnixMicro()) {
			return nil
		}
		if err := x.out.beginAlone(); err != nil {
			return err
		}
	}
	return x.out.finish(ctx)
}
