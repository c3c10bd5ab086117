package exchange

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/transport"
)

// maxRounds is how often a run goes over its links while there is something to say. What is left then, acknowledgements of
// acknowledgements as a rule, waits for the next run.
const maxRounds = 4

// Events are what a run tells as it goes. An error that one answers stops the run.
type Events struct {
	Begin    func() error                    // before the first file of the run is applied
	Imported func(*Result) error             // what came of a file in the inbox
	Posted   func([]export.Batch) error      // files for one peer, or for all, that were exported to an outbox
	Sent     func(Moved)                     // a file went over a link
	Received func(Moved)                     // a file came over a link
	Down     func(link string, s *LinkState) // a link is down
	Trouble  func(error)                     // a link, or a file on it, is not as it should be; the run goes on
}

// SyncOptions say what to sync over.
type SyncOptions struct {
	Links    []LinkOpener
	PartSize int64 // of full loads, in bytes; 0: one file
}

// LinkOpener is a link that is to be opened when its turn comes.
type LinkOpener struct {
	Name  string   // its address
	Peers []string // the peers to be reached over it; none: all
	Open  func(context.Context) (*Link, error)
}

// Sync does all that is due: it applies what came, exports what peers on the links lack, sends and fetches, and applies
// again, until there is nothing left to say. A link that is down is told and left out; its files go over the others, and
// over itself at a later run.
func (n *Node) Sync(ctx context.Context, o SyncOptions, e Events) error {
	state, err := ReadState(n.Home)
	if err != nil {
		return err
	}
	s := &syncRun{Node: n, Events: e, o: o, state: state, settled: map[string]bool{}, tried: map[string]int{}, told: map[string]string{}}
	defer s.close()
	err = s.run(ctx)
	return errors.Join(err, state.save())
}

// syncRun is one run over several links.
type syncRun struct {
	*Node
	Events
	o       SyncOptions
	state   *State
	links   []*Link
	pulled  map[*Link]*Pulled
	settled map[string]bool   // files of the inbox that were applied
	tried   map[string]int    // files that were not, and how many had been applied then: one may wait for another
	told    map[string]string // by file, or by its text: what was told and need not be again
	begun   bool
	moved   int // files that went or came in this round
}

func (s *syncRun) close() {
	for _, l := range s.links {
		l.Close()
	}
}

func (s *syncRun) run(ctx context.Context) error {
	if err := s.importInbox(ctx); err != nil {
		return err
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	if err := s.pull(ctx); err != nil {
		return err
	}
	for range maxRounds {
		s.moved = 0
		if err := s.importInbox(ctx); err != nil {
			return err
		}
		if err := s.clear(ctx); err != nil {
			return err
		}
		if err := s.post(ctx); err != nil {
			return err
		}
		if err := s.push(ctx); err != nil {
			return err
		}
		if s.moved == 0 {
			break
		}
		if err := s.pull(ctx); err != nil {
			return err
		}
	}
	if err := s.importInbox(ctx); err != nil {
		return err
	}
	return s.clear(ctx)
}

// open opens the links that are there.
func (s *syncRun) open(ctx context.Context) error {
	for _, o := range s.o.Links {
		l, err := o.Open(ctx)
		if err != nil {
			if err := s.broken(ctx, o.Name, err); err != nil {
				return err
			}
			continue
		}
		l.Name, l.Peers = o.Name, o.Peers
		s.links = append(s.links, l)
	}
	return nil
}

// broken tells that a link is of no use now. The error is one that stops the run.
func (s *syncRun) broken(ctx context.Context, name string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	l := s.state.up(name, time.Now(), err)
	if errors.Is(err, transport.ErrDown) {
		s.Down(name, l)
	} else {
		s.Trouble(err)
	}
	return nil
}

// each does something with every link that is up.
func (s *syncRun) each(ctx context.Context, do func(*Link) error) error {
	links := s.links
	s.links = nil
	for i, l := range links {
		err := do(l)
		if err == nil {
			s.links = append(s.links, l)
			s.state.up(l.String(), time.Now(), nil)
			continue
		}
		if e := s.broken(ctx, l.String(), err); e != nil {
			s.links = append(s.links, links[i:]...)
			return e
		}
		l.Close()
	}
	return nil
}

func (s *syncRun) pull(ctx context.Context) error {
	s.pulled = map[*Link]*Pulled{}
	return s.each(ctx, func(l *Link) error {
		p, err := s.Pull(ctx, l, func(m Moved) { s.moved++; s.Received(m) })
		if p != nil {
			s.pulled[l] = p
			for _, note := range p.Notes {
				s.note(note)
			}
		}
		return err
	})
}

// note tells of trouble that each round finds again, once.
func (s *syncRun) note(err error) {
	if text := err.Error(); s.told[text] == "" {
		s.told[text] = text
		s.Trouble(err)
	}
}

// importInbox applies what is in the inbox. What is applied leaves it.
func (s *syncRun) importInbox(ctx context.Context) error {
	want := func(name string, _ *batch.Header) bool {
		n, ok := s.tried[name]
		return !ok || n < len(s.settled)
	}
	gone, err := s.ImportInbox(ctx, want, func() error {
		if s.begun {
			return nil
		}
		s.begun = true
		return s.Begin()
	}, func(r *Result) error {
		if r.Settled() {
			s.settled[r.Name] = true
		} else {
			s.tried[r.Name] = len(s.settled)
			outcome := fmt.Sprint(r.Err)
			if r.Report != nil {
				outcome = r.Report.Outcome + r.Report.Why
			}
			if s.told[r.Name] == outcome {
				return nil
			}
			s.told[r.Name] = outcome
		}
		return s.Imported(r)
	})
	for _, name := range gone {
		s.settled[name] = true
	}
	return err
}

// clear takes what was applied out of the stores it came from.
func (s *syncRun) clear(ctx context.Context) error {
	return s.each(ctx, func(l *Link) error {
		if s.pulled[l] == nil {
			return nil
		}
		err := s.Clear(ctx, s.pulled[l], s.settled)
		if errors.Is(err, transport.ErrReadOnly) { // a stick with its switch on: the files stay
			return nil
		}
		if errors.Is(err, fs.ErrPermission) { // another account's file, in a folder where each may remove its own
			s.note(fmt.Errorf("%w: it is applied: remove it by hand, or let this account remove files there", err))
			return nil
		}
		return err
	})
}

// post exports what the peers on the links lack.
func (s *syncRun) post(ctx context.Context) error {
	peers, err := s.reachable(ctx)
	if err != nil {
		return err
	}
	for _, p := range peers {
		made, err := s.Post(ctx, p, s.o.PartSize)
		if err := errors.Join(err, s.Posted(made)); err != nil {
			return err
		}
	}
	return nil
}

// reachable is the active peers that some link is configured for, whether it is up or not.
func (s *syncRun) reachable(ctx context.Context) ([]*journal.Peer, error) {
	all, err := journal.Peers(ctx, s.Journal.DB)
	if err != nil {
		return nil, err
	}
	var out []*journal.Peer
	for _, p := range all {
		for _, l := range s.o.Links {
			if p.State == access.Active && leads(l.Peers, p.Name) {
				out = append(out, p)
				break
			}
		}
	}
	return out, nil
}

// leads says whether a link that is for some peers, or for all if none is named, is for this one.
func leads(peers []string, peer string) bool { return len(peers) == 0 || slices.Contains(peers, peer) }

func (s *syncRun) push(ctx context.Context) error {
	peers, err := s.reachable(ctx)
	if err != nil {
		return err
	}
	return s.each(ctx, func(l *Link) error {
		err := s.Push(ctx, l, peers, s.state, func(m Moved) { s.moved++; s.Sent(m) })
		// A run that is killed later should not send everything again.
		return errors.Join(err, s.state.save())
	})
}

// OverLinks does one thing over each link that is up.
func (n *Node) OverLinks(ctx context.Context, links []LinkOpener, e Events, do func(*Link, *State) error) error {
	state, err := ReadState(n.Home)
	if err != nil {
		return err
	}
	s := &syncRun{Node: n, Events: e, o: SyncOptions{Links: links}, state: state}
	defer s.close()
	if err = s.open(ctx); err == nil {
		err = s.each(ctx, func(l *Link) error { return do(l, state) })
	}
	return errors.Join(err, state.save())
}

// ImportInbox applies what is in the inbox, or what is wanted of it, and answers the files that left it: those that were
// applied, and those that never will be, for another file stands in for them. Names are those in the inbox.
func (n *Node) ImportInbox(ctx context.Context, want func(name string, h *batch.Header) bool, begin func() error, each func(*Result) error) (gone []string, err error) {
	inbox, err := Inbox(n.Home)
	if err != nil {
		return nil, err
	}
	defer inbox.Close()
	all, err := FilesIn(ctx, inbox, func(name string) string { return name })
	if err != nil {
		return nil, err
	}
	var files []*Incoming
	for _, f := range all {
		if f.readHeader() != nil || want == nil || want(f.Name, f.header) {
			files = append(files, f)
		}
	}
	if len(files) == 0 {
		return nil, nil
	}
	leave := func(name string) error {
		gone = append(gone, name)
		return inbox.Remove(ctx, name)
	}
	later := map[string]int64{} // by sender: when the latest batch applied now was made
	var left []*Result
	err = n.Import(ctx, files, ImportOptions{Folder: true}, begin, func(r *Result) error {
		if r.Settled() {
			later[r.Header.Sender] = max(later[r.Header.Sender], r.Header.Time)
			if err := leave(r.Name); err != nil {
				return err
			}
		} else if r.Header != nil {
			left = append(left, r)
		}
		return each(r)
	})
	for _, r := range left {
		h := r.Header
		// Of a history that its sender has left, or refused whole, and so is the one that holds it all: that one is enough.
		old := r.Report != nil && r.Report.Outcome == apply.Refused && h.Time < later[h.Sender] ||
			r.Err != nil && slices.ContainsFunc(left, func(o *Result) bool { return o.Name != r.Name && o.Err != nil && holds(o.Header, h) })
		if old || r.Err != nil && n.passed(ctx, r) {
			err = errors.Join(err, leave(r.Name))
		}
	}
	if err != nil {
		return gone, fmt.Errorf("import from the inbox: %w", err)
	}
	return gone, nil
}
