package exchange

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/apply/reserve"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/capture"
	"github.com/omsync/omsync/exchange/attempts"
	"github.com/omsync/omsync/exchange/cards"
	"github.com/omsync/omsync/exchange/contacts"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
)

// Incoming is a file that may be for this node.
type Incoming struct {
	Name string // as the user knows it
	Open func() (*os.File, int64, error)

	key    string // of the record of attempts
	size   int64  // bytes, when it was listed
	header *batch.Header
	tooNew bool          // the header has only what every format keeps
	sender *journal.Peer // as it was before the run
	before attempts.File // what was remembered of it before the run
	tried  bool          // an attempt is under way that counts
}

// ImportOptions say which files to take and how.
type ImportOptions struct {
	DryRun bool
	// Folder is for files that were found rather than named: those for other nodes are passed over, those that were applied at
	// an earlier run are not read again, and those that failed are left for a while, or for a person: see [WaitError] and
	// [AsideError].
	Folder bool
}

// Result is what came of one file.
type Result struct {
	Name   string
	Header *batch.Header // nil if it could not be read
	Report *apply.Report // nil if Err is not
	Err    error
	// Waited: it is no file, but rows of the report's sender that waited and were tried again.
	Waited bool
	// Purged: it is no file, but what this node deleted of a patient who left its scope, as the report's sender had it do.
	Purged bool
}

// NoFile reports whether it is none.
func (r *Result) NoFile() bool { return r.Waited || r.Purged }

// Applied reports whether nothing more is to be expected of the file: all of it is in the database.
func (r *Result) Applied() bool {
	return r.Report != nil && !r.NoFile() && (r.Report.Outcome == apply.Applied || r.Report.Outcome == apply.Covered || r.Report.Outcome == Compared)
}

// A SenderError is about a file from somebody this node does not listen to. It is [ErrUntrusted].
type SenderError struct {
	Name  string
	State access.State // of the peer of that name; "" if there is none
}

// checkSender returns a *SenderError if nothing is taken from the peer of that name; p is nil if there is none.
func checkSender(p *journal.Peer, name string) error {
	switch {
	case p == nil:
		return &SenderError{Name: name}
	case !p.State.Exchanges():
		return &SenderError{name, p.State}
	}
	return nil
}

// Error says who sent it and why nothing is taken from them.
func (e *SenderError) Error() string {
	if e.State == "" {
		return fmt.Sprintf("%v: it is from %s, which is no peer of this node", ErrUntrusted, printable(e.Name))
	}
	return fmt.Sprintf("%v: it is from %s, which is %s", ErrUntrusted, e.Name, e.State)
}

func (e *SenderError) Unwrap() error { return ErrUntrusted }

// printable returns a name that a stranger wrote, with nothing in it that a terminal obeys.
func printable(name string) string {
	if keys.ValidName(name) == nil {
		return name
	}
	return strconv.Quote(name)
}

// Import applies files: those that reach furthest first, in order; then the rest, of which most is covered by then. What
// their headers acknowledge counts all the same, and if one of the first is damaged, another may stand in for it. What is
// wrong with one file does not keep the others out: each is called with what came of every file, one call at a time. The senders take turns,
// a file each; those whose files made trouble before come last. begin is called once before the first file is applied, if one is for
// this node. The error is one that stopped the run.
func (n *Node) Import(ctx context.Context, files []*Incoming, o ImportOptions, begin func() error, each func(*Result) error) error {
	seen, err := readSeen(n.Home)
	if err != nil {
		return err
	}
	run := &importRun{Node: n, o: o, seen: seen, senders: map[string]*journal.Peer{}, each: each}
	if run.record, err = attempts.Read(n.Home); err != nil {
		return err
	}
	files, err = run.forThisNode(ctx, files)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		any, err := journal.AnyWaiting(ctx, n.Journal.DB)
		if err != nil || !any || o.DryRun {
			return err
		}
	}
	if err := begin(); err != nil {
		return err
	}
	if !o.DryRun {
		if err := n.learnAliases(ctx); err != nil {
			return err
		}
	}
	if _, err := capture.Seal(ctx, n.Journal, 0); err != nil && !errors.Is(err, journal.ErrBusy) {
		return err
	}
	if files, err = run.unseen(files); err != nil {
		return err
	}
	if files, err = run.due(files, time.Now()); err != nil {
		return err
	}
	files, digests := splitDigests(files)
	if files, err = run.inOrder(ctx, files); err != nil {
		return err
	}
	if err := run.applyAll(ctx, files); err != nil {
		return errors.Join(err, run.save(), n.keepAliases(ctx))
	}
	err = run.retry(ctx)
	for _, f := range digests {
		if err == nil {
			err = run.compareDigest(ctx, f)
		}
	}
	return errors.Join(err, run.purge(ctx), run.save(), n.keepAliases(ctx))
}

// importRun is one import of several files.
type importRun struct {
	*Node
	o       ImportOptions
	seen    *seen
	record  *attempts.Record
	senders map[string]*journal.Peer // those looked up so far; nil: there is no such peer
	each    func(*Result) error
	mu      sync.Mutex          // of all that several files change which are imported at the same time
	arrived map[uint16][]string // keys of rows that came in and for which others wait, by table
	cameIn  int64               // rows that files brought
}

// forThisNode reads the headers and keeps the files that are for this node and from its peers.
func (r *importRun) forThisNode(ctx context.Context, files []*Incoming) ([]*Incoming, error) {
	var out []*Incoming
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		err := f.readHeader()
		if err == nil && f.header.Receiver != r.Name {
			if r.o.Folder {
				continue
			}
			err = fmt.Errorf("%w: it is for the node %s, and this is %s", ErrUntrusted, printable(f.header.Receiver), r.Name)
		}
		if err == nil {
			if f.sender, err = r.sender(ctx, f.header.Sender); err != nil && !errors.Is(err, ErrUntrusted) {
				return nil, err
			}
		}
		if err == nil {
			err = r.readable(ctx, f)
		}
		if err != nil {
			if err := r.reportError(ctx, f, err); err != nil {
				return nil, err
			}
			continue
		}
		out = append(out, f)
	}
	return out, nil
}

// readHeader reads the header once: a file that is exchanged for another meanwhile is found out when it is verified.
func (f *Incoming) readHeader() error {
	if f.header != nil {
		return nil
	}
	file, _, err := f.Open()
	if err != nil {
		return err
	}
	defer file.Close()
	h, err := batch.ReadHeader(file)
	f.tooNew = errors.Is(err, batch.ErrTooNew)
	f.header, err = orKeptPart(h, err)
	return err
}

// sender returns the peer that a file says it is from. The signature is checked later.
func (r *importRun) sender(ctx context.Context, name string) (*journal.Peer, error) {
	p, ok := r.senders[name]
	if !ok {
		var err error
		if p, err = journal.PeerByName(ctx, r.Journal.DB, name, false); err != nil {
			return nil, err
		}
		r.senders[name] = p
	}
	if err := checkSender(p, name); err != nil {
		return nil, err
	}
	return p, nil
}

// unseen leaves out what was applied at an earlier run and still lies in the folder. Of files by name none is left out.
func (r *importRun) unseen(files []*Incoming) ([]*Incoming, error) {
	var out []*Incoming
	for _, f := range files {
		if !r.o.Folder || !r.seen.applied(f.header, f.sender) {
			out = append(out, f)
			continue
		}
		h := f.header
		err := r.report(f, &apply.Report{Sender: h.Sender, Outcome: apply.Covered, Base: h.Base.Epoch, Upto: h.Upto.Epoch, Part: h.Part, Why: "applied before"})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// inOrder returns the files in the order in which to apply them: those of the plan, then the rest by where they reach.
func (r *importRun) inOrder(ctx context.Context, files []*Incoming) ([]*Incoming, error) {
	headers := make([]*batch.Header, len(files))
	for i, f := range files {
		headers[i] = f.header
	}
	plan, err := apply.Plan(ctx, r.Journal, headers)
	if err != nil {
		return nil, err
	}
	out := make([]*Incoming, 0, len(files))
	planned := make([]bool, len(files))
	for _, i := range plan {
		planned[i] = true
		out = append(out, files[i])
	}
	var rest []*Incoming
	for i, f := range files {
		if !planned[i] {
			rest = append(rest, f)
		}
	}
	slices.SortStableFunc(rest, func(a, b *Incoming) int {
		return cmp.Or(cmp.Compare(a.header.Upto.Epoch, b.header.Upto.Epoch), cmp.Compare(a.header.Part, b.header.Part))
	})
	out = append(out, rest...)
	fair := make([]*Incoming, 0, len(out))
	for _, i := range attempts.Fair(len(out), func(i int) string { return out[i].sender.Name }, func(i int) bool { return out[i].before.Trouble() }) {
		fair = append(fair, out[i])
	}
	return fair, nil
}

// apply applies a file with a journal that nothing else uses meanwhile. The error is one that stops the run.
func (r *importRun) apply(ctx context.Context, j *journal.Journal, others *reserve.Imports, f *Incoming) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.begin(f); err != nil {
		return err
	}
	file, size, err := f.Open()
	if err != nil {
		return r.reportError(ctx, f, err)
	}
	defer file.Close()
	if err := batch.Probe(file, size); err != nil {
		return r.reportError(ctx, f, err)
	}
	bar := r.bar("from "+f.sender.Name, Rows)
	o := r.applyOptions(j)
	o.Progress, o.AcceptDeletions = bar.Show, r.accepts(f)
	o.Others, o.Alone = others, f.alone()
	if o.Apart, err = r.decidedApart(f.sender); err != nil {
		return r.reportError(ctx, f, err)
	}
	c, err := r.Cards(f.sender)
	if err != nil {
		return r.reportError(ctx, f, err)
	}
	var header *batch.Header
	var signed string
	var heard contacts.File
	o.Verify = func(h *batch.Header, message, signature []byte) (err error) {
		header = h
		heard.Made, heard.Health = time.UnixMicro(h.Time), h.Health()
		signed, err = verify(h, c, f.sender.Name, r.Name, message, signature)
		return err
	}
	report, err := func() (*apply.Report, error) {
		r.mu.Unlock()
		defer r.mu.Lock()
		return apply.Import(ctx, j, file, size, o)
	}()
	bar.Done()
	if errors.Is(err, cards.ErrFormer) {
		if covered, e := r.isApplied(ctx, f); covered || e != nil {
			return errors.Join(e, r.report(f, &apply.Report{Sender: f.sender.Name, Outcome: apply.Covered, Base: f.header.Base.Epoch, Upto: f.header.Upto.Epoch, Part: f.header.Part, Last: f.header.Last}))
		}
	}
	if err != nil {
		return r.reportError(ctx, f, err)
	}
	r.noteArrived(report)
	if report.Missed && !r.o.DryRun {
		info, err := file.Stat()
		if err == nil {
			err = r.missed(ctx, f.sender.Name, info.ModTime())
		}
		if err != nil {
			return err
		}
	}
	heard.Bytes = size
	r.noteContact(f.sender, report, heard)
	if !r.o.DryRun {
		if err := r.hearCards(ctx, f.sender, c, signed, header, report); err != nil {
			return err
		}
	}
	return r.report(f, report)
}

// noteContact remembers that a peer was heard, and what by.
func (r *importRun) noteContact(p *journal.Peer, report *apply.Report, heard contacts.File) {
	if r.o.DryRun || report.Outcome != apply.Applied && report.Outcome != apply.Covered {
		return
	}
	heard.News, heard.Rows = report.Outcome == apply.Applied, report.Inserted+report.Updated+report.Deleted
	if err := contacts.Record(r.Home, p.Name, p.Link.Number, heard, r.Journal.Now()); err != nil {
		r.Journal.Warn("%v", err)
	}
}

// applyOptions are those that do not depend on the file.
func (r *importRun) applyOptions(j *journal.Journal) apply.Options {
	return apply.Options{
		DryRun: r.o.DryRun, Strict: r.Strict, Wait: r.Wait, Horizon: r.Horizon, Keep: r.Keep, Quotas: r.Quotas, Policies: r.Policies, Reindex: r.Reindex, Decrypt: r.Keys.Decrypt,
		Seal: func(ctx context.Context) error {
			_, err := capture.Seal(ctx, j, r.Wait)
			return err
		},
	}
}
