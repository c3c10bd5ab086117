package status

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/conflicts"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/exchange/attempts"
	"github.com/omsync/omsync/exchange/cards"
	"github.com/omsync/omsync/exchange/contacts"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/keys"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/progress"
)

// Status is where a node stands. Its JSON form is for programs: times are in UTC.
type Status struct {
	Node         string   `json:"node"`
	Database     string   `json:"database"`
	Profile      string   `json:"profile"`
	Sealed       Point    `json:"sealed"` // the last epoch made, by a seal or by anything else
	Unsealed     int64    `json:"unsealed_changes"`
	Conflicts    int64    `json:"conflicts"`      // all records
	Open         int      `json:"open_conflicts"` // conflicts that somebody should look at
	MoreOpen     bool     `json:"more_open_conflicts,omitempty"`
	NotExchanged []string `json:"not_exchanged,omitempty"`
	Triggers     []string `json:"triggers_wrong,omitempty"` // tables whose triggers lack, or are not what they should be
	// DownByDefault is the tables that go down only because no profile names them.
	DownByDefault []string `json:"down_by_default,omitempty"`
	// Nameless is the rows that stay here because nothing names them elsewhere, a line for each table.
	Nameless []string `json:"nameless,omitempty"`
	Peers    []Peer   `json:"peers"`
	Links    []Link   `json:"links,omitempty"`
	// Troubled is the files that came and failed, or wait for a person, those that are set aside first.
	Troubled []File `json:"files,omitempty"`
	// Quarantine is the rows that came and wait, by peer, table and reason, the most frequent first.
	Quarantine []Waiting `json:"quarantine,omitempty"`
	// Dropped is the rows that waited and that somebody dropped, by peer, as long as they are kept.
	Dropped []Dropped `json:"dropped,omitempty"`

	Going
	// Judged is what Going is made of, for who prints it in a language.
	Judged progress.Judgement `json:"-"`
}

// Dropped counts rows that waited and that somebody dropped.
type Dropped struct {
	Peer string    `json:"peer"`
	Rows int64     `json:"rows"`
	Last time.Time `json:"last"` // when the last of them was dropped
	By   string    `json:"by"`   // and who did it
}

// Waiting counts rows that came and cannot be applied yet.
type Waiting struct {
	Peer   string    `json:"peer"`
	Table  string    `json:"table"`
	Reason string    `json:"reason"`
	Rows   int64     `json:"rows"`
	Since  time.Time `json:"since"` // of the oldest
	Why    string    `json:"why"`   // of one of them
}

// File is one that came and cannot be applied.
type File struct {
	File   string     `json:"file"`
	Sender string     `json:"sender,omitempty"`
	Aside  bool       `json:"set_aside"`
	Failed int        `json:"failed"`
	Last   *time.Time `json:"last,omitempty"`
	Next   *time.Time `json:"next,omitempty"` // when it is tried again
	Why    string     `json:"why,omitempty"`
	// Deletions are too many: the file waits until a person has agreed to them.
	Deletions []attempts.Deletions `json:"deletions,omitempty"`
}

// Link is when a link was last there.
type Link struct {
	Link  string     `json:"link"`
	State string     `json:"state"` // up, down, or unused
	Up    *time.Time `json:"up,omitempty"`
	Down  *time.Time `json:"down_since,omitempty"`
	Error string     `json:"error,omitempty"`
	// Refused is why the last file that was sent was not applied there.
	Refused string `json:"refused,omitempty"`
}

// Peer is how far the exchange with a peer is.
type Peer struct {
	Name    string       `json:"name"`
	Role    access.Role  `json:"role"`
	State   access.State `json:"state"`
	Sealed  Point        `json:"sealed"` // that of the node
	Sent    Point        `json:"sent"`
	Acked   Point        `json:"acknowledged"`
	Applied Point        `json:"applied"`
	Waiting int64        `json:"rows_waiting"`
	// Unread is the features of this program that are off for the peer, which has not said that it reads them.
	Unread []string `json:"does_not_read,omitempty"`
	// Stopped is the quota that the peer is over, so that its files are not applied.
	Stopped *Stopped `json:"stopped,omitempty"`
	// Quotas is what the peer has used of its quotas, where that is half or more.
	Quotas []Quota `json:"quotas,omitempty"`
	// Clock is how far the peer's clock is off, where its files prove it.
	Clock *Clock `json:"clock,omitempty"`
	// There is how many rows of this node wait at the peer, as its last file said.
	There *There `json:"rows_waiting_there,omitempty"`
	// Health is what a child says of itself, as its last file did; nobody else vouches for it.
	Health *batch.Health `json:"health,omitempty"`
	// Compared is what came of the last digest of the peer with which this node was compared.
	Compared *exchange.Comparison `json:"compared,omitempty"`
	// Revoked: the peer's keys were revoked, and it has no new card yet. Next is the fingerprint of its card that is to come.
	Revoked bool   `json:"keys_revoked,omitempty"`
	Next    string `json:"next_fingerprint,omitempty"`
	// Former: the peer knows this node by a former card.
	Former bool `json:"knows_former_card,omitempty"`
	// Copies is the histories of two copies of the peer that are at work, of neither of which anything is taken.
	Copies []string `json:"copies,omitempty"`
	// Heard: the peer has said what it reads.
	Heard bool `json:"-"`
	// Last is when a file of the peer last brought something new.
	Last *time.Time `json:"heard,omitempty"`
	// Since is when the oldest row is from that the peer has not acknowledged.
	Since *time.Time `json:"rows_waiting_since,omitempty"`
	// Allowed is how many seconds the peer may be silent before it is late, and Habit how long it is now and then, if that is known.
	Allowed int64 `json:"silence_allowed_seconds"`
	Habit   int64 `json:"silence_habit_seconds,omitempty"`
	Going
}

// Stopped is a quota of which a peer would use more than it may.
type Stopped struct {
	Quota
	More uint64 `json:"more"` // that its file needs
	Why  string `json:"why"`
}

// Quota is how much of a quota a peer has used, and how much it may.
type Quota struct {
	Quota access.Quota `json:"quota"`
	Used  uint64       `json:"used"`
	Limit uint64       `json:"limit"`
}

// quotas sets what a peer has used of its quotas. A limit that was raised since is the one that counts.
func (p *Peer) quotas(used access.Used, limits access.Amounts) {
	if o := used.Stopped; o != nil && !limits.Allows(p.Role, o.Quota, o.Used, o.More) {
		now := *o
		now.Limit = limits[o.Quota]
		p.Stopped = &Stopped{Quota{o.Quota, o.Used, now.Limit}, o.More, now.Error()}
	}
	for _, q := range access.AllQuotas() {
		if n := used.Amounts[q]; n > 0 && n >= limits[q]/2 {
			p.Quotas = append(p.Quotas, Quota{q, n, limits[q]})
		}
	}
}

// Point is an epoch and when it was reached.
type Point struct {
	Epoch uint64     `json:"epoch"`
	At    *time.Time `json:"at,omitempty"`
	Age   *int64     `json:"age_seconds,omitempty"`
}

func at(epoch uint64, t, now time.Time) Point {
	p := Point{Epoch: epoch}
	if !t.IsZero() {
		t = t.UTC().Truncate(time.Second)
		age := int64(now.Sub(t).Seconds())
		p.At, p.Age = &t, &age
	}
	return p
}

// Of returns where a node stands, which must be loaded. Ages count to now; known is what this program reads.
func Of(ctx context.Context, n *node.Node, now time.Time, known features.Known) (*Status, error) {
	return new(Watcher).Of(ctx, n, now, known)
}

// Watcher is who asks again and again where a node stands: it keeps what has not changed meanwhile. The zero Watcher knows nothing yet.
type Watcher struct {
	habits contacts.Cache
	cards  cards.Cache
}

// Of is [Of].
func (w *Watcher) Of(ctx context.Context, n *node.Node, now time.Time, known features.Known) (*Status, error) {
	s := &Status{Node: n.Node, Database: n.Database, Profile: n.Profile, Peers: []Peer{}}
	waiting, stop := countWaiting(ctx, n) // which takes as long as all the rest, where many wait
	defer stop()
	var err error
	if s.Unsealed, err = journal.CountChanges(ctx, n.DB); err != nil {
		return nil, err
	}
	if s.Conflicts, err = journal.CountConflicts(ctx, n.DB); err != nil {
		return nil, err
	}
	if s.Open, s.MoreOpen, err = conflicts.CountOpen(ctx, n.DB, n.Journal, now.Add(-n.ConflictsOpen())); err != nil {
		return nil, err
	}
	epoch, made, err := journal.LastEpochMade(ctx, n.DB)
	if err != nil {
		return nil, err
	}
	s.Sealed = at(epoch, made, now)
	for _, t := range node.NotExchanged(n.Journal.Catalogue) {
		s.NotExchanged = append(s.NotExchanged, t.Name)
	}
	if s.Triggers, err = n.WrongTriggers(ctx); err != nil {
		return nil, err
	}
	s.DownByDefault = node.DownByDefault(n.Journal.Catalogue)
	if s.Nameless, err = node.Nameless(ctx, n.DB, n.Journal.Catalogue); err != nil {
		return nil, err
	}
	peers, err := journal.Peers(ctx, n.DB)
	if err != nil {
		return nil, err
	}
	reports, err := journal.Reports(ctx, n.DB)
	if err != nil {
		return nil, err
	}
	unconfirmed, err := n.Journal.UnconfirmedOf(ctx, n.DB, peers)
	if err != nil {
		return nil, err
	}
	known = known.Needed(n.Journal.HasManyColumns(), false)
	id := n.Keys
	if id == nil {
		id, _ = keys.Load(n.Home, n.Node) // a status is worth having without them too
	}
	for i, p := range peers {
		ps := peer(p, s.Sealed, now)
		for _, r := range reports {
			if r.Peer == p.ID {
				ps.report(r)
			}
		}
		ps.Unread, ps.Heard = known.Off(p.Heard), p.Heard.History != 0
		if !p.TellsRules() {
			ps.Unread = slices.DeleteFunc(ps.Unread, func(name string) bool { return name == features.Rules })
		}
		ps.quotas(p.Used, n.Limits())
		if ps.Compared, err = exchange.LastComparison(n.Home, p); err != nil {
			return nil, err
		}
		if err := ps.cards(n, id, p, &w.cards); err != nil {
			return nil, err
		}
		ps.Waiting, ps.Since = unconfirmed[i].Rows, instant(unconfirmed[i].Since)
		s.Peers = append(s.Peers, ps)
	}
	if s.Links, err = links(n); err != nil {
		return nil, err
	}
	if s.Troubled, err = troubled(ctx, n, now); err != nil {
		return nil, err
	}
	counts, err := waiting()
	if err != nil {
		return nil, err
	}
	s.Quarantine = quarantine(n, peers, counts)
	if s.Dropped, err = dropped(ctx, n, peers); err != nil {
		return nil, err
	}
	return s, s.judge(ctx, n, peers, now, &w.habits)
}

// troubled lists the files that failed or wait for a person, those that are set aside first.
func troubled(ctx context.Context, n *node.Node, now time.Time) ([]File, error) {
	held, err := exchange.ListHeld(ctx, n.Home, now)
	if err != nil {
		return nil, err
	}
	var out []File
	for _, aside := range []bool{true, false} {
		for _, h := range held {
			if h.Aside != aside || !h.Aside && h.Failed == 0 && h.Deletions == nil {
				continue
			}
			f := File{File: h.Name, Sender: h.Sender, Aside: h.Aside, Failed: h.Failed, Why: h.Why, Deletions: h.Deletions}
			if !h.Last.IsZero() {
				f.Last = &h.Last
			}
			if !h.Next.IsZero() {
				f.Next = &h.Next
			}
			out = append(out, f)
		}
	}
	return out, nil
}

// peer returns what a peer's link says. Sent counts what is acknowledged too, which another way may have brought.
func peer(p *journal.Peer, sealed Point, now time.Time) Peer {
	sent := p.Link.Acked.Epoch
	if ends := p.Link.ExportEnds; len(ends) > 0 {
		sent = max(sent, ends[len(ends)-1].Epoch)
	}
	var copies []string
	if rival := p.Link.Copies.Rival.History; rival != 0 {
		copies = []string{fmt.Sprintf("%016x", p.Link.History), fmt.Sprintf("%016x", rival)}
	}
	return Peer{Copies: copies, Name: p.Name, Role: p.Role, State: p.State, Sealed: sealed, Sent: at(sent, p.SentAt, now),
		Acked: at(p.Link.Acked.Epoch, p.AckedAt, now), Applied: at(p.Link.Applied.Epoch, p.AppliedAt, now)}
}

// cards sets which cards count with the peer. id: this node's keys; nil: they are not there.
func (ps *Peer) cards(n *node.Node, id *keys.Identity, p *journal.Peer, known *cards.Cache) error {
	c, err := known.Read(n.Home, p.Name, p.Card)
	if err != nil {
		return err
	}
	ps.Revoked, ps.Next = c.Revoked(), c.Next
	ps.Former = id != nil && exchange.Signers(id, p, c)[0] != id
	return nil
}

// links lists the links that are configured or were up once; the others were named on a command line by mistake.
func links(n *node.Node) ([]Link, error) {
	state, err := exchange.ReadState(n.Home)
	if err != nil {
		return nil, err
	}
	names := slices.Collect(maps.Keys(state.Links))
	names = slices.DeleteFunc(names, func(name string) bool { return state.Links[name].Up.IsZero() })
	for i := range n.Links {
		if name := n.Links[i].URL; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var out []Link
	for _, name := range names {
		s := Link{Link: name, State: "unused"}
		if l := state.Links[name]; l != nil {
			if s.State = "up"; !l.Up.IsZero() {
				s.Up = &l.Up
			}
			if !l.Down.IsZero() {
				s.State, s.Down, s.Error = "down", &l.Down, l.Error
			}
			s.Refused = l.Refused
		}
		out = append(out, s)
	}
	return out, nil
}
