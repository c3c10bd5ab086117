package exchange

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/transport"
)

// maxRounds is how often a run goes over its links while there is something to say. What is left then, acknowledgements of
// acknowledgements as a rule, waits for the next run.
const maxRounds = 4

// Events are what a run reports as it goes. An error that one returns stops the run.
type Events struct {
	Begin    func() error                    // before the first file of the run is applied
	Imported func(*Result) error             // what came of a file in the inbox
	Exported func([]export.Batch) error      // files for one peer, or for all, that were exported to an outbox
	Sent     func(Transfer)                  // a file went over a link
	Received func(Transfer)                  // a file came over a link
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
	// Verify is how often a digest goes to the parent over it; 0: never.
	Verify time.Duration
	Open   func(context.Context) (*Link, error)
}

// Sync does all that is due: it applies what came, exports what peers on the links lack, sends and fetches, and applies
// again, until there is nothing left to say. A link that is down is reported and left out; its files go over the others, and
// over itself at a later run. The package comment lists the steps.
func (n *Node) Sync(ctx context.Context, o SyncOptions, e Events) error {
	state, err := ReadState(n.Home)
	if err != nil {
		return err
	}
	s := &syncRun{Node: n, Events: e, o: o, state: state, applied: map[string]bool{}, tried: map[string]int{}, reported: map[string]string{}}
	defer s.close()
	err = s.run(ctx)
	return errors.Join(err, state.save())
}

// OverLinks does one thing over each link that is up.
func (n *Node) OverLinks(ctx context.Context, links []LinkOpener, e Events, do func(*Link, *State) error) error {
	state, err := ReadState(n.Home)
	if err != nil {
		return err
	}
	s := &syncRun{Node: n, Events: e, o: SyncOptions{Links: links}, state: state}
	defer s.close()
	if err = s.openLinks(ctx); err == nil {
		err = s.overLinks(ctx, func(l *Link) error { return do(l, state) })
	}
	return errors.Join(err, state.save())
}

// syncRun is one run over several links.
type syncRun struct {
	*Node
	Events
	o        SyncOptions
	state    *State
	links    []*Link // those that are up
	pulled   map[*Link]*Pulled
	applied  map[string]bool   // files of the inbox that were applied
	tried    map[string]int    // files that were not, and how many had been applied then: one may wait for another
	reported map[string]string // what need not be reported again: the outcome by file, and notes by their text
	begun    bool
	moved    int // files that went or came in this round
}

func (s *syncRun) close() {
	for _, l := range s.links {
		l.Close()
	}
}

func (s *syncRun) run(ctx context.Context) error {
	if err := inOrder(ctx, s.importInbox, s.openLinks, s.pull); err != nil {
		return err
	}
	for range maxRounds {
		s.moved = 0
		if err := inOrder(ctx, s.importInbox, s.removeApplied, s.fillOutboxes, s.push); err != nil {
			return err
		}
		if s.moved == 0 {
			break
		}
		if err := s.pull(ctx); err != nil {
			return err
		}
	}
	return inOrder(ctx, s.importInbox, s.removeApplied)
}

// inOrder does steps until one fails.
func inOrder(ctx context.Context, steps ...func(context.Context) error) error {
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// openLinks opens the links that are there.
func (s *syncRun) openLinks(ctx context.Context) error {
	for _, o := range s.o.Links {
		l, err := o.Open(ctx)
		if err != nil {
			if err := s.linkFailed(ctx, o.Name, err); err != nil {
				return err
			}
			continue
		}
		l.Name, l.Peers = o.Name, o.Peers
		s.links = append(s.links, l)
	}
	return nil
}

// linkFailed reports that a link is of no use now. The error is one that stops the run.
func (s *syncRun) linkFailed(ctx context.Context, name string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	l := s.state.recordLink(name, time.Now(), err)
	if errors.Is(err, transport.ErrDown) {
		s.Down(name, l)
	} else {
		s.Trouble(err)
	}
	return nil
}

// overLinks does something with every link that is up. One that fails is closed and left out from then on.
func (s *syncRun) overLinks(ctx context.Context, do func(*Link) error) error {
	links := s.links
	s.links = nil
	for i, l := range links {
		err := do(l)
		if err == nil {
			s.links = append(s.links, l)
			s.state.recordLink(l.String(), time.Now(), nil)
			continue
		}
		if e := s.linkFailed(ctx, l.String(), err); e != nil {
			s.links = append(s.links, links[i:]...)
			return e
		}
		l.Close()
	}
	return nil
}

func (s *syncRun) pull(ctx context.Context) error {
	s.pulled = map[*Link]*Pulled{}
	return s.overLinks(ctx, func(l *Link) error {
		p, err := s.Pull(ctx, l, func(t Transfer) { s.moved++; s.Received(t) })
		if p != nil {
			s.pulled[l] = p
			for _, note := range p.Notes {
				s.reportOnce(note)
			}
		}
		return err
	})
}

// reportOnce reports trouble that each round finds again, once.
func (s *syncRun) reportOnce(err error) {
	text := err.Error()
	var damage *DamageError
	if errors.As(err, &damage) { // later rounds say it in other words
		text = damage.key
	}
	if s.reported[text] == "" {
		s.reported[text] = text
		s.Trouble(err)
	}
}

// importInbox applies what is in the inbox. What is applied leaves it.
func (s *syncRun) importInbox(ctx context.Context) error {
	want := func(name string, _ *batch.Header) bool {
		n, ok := s.tried[name]
		return !ok || n < len(s.applied)
	}
	begin := func() error {
		if s.begun {
			return nil
		}
		s.begun = true
		return s.Begin()
	}
	gone, err := s.ImportInbox(ctx, want, begin, s.imported)
	for _, name := range gone {
		s.applied[name] = true
	}
	return err
}

// imported notes what came of a file, and reports it unless it did so in an earlier round.
func (s *syncRun) imported(r *Result) error {
	if r.NoFile() {
		return s.Imported(r)
	}
	if r.Applied() {
		s.applied[r.Name] = true
		return s.Imported(r)
	}
	_, before := s.tried[r.Name]
	s.tried[r.Name] = len(s.applied)
	var wait *WaitError
	if before && errors.As(r.Err, &wait) { // it was tried in this run
		return nil
	}
	outcome := fmt.Sprint(r.Err)
	if r.Report != nil {
		outcome = r.Report.Outcome + r.Report.Why
	}
	if s.reported[r.Name] == outcome {
		return nil
	}
	s.reported[r.Name] = outcome
	return s.Imported(r)
}

// removeApplied takes what was applied out of the stores it came from.
func (s *syncRun) removeApplied(ctx context.Context) error {
	return s.overLinks(ctx, func(l *Link) error {
		if s.pulled[l] == nil {
			return nil
		}
		err := s.RemoveApplied(ctx, s.pulled[l], s.applied)
		if errors.Is(err, transport.ErrReadOnly) { // a stick with its switch on: the files stay
			return nil
		}
		if errors.Is(err, fs.ErrPermission) { // another account's file, in a folder where each may remove its own
			s.reportOnce(fmt.Errorf("%w: it is applied: remove it by hand, or let this account remove files there", err))
			return nil
		}
		return err
	})
}

// fillOutboxes exports what the peers on the links lack.
func (s *syncRun) fillOutboxes(ctx context.Context) error {
	peers, err := s.reachable(ctx)
	if err != nil {
		return err
	}
	for _, p := range peers {
		made, err := s.FillOutbox(ctx, p, s.o.PartSize)
		if err := errors.Join(err, s.Exported(made)); err != nil {
			return err
		}
		if err := s.fillDigest(ctx, p, s.verifies(p.Name)); ctx.Err() != nil {
			return ctx.Err()
		} else if err != nil { // it is no reason to exchange nothing
			s.reportOnce(err)
		}
	}
	return nil
}

// verifies returns how often a digest goes to a peer; 0: never.
func (s *syncRun) verifies(peer string) (every time.Duration) {
	for _, l := range s.o.Links {
		if serves(l.Peers, peer) && l.Verify > 0 && (every == 0 || l.Verify < every) {
			every = l.Verify
		}
	}
	return every
}

// reachable returns the active peers that some link is configured for, whether it is up or not.
func (s *syncRun) reachable(ctx context.Context) ([]*journal.Peer, error) {
	all, err := journal.Peers(ctx, s.Journal.DB)
	if err != nil {
		return nil, err
	}
	var out []*journal.Peer
	for _, p := range all {
		if err := keys.ValidName(p.Name); err != nil { // somebody wrote into the table: nobody else waits for that
			s.reportOnce(badPeer(err))
			continue
		}
		if p.State.Exchanges() && slices.ContainsFunc(s.o.Links, func(l LinkOpener) bool { return serves(l.Peers, p.Name) }) {
			out = append(out, p)
		}
	}
	return out, nil
}

func (s *syncRun) push(ctx context.Context) error {
	peers, err := s.reachable(ctx)
	if err != nil {
		return err
	}
	return s.overLinks(ctx, func(l *Link) error {
		err := s.Push(ctx, l, peers, s.state, func(t Transfer) { s.moved++; s.Sent(t) })
		// A run that is killed later should not send everything again.
		return errors.Join(err, s.state.save())
	})
}
