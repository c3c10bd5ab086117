package tables

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/internal/failure"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/node"
	"github.com/omsync/omsync/schema"
)

// Table is one table of the database, and where it goes.
type Table struct {
	Table   string     `json:"table"`
	Stays   string     `json:"stays,omitempty"` // why it does not travel
	Rows    int64      `json:"rows,omitempty"`
	Waiting int64      `json:"rows_waiting,omitempty"` // that came and cannot be applied yet
	Changed *time.Time `json:"last_change,omitempty"`
	Links   []OnLink   `json:"links,omitempty"`
	Owner   *Owner     `json:"owner,omitempty"` // nil: the profile names no owners, or a rule of it is wrong
}

// Owner is whose the rows of a table are.
type Owner struct {
	Whose     string   `json:"whose"`               // the table of the owners, "everybody", or "nobody"
	By        []string `json:"by,omitempty"`        // the paths to the owners: "encounter_id → encounter.patient_id"; none: each row is an owner
	Unindexed []string `json:"unindexed,omitempty"` // columns of these paths without an index, as TABLE.COLUMN
	Why       string   `json:"why,omitempty"`       // everybody's, or nobody's
}

// ownerOf says whose the rows of a table are.
func ownerOf(o *schema.Owners, t *schema.Table) *Owner {
	if o.Table == nil {
		return nil
	}
	own := o.Of(t)
	if own.Kind != schema.Owned {
		return &Owner{Whose: own.Kind.String(), Why: own.Why}
	}
	out := &Owner{Whose: o.Table.Name}
	for _, p := range own.Paths {
		if len(p) > 0 {
			out.By = append(out.By, p.String())
		}
		for _, s := range p {
			if name := s.From.Table.Name + "." + s.From.Name; !s.Indexed() && !slices.Contains(out.Unindexed, name) {
				out.Unindexed = append(out.Unindexed, name)
			}
		}
	}
	return out
}

// Belongs says in words whose the rows are.
func (o *Owner) Belongs() string {
	text := o.Whose
	switch {
	case o.Why != "":
		text += ": " + o.Why
	case len(o.By) == 0:
		text += ", itself"
	default:
		text += " by " + strings.Join(o.By, ", ")
	}
	if len(o.Unindexed) > 0 {
		text += fmt.Sprintf("; no index on %s: what belongs to one is found by reading all", strings.Join(o.Unindexed, ", "))
	}
	return text
}

// Owners returns whose the rows of every table are, in the order of names. An error is a rule of the profile that is wrong.
func Owners(n *node.Node) ([]Table, error) {
	cat := n.Journal.Catalogue
	o, err := cat.Owners()
	if err != nil {
		return nil, err
	}
	if o.Table == nil {
		return nil, failure.Hinted(errors.New("the profile says of no table that its rows are owners"), "name it in a profile of your own: [owner] table = \"customer\"")
	}
	var out []Table
	for _, t := range cat.Tables {
		out = append(out, Table{Table: t.Name, Owner: ownerOf(o, t)})
	}
	return out, nil
}

// OnLink is how a table goes between this node and a peer, and whose word that is.
type OnLink struct {
	Peer string `json:"peer,omitempty"` // "": a child that is yet to come
	Way  string `json:"way"`
	Why  string `json:"why"`
}

// List returns every table, in the order of names. peer: on the link to that one alone; "": on all.
func List(ctx context.Context, n *node.Node, peer string) ([]Table, error) {
	peers, err := journal.Peers(ctx, n.DB)
	if err != nil {
		return nil, err
	}
	if peer != "" {
		p, err := journal.PeerByName(ctx, n.DB, peer, false)
		if err != nil {
			return nil, err
		}
		if p == nil {
			return nil, n.NoPeer(peer)
		}
		peers = []*journal.Peer{p}
	}
	if len(peers) == 0 {
		all, err := journal.RulesForAll(ctx, n.DB)
		if err != nil {
			return nil, err
		}
		peers = []*journal.Peer{{Role: access.Child, Rules: journal.Rules{ForAll: all.Said, AllPreset: all.Preset}}}
	}
	standings, err := n.Journal.Standings(ctx, n.DB)
	if err != nil {
		return nil, err
	}
	owners, wrong := n.Journal.Catalogue.Owners()
	var out []Table
	for _, t := range n.Journal.Catalogue.Tables {
		if !t.Replicated {
			out = append(out, Table{Table: t.Name, Stays: t.Why})
			continue
		}
		s := standings[t.Name]
		row := Table{Table: t.Name, Rows: s.Rows, Waiting: s.Waiting}
		if wrong == nil {
			row.Owner = ownerOf(owners, t)
		}
		if !s.Changed.IsZero() {
			row.Changed = &s.Changed
		}
		for _, p := range peers {
			way, source := n.Journal.Way(t, p)
			row.Links = append(row.Links, OnLink{p.Name, Text(way), source.String()})
		}
		out = append(out, row)
	}
	return out, nil
}

// Rules is what applies on the link to a peer.
type Rules struct {
	Peer   string      `json:"peer"`
	Role   access.Role `json:"role"`
	Preset string      `json:"preset,omitempty"` // of the peer, or of all children
	Told   string      `json:"told,omitempty"`   // whether the peer has heard of it
	Tables []TableRule `json:"tables"`
}

// TableRule is how one table goes, and whose word that is.
type TableRule struct {
	Table string `json:"table"`
	Way   string `json:"way"`
	Why   string `json:"why"`
	// Others is how many children have another way of it, where the rules are those for all.
	Others int `json:"others,omitempty"`
}

// ForAll returns what applies to children of whom nothing else is said.
func ForAll(ctx context.Context, n *node.Node) (*Rules, error) {
	all, err := journal.RulesForAll(ctx, n.DB)
	if err != nil {
		return nil, err
	}
	peers, err := journal.Peers(ctx, n.DB)
	if err != nil {
		return nil, err
	}
	child := &journal.Peer{Role: access.Child, Rules: journal.Rules{ForAll: all.Said, AllPreset: all.Preset}}
	ways, others := n.Journal.Ways(child), map[string]int{}
	out := &Rules{Role: access.Child, Preset: string(all.Preset), Tables: []TableRule{}}
	for _, p := range peers {
		if p.Role != access.Child || len(p.Rules.Said) == 0 && p.Rules.Preset == access.NoPreset {
			continue
		}
		for name, way := range n.Journal.Ways(p) {
			if !way.Equal(ways[name]) {
				others[name]++
			}
		}
	}
	for _, t := range n.Journal.Catalogue.Tables {
		if t.Replicated {
			way, source := n.Journal.Way(t, child)
			out.Tables = append(out.Tables, TableRule{Table: t.Name, Way: Text(way), Why: source.String(), Others: others[t.Name]})
		}
	}
	return out, nil
}

// OfPeer returns what applies to a peer.
func OfPeer(ctx context.Context, n *node.Node, name string, known features.Known) (*Rules, error) {
	p, err := journal.PeerByName(ctx, n.DB, name, false)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, n.NoPeer(name)
	}
	out := &Rules{Peer: p.Name, Role: p.Role, Told: told(n.Journal, p, known), Tables: []TableRule{}}
	if out.Preset = string(p.Rules.Preset); out.Preset == "" {
		out.Preset = string(p.Rules.AllPreset)
	}
	for _, t := range n.Journal.Catalogue.Tables {
		if t.Replicated {
			way, source := n.Journal.Way(t, p)
			out.Tables = append(out.Tables, TableRule{Table: t.Name, Way: Text(way), Why: source.String()})
		}
	}
	return out, nil
}

// told says in words whether a peer has heard what applies to it.
func told(j *journal.Journal, p *journal.Peer, known features.Known) string {
	switch {
	case p.Role == access.Parent && p.Rules.Told == nil:
		return p.Name + " has said nothing: the profile here counts"
	case p.Role == access.Parent:
		return p.Name + " has said how its tables go"
	case !p.TellsRules():
		return "nothing was set: each side goes by its profile"
	case !known.Writable(p.Heard).Has(features.Rules):
		return p.Name + " has not said that its omsync reads rules: it goes by its profile, and what goes further than here is refused"
	case j.CompareRules(p).Changed || p.Rules.Epoch == 0:
		return p.Name + " hears of it in its next file"
	case p.Link.Acked.Epoch < p.Rules.Epoch:
		return p.Name + " is being told, and has not acknowledged it yet"
	}
	return p.Name + " knows"
}
