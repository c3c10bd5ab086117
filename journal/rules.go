package journal

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// Rules is what was said, and told, of the tables on the link to a peer, and how they went when that was last looked at.
type Rules struct {
	AllPreset access.Preset         // chosen here for all children; none for a parent
	Preset    access.Preset         // chosen here for this peer
	ForAll    []access.Said         // here, for all children; nil for a parent
	Said      []access.Said         // here, for this peer
	Told      map[string]access.Way // by the peer, as parent, by names of tables in small letters; nil: nothing
	Epoch     uint64                // a child is told what applies to it by each batch that starts before this epoch; 0: it is told nothing
	History   uint64                // this node's, when that was last looked at: one that was restored tells its children again
	Offered   bool                  // the child's program could be told, when that was last looked at
	Seen      map[string]access.Way // how tables went when that was last looked at; nil: never
	Allowed   map[string]access.Way // how they might have gone by the parent's word alone
}

// forAllChildren stands in the place of a peer's number for what was said for all children.
const forAllChildren merge.Peer = 0

// RulesForAll returns what was said and chosen for all children.
func RulesForAll(ctx context.Context, q sqldb.DB) (r Rules, err error) {
	err = sqldb.Each(ctx, q, "SELECT rules FROM omsync_rule WHERE peer_id = 0", func(v []sql.RawBytes) (err error) {
		r, err = decodeRules(v[0])
		return err
	})
	if err != nil {
		return Rules{}, fmt.Errorf("read omsync_rule: %w", err)
	}
	return r, nil
}

// SaveRulesForAll writes what is said for all children. The caller holds the gate alone.
func SaveRulesForAll(ctx context.Context, q sqldb.DB, said []access.Said, preset access.Preset) error {
	return saveRules(ctx, q, forAllChildren, Rules{Said: said, Preset: preset})
}

// SaveRules writes the rules of the link to a peer, of whom the caller has locked the row. ForAll is left out.
func SaveRules(ctx context.Context, q sqldb.DB, p *Peer) error {
	return saveRules(ctx, q, p.ID, p.Rules)
}

func saveRules(ctx context.Context, q sqldb.DB, peer merge.Peer, r Rules) error {
	b, err := encodeRules(r)
	if err != nil {
		return err
	}
	if _, err := q.ExecContext(ctx, "REPLACE INTO omsync_rule (peer_id, rules) VALUES (?, ?)", uint32(peer), b); err != nil {
		return fmt.Errorf("write omsync_rule: %w", err)
	}
	return nil
}

// link returns the link to the peer as the rules read it.
func (p *Peer) link() access.Link {
	return access.Link{Role: p.Role, AllPreset: p.Rules.AllPreset, Preset: p.Rules.Preset, ForAll: p.Rules.ForAll, ForPeer: p.Rules.Said, Told: p.Rules.Told}
}

// Way returns what may go of a table on the link to a peer, and whose word that is. Of code nothing goes up, whatever is said.
func (j *Journal) Way(t *schema.Table, p *Peer) (access.Way, access.Source) {
	w, source := p.link().Way(t.Name, access.Way{Direction: t.Direction, Staff: t.Staff}, t.DirectionHere, t.Owned)
	w.Direction = access.Table{Direction: w.Direction, Code: t.Code}.Flows()
	return w, source
}

// Filters returns what names the rows of a table that stay where they are on the link to a peer: by the profile, and by what was said or told.
func (j *Journal) Filters(t *schema.Table, p *Peer) (out Filters) {
	if f := j.Profile.RowFilter(t.Name); f != nil {
		out = append(out, f)
	}
	w, _ := j.Way(t, p)
	for _, r := range w.Rows {
		out = append(out, &schema.RowFilter{Column: r.Column, Patterns: []string{r.Pattern}})
	}
	return out
}

// Filters name rows that stay where they are: those that any of them does.
type Filters []*schema.RowFilter

// Columns returns the columns of a table that the filters look at.
func (f Filters) Columns(t *schema.Table) (out []*schema.Column) {
	for _, f := range f {
		if c := t.Column(f.Column); c != nil && !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out
}

// Match reports whether a row with that value in a column stays.
func (f Filters) Match(c *schema.Column, value string) bool {
	return slices.ContainsFunc(f, func(f *schema.RowFilter) bool { return strings.EqualFold(f.Column, c.Name) && f.Match(value) })
}

// FilteredOut reports whether the filters keep the row of a key where it is, and whether the key alone says so: if not, only the row
// itself tells.
func (f Filters) FilteredOut(t *schema.Table, key string) (stays, known bool) {
	known = true
	for _, f := range f {
		s, k := FilteredOut(t, f, key)
		if s {
			return true, true
		}
		known = known && k
	}
	return false, known
}

// On returns the rules of a table on the link to a peer. Ask once for a table, not for a row.
func (j *Journal) On(t *schema.Table, p *Peer) access.Rules {
	w, _ := j.Way(t, p)
	ends := access.Ends{Self: j.Self, Peer: p.Name, Before: p.Before, Parents: p.Parents}
	return access.On(j.Access(t).On(w, func(columns []string) merge.Mask { return j.bits(t, columns) }), p.ID, p.Role).Between(ends)
}

func (j *Journal) bits(t *schema.Table, columns []string) merge.Mask {
	var m merge.MaskBuilder
	jt := j.Tables[t.Name]
	if jt == nil || len(columns) == 0 {
		return m.Mask()
	}
	bits := jt.bits()
	for _, c := range t.Columns {
		if bit := bits[c.Name]; bit != 0 && named(columns, c) {
			m.Add(bit)
		}
	}
	return m.Mask()
}

func named(columns []string, c *schema.Column) bool {
	return slices.ContainsFunc(columns, func(n string) bool { return strings.EqualFold(n, c.Name) })
}

// Ways returns how the replicated tables go on the link to a peer, by their names.
func (j *Journal) Ways(p *Peer) map[string]access.Way {
	out := map[string]access.Way{}
	for _, t := range j.Replicated() {
		out[t.Name], _ = j.Way(t, p)
	}
	return out
}

// Compared is how tables go on a link, beside how they went.
type Compared struct {
	Changed     bool
	Now         map[string]access.Way
	Allowed     map[string]access.Way // by the parent's word alone, or the profile's; at a parent as Now
	Sent, Taken []string              // tables of which more goes to the peer, or is taken from it, by what was said here
}

// CompareRules compares how tables go on the link to a peer with how they went. Where that was never looked at, they went as the profile
// says.
func (j *Journal) CompareRules(p *Peer) Compared {
	c := Compared{Now: j.Ways(p), Allowed: map[string]access.Way{}}
	c.Allowed = c.Now
	profile := &Peer{Role: p.Role}
	if p.Role == access.Parent {
		c.Allowed = j.Ways(&Peer{Role: p.Role, Rules: Rules{Told: p.Rules.Told}})
	}
	before, allowed := p.Rules.Seen, p.Rules.Allowed
	if before == nil {
		if p.link().Silent() {
			return c
		}
		before = j.Ways(profile)
		allowed = before
	}
	for _, t := range j.Replicated() {
		was, known := before[t.Name]
		now := c.Now[t.Name]
		if !known || was.Equal(now) {
			c.Changed = c.Changed || !known
			continue
		}
		c.Changed = true
		wider := was.WidensTo(now)
		sent, taken := wider.Down, wider.Up
		if p.Role == access.Parent {
			sent, taken = wider.Up, wider.Down
			taken = taken && !allowed[t.Name].WidensTo(c.Allowed[t.Name]).Down // else the parent sends it by itself
		}
		if sent {
			c.Sent = append(c.Sent, t.Name)
		}
		if taken {
			c.Taken = append(c.Taken, t.Name)
		}
	}
	return c
}

// TellsRules reports whether the peer is to be told what applies to it: a child, of which something was said here, now or once.
func (p *Peer) TellsRules() bool {
	return p.Role == access.Child && (!p.link().Silent() || p.Rules.Epoch != 0)
}
