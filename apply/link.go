package apply

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/apply/reserve"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/headers"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
)

// peerLink is this end of the link to the sender of a batch: what a transaction reads of it first and writes back at its end.
type peerLink struct {
	j       *journal.Journal
	s       *session
	reserve *reserve.Import
	header  *batch.Header
	rules   merge.Header // the same, as the rules read it
	notes   *notes

	peer       *journal.Peer
	imports    []merge.AppliedBatch // of the peer's link, as the journal has them
	aliases    *journal.Aliases
	node       *journal.Node
	history    *merge.History
	historyErr error // of what history asked the database
	epoch      *epoch
	passed     uint64   // the epoch for what the sender claimed, just before the other; 0: there is none
	scopes     *scoping // nil: the profile knows of no owners
	meter      *meter
}

// epoch is the one that was drawn for the transaction.
type epoch struct {
	merge.Position
	used bool // something was written in it; if nothing is, its number goes back and may be given again
}

// readLink reads what is known of the sender of a batch and of this node's history, and draws an epoch.
func readLink(ctx context.Context, j *journal.Journal, s *session, h *batch.Header) (*peerLink, error) {
	// Of a load in parts nothing is marked: which part brought a row is told by its epoch.
	l, err := readPeerLink(ctx, j, s, h.Sender, len(h.Mends()) > 0 && h.Load == 0)
	if err == nil {
		l.header, l.rules = h, headers.ToRules(h)
	}
	return l, err
}

// readPeerLink is readLink where there is no batch. claims: the sender has claimed rows.
func readPeerLink(ctx context.Context, j *journal.Journal, s *session, peer string, claims bool) (*peerLink, error) {
	if err := j.Reload(ctx, s.conn); err != nil {
		return nil, err
	}
	l := &peerLink{j: j, s: s, notes: &notes{}}
	var err error
	if l.peer, err = journal.PeerByName(ctx, s.conn, peer, true); err != nil {
		return nil, err
	}
	if l.peer == nil {
		return nil, fmt.Errorf("no peer of that name: exchange cards and run omsync peer add")
	}
	if !l.peer.State.Exchanges() { // since the files of this run were looked at
		return nil, fmt.Errorf("%w: %s is %s", ErrNotActive, l.peer.Name, l.peer.State)
	}
	if err := journal.LoadImports(ctx, s.conn, l.peer); err != nil {
		return nil, err
	}
	l.imports = slices.Clone(l.peer.Link.Imports)
	if l.aliases, err = journal.LoadAliases(ctx, s.conn, l.peer.ID); err != nil {
		return nil, err
	}
	if l.node, l.history, err = journal.LoadHistory(ctx, s.conn, &l.historyErr); err != nil {
		return nil, err
	}
	l.history.Remembered = j.Had
	if claims {
		before, err := journal.NextEpoch(ctx, s.conn, false, j.Now())
		if err != nil {
			return nil, err
		}
		if err := journal.NoteMends(ctx, s.conn, before.Epoch); err != nil {
			return nil, err
		}
		l.passed = before.Epoch
	}
	at, err := journal.NextEpoch(ctx, s.conn, false, j.Now())
	l.epoch = &epoch{Position: at}
	return l, err
}

// receive lets the rules judge the header, and does what they find to be due whatever the verdict: a new history if this node was
// restored, and if the peer was, that what it lost counts as made here.
func (l *peerLink) receive(ctx context.Context, gate gateMode) (merge.Decision, error) {
	link := &l.peer.Link
	acked, history, earlier := link.Acked, link.History, len(link.Retired)
	d := merge.Receive(l.history, link, l.rules)
	if l.historyErr != nil {
		return d, l.historyErr
	}
	if d.Verdict < merge.Stranger {
		l.peer.Heard = l.peer.Heard.Hear(headers.Heard(l.header), d.Verdict == merge.Retired)
	}
	if err := l.meter.useOfHeader(d, earlier); err != nil {
		return d, err
	}
	if d.NewHistory {
		if gate != gateAlone {
			return d, errNewHistory
		}
		if err := l.beginHistory(ctx); err != nil {
			return d, err
		}
	}
	if d.Rejoin != nil {
		if err := journal.Rejoin(ctx, l.s.conn, l.peer.ID, d.Rejoin.OwnEpoch, l.epoch.Epoch); err != nil {
			return d, err
		}
		l.epoch.used = true
		if err := l.j.Reload(ctx, l.s.conn); err != nil {
			return d, err
		}
	}
	if link.History != history { // its epochs may begin again lower: what it asked for before says nothing
		l.peer.Answered = nil
	}
	if link.Acked != acked {
		l.peer.AckedAt = l.j.Now()
	}
	return d, nil
}

// beginHistory draws a new history.
func (l *peerLink) beginHistory(ctx context.Context) error {
	l.node.Earlier = nil
	for e := range l.history.Earlier {
		l.node.Earlier = append(l.node.Earlier, e)
	}
	slices.Sort(l.node.Earlier)
	l.node.Learned = slices.Sorted(maps.Keys(l.history.Learned))
	l.node.History = journal.Random()
	if err := journal.SaveHistory(ctx, l.s.conn, l.node); err != nil {
		return err
	}
	l.notes.add("this database was restored from a backup: a new history begins, and the peers will send what it lost")
	return nil
}

// answerRequests takes in what the header asks for, if it is one that counts: tables that the sender switched on, or in which it
// gained a column, or whose triggers had been missing. They are owed to the sender alone, from a new epoch on, which nothing else has.
func (l *peerLink) answerRequests(ctx context.Context, v merge.Verdict) error {
	if v != merge.Apply && v != merge.Covered {
		return nil
	}
	requests, columns := journal.ParseResendRequests(l.header.Requests)
	for _, r := range requests {
		t := l.sends(r.Table)
		if t == nil || r.Epoch <= l.peer.Answered[t.Name] {
			continue // an older request may come again, in a file that was late
		}
		if l.peer.Answered == nil {
			l.peer.Answered = map[string]uint64{}
		}
		l.peer.Answered[t.Name] = r.Epoch
		l.peer.Ask(t.Name, r.Lost, t.MaskOf(columns[journal.ResendRequest{Table: r.Table, Epoch: r.Epoch}]))
		if r.Lost { // what waits of it is nowhere else
			if err := journal.LoseWaitingOf(ctx, l.s.conn, l.peer.ID, t.ID); err != nil {
				return err
			}
		}
	}
	now := l.j.Now().UnixMicro()
	due := l.peer.AskedFor(func(last int64) bool { return access.Resends(last, now) })
	if len(due) == 0 {
		return nil
	}
	again, err := journal.NextEpoch(ctx, l.s.conn, false, l.j.Now())
	if err != nil {
		return err
	}
	l.peer.Owe(due, again.Epoch, now)
	return nil
}

// sends returns the table of that name if its rows go to the sender of the batch, otherwise nil.
func (l *peerLink) sends(name string) *journal.Table {
	t := l.j.Catalogue.Named(name)
	if t == nil || !t.Replicated || !sendsSome(l.j.On(t, l.peer)) {
		return nil
	}
	return l.j.Tables[t.Name]
}

// sendsSome reports whether rows of a table go to the peer, if it asks for them.
func sendsSome(r access.Rules) bool { return r.Sends() || r.SendsBack() }

// recordImport notes that the batch was applied.
func (l *peerLink) recordImport(ctx context.Context) (err error) {
	e := l.epoch.Epoch
	if !l.epoch.used {
		if l.passed != 0 {
			e = l.passed
		}
		if e, err = journal.EpochBefore(ctx, l.s.conn, e); err != nil {
			return err
		}
	}
	merge.RecordImport(&l.peer.Link, l.rules, e, l.epoch.used)
	l.peer.AppliedAt = l.j.Now()
	return nil
}

// save writes the state of the link.
func (l *peerLink) save(ctx context.Context) error {
	if !l.epoch.used {
		for _, e := range []uint64{l.epoch.Epoch, l.passed} {
			if err := journal.DropEpoch(ctx, l.s.conn, e); err != nil {
				return err
			}
		}
	}
	if err := journal.SavePeer(ctx, l.s.conn, l.peer); err != nil {
		return err
	}
	return journal.SaveImports(ctx, l.s.conn, l.peer, l.imports)
}
