package tables

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/schema"
)

// Set is what became of what a person said.
type Set struct {
	Changes []Change `json:"changes"`
	Cuts    []Cut    `json:"cuts,omitempty"`
	DryRun  bool     `json:"dry_run,omitempty"`
}

// Change is a table that goes another way on a link.
type Change struct {
	Peer   string `json:"peer"`
	Table  string `json:"table"`
	Before string `json:"before"`
	After  string `json:"after"`
	Again  bool   `json:"sent_again,omitempty"` // to the peer, or by it
	Sends  int64  `json:"sends,omitempty"`      // rows here, of which the peer is sent what it is to have
	Stays  int64  `json:"stays,omitempty"`      // rows here of which the peer keeps what it has, though no more goes there
}

// Cut is a reference that cannot be empty, to rows that do not come.
type Cut struct {
	Peer   string `json:"peer"`
	Table  string `json:"table"`
	Column string `json:"column"`
	To     string `json:"to"`
	Rows   int64  `json:"rows"` // of the table here, that refer to such a row
	At     string `json:"at"`   // where rows would wait
}

// wait is how long what is set waits for other runs that hold the gate.
const wait = 2 * time.Minute

// Apply notes what a person said: for the peer of that name, or for all children. The caller has the node's lock.
func Apply(ctx context.Context, n *node.Node, peer string, wishes []Wish, dryRun bool) (*Set, error) {
	return apply(ctx, n, peer, &setting{wishes: wishes}, dryRun)
}

// Choose notes a preset, as Apply does.
func Choose(ctx context.Context, n *node.Node, peer string, preset access.Preset, dryRun bool) (*Set, error) {
	return apply(ctx, n, peer, &setting{preset: preset}, dryRun)
}

func apply(ctx context.Context, n *node.Node, peer string, s *setting, dryRun bool) (*Set, error) {
	for _, w := range s.wishes {
		if err := w.check(n.Journal.Catalogue); err != nil {
			return nil, err
		}
	}
	c, err := n.DB.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := journal.Gate(ctx, c, false, wait); err != nil {
		return nil, err
	}
	defer c.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	s.n, s.q, s.set = n, c, &Set{Changes: []Change{}, DryRun: dryRun}
	if peer == "" {
		err = s.forAll(ctx)
	} else {
		err = s.forPeer(ctx, peer)
	}
	if err != nil || dryRun {
		return s.set, err
	}
	_, err = c.ExecContext(ctx, "COMMIT")
	return s.set, err
}

// setting is one Apply under way.
type setting struct {
	n      *node.Node
	q      sqldb.DB
	wishes []Wish
	preset access.Preset // none: the wishes alone
	set    *Set
	counts map[string]int64
}

func (s *setting) forAll(ctx context.Context) error {
	peers, err := journal.Peers(ctx, s.q)
	if err != nil {
		return err
	}
	parents := slices.DeleteFunc(slices.Clone(peers), func(p *journal.Peer) bool { return p.Role != access.Parent })
	if len(peers) > 0 && len(parents) == len(peers) {
		return failure.Hinted(errors.New("this node has no children, and what is set without --peer is for children"),
			"--peer %s, to let less go between this node and its parent", parents[0].Name)
	}
	all, err := journal.RulesForAll(ctx, s.q)
	if err != nil {
		return err
	}
	said, preset := s.after(all)
	for _, p := range peers {
		if p.Role != access.Child {
			continue
		}
		after := *p
		after.Rules.ForAll, after.Rules.AllPreset = said, preset
		if err := s.compare(ctx, p, &after); err != nil {
			return err
		}
	}
	return journal.SaveRulesForAll(ctx, s.q, said, preset)
}

func (s *setting) forPeer(ctx context.Context, name string) error {
	p, err := journal.PeerByName(ctx, s.q, name, true)
	if err != nil {
		return err
	}
	if p == nil {
		return s.n.NoPeer(name)
	}
	if p.Role == access.Parent && s.preset != access.NoPreset {
		return failure.Hinted(fmt.Errorf("%s is this node's parent, and what kind of network this is the parent says", p.Name),
			"omsync tables set --peer %s TABLE=DIRECTION lets less go between the two", p.Name)
	}
	after := *p
	after.Rules.Said, after.Rules.Preset = s.after(p.Rules)
	if err := s.compare(ctx, p, &after); err != nil {
		return err
	}
	return journal.SaveRules(ctx, s.q, &after)
}

// after returns what is said, and the preset, once this is done. A preset takes the place of the directions that were set before it.
func (s *setting) after(before journal.Rules) ([]access.Said, access.Preset) {
	if s.preset == access.NoPreset {
		return add(before.Said, s.wishes), before.Preset
	}
	return slices.DeleteFunc(slices.Clone(before.Said), func(said access.Said) bool { return said.Column == "" }), s.preset
}

// add returns what is said once something more is said.
func add(said []access.Said, wishes []Wish) []access.Said {
	out := slices.Clone(said)
	for _, w := range wishes {
		out = slices.DeleteFunc(out, func(s access.Said) bool { return s.About(w.Said) })
		if !w.Default {
			out = append(out, w.Said)
		}
	}
	slices.SortStableFunc(out, func(a, b access.Said) int {
		return strings.Compare(a.Tables+" "+a.Column+" "+a.Pattern, b.Tables+" "+b.Column+" "+b.Pattern)
	})
	return out
}

// compare notes what changes on the link to a peer.
func (s *setting) compare(ctx context.Context, before, after *journal.Peer) error {
	j := s.n.Journal
	was, is := j.Ways(before), j.Ways(after)
	for _, t := range j.Catalogue.Tables {
		a, b := was[t.Name], is[t.Name]
		if !t.Replicated || a.Equal(b) {
			continue
		}
		wider, narrower := a.WidensTo(b), a.NarrowsTo(b)
		c := Change{Peer: after.Name, Table: t.Name, Before: Text(a), After: Text(b), Again: wider.Down || wider.Up}
		if after.Role == access.Child && wider.Down || after.Role == access.Parent && wider.Up {
			var err error
			if c.Sends, err = s.count(ctx, t, nil); err != nil {
				return err
			}
		}
		if after.Role == access.Child && narrower.Down || after.Role == access.Parent && narrower.Up {
			var err error
			if c.Stays, err = s.count(ctx, t, nil); err != nil {
				return err
			}
		}
		s.set.Changes = append(s.set.Changes, c)
	}
	return s.findCuts(ctx, after, was, is)
}

// Text is a way in words.
func Text(w access.Way) string {
	out := w.Direction.String()
	var parts []string
	for _, c := range w.NotUp {
		if slices.Contains(w.NotDown, c) {
			parts = append(parts, c)
		} else {
			parts = append(parts, c+" upwards")
		}
	}
	for _, c := range w.NotDown {
		if !slices.Contains(w.NotUp, c) {
			parts = append(parts, c+" downwards")
		}
	}
	for _, r := range w.Rows {
		parts = append(parts, fmt.Sprintf("rows with %s = %s", r.Column, r.Pattern))
	}
	if len(parts) > 0 {
		out += " without " + strings.Join(parts, ", ")
	}
	return out
}

// findCuts notes references that cannot be empty whose rows do not come any more, though the rows that refer to them do.
func (s *setting) findCuts(ctx context.Context, p *journal.Peer, was, is map[string]access.Way) error {
	for _, t := range s.n.Journal.Replicated() {
		for _, c := range t.Columns {
			if c.Ref == nil || c.Ref.When != nil || c.Nullable && !c.Key || c.Excluded != "" || !c.Ref.To.Replicated {
				continue
			}
			to := c.Ref.To.Name
			now := is[t.Name].Cuts(is[to])
			if now == (access.Widening{}) || now == was[t.Name].Cuts(was[to]) {
				continue
			}
			rows, err := s.count(ctx, t, c)
			if err != nil {
				return err
			}
			at := s.n.Node
			if now.Down == (p.Role == access.Child) {
				at = p.Name
			}
			s.set.Cuts = append(s.set.Cuts, Cut{Peer: p.Name, Table: t.Name, Column: c.Name, To: to, Rows: rows, At: at})
		}
	}
	return nil
}

// count returns how many rows a table has, or how many of them refer to a row by a column.
func (s *setting) count(ctx context.Context, t *schema.Table, c *schema.Column) (int64, error) {
	what := "*"
	if c != nil {
		what = schema.Quote(c.Name)
	}
	key := t.Name + " " + what
	if n, ok := s.counts[key]; ok {
		return n, nil
	}
	var n int64
	err := sqldb.Each(ctx, s.q, fmt.Sprintf("SELECT COUNT(%s) FROM %s", what, schema.Quote(t.Name)), func(r []sql.RawBytes) error {
		n = sqldb.Int(r[0])
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("count the rows of %s: %w", t.Name, err)
	}
	if s.counts == nil {
		s.counts = map[string]int64{}
	}
	s.counts[key] = n
	return n, nil
}
