package match

import (
	"slices"
	"strings"
)

// Pair is one thing under two keys.
type Pair struct {
	Table       string
	Here, There string // keys
}

// Comparison is two sides with the pairs of rows that are one.
type Comparison struct {
	here, there *Side
	roots       map[string]*paired
	decisions   []Decision
	apart       map[Pair]bool      // by root: decided to be two things
	sent        map[[2]string]bool // root and key of rows that were decided to be new at the other side
	tables      []*both
	labels      map[*Side]map[string]map[string]string // by root and key
}

// paired is the pairs of rows with keys of one root.
type paired struct {
	toHere, toThere map[string]string
	how             map[string]how // by the key here
}

// how says why two rows are a pair.
type how struct {
	state State
	key   string // the natural key's name; "" where none is
}

// both is a table that both sides have.
type both struct {
	name        string
	here, there *Table
	hereByKey   map[string]*Row
	thereByKey  map[string]*Row
	keys        []keyPair // natural keys that both know
	unique      []keyPair
}

// keyPair is a key that both sides have, by its place in each.
type keyPair struct {
	*Key
	here, there int
}

// Compare finds the pairs. known are those that were settled before (aliases), and decisions what a person said: they must be ones that
// [Comparison.Check] takes. Tables that one side alone has are passed over.
func Compare(here, there *Side, known []Pair, decisions []Decision) *Comparison {
	c := &Comparison{here: here, there: there, roots: map[string]*paired{}, decisions: decisions, apart: map[Pair]bool{}, sent: map[[2]string]bool{}, labels: map[*Side]map[string]map[string]string{}}
	for _, h := range here.Tables {
		if t := there.Table(h.Name); t != nil {
			c.tables = append(c.tables, newBoth(h, t))
			c.of(h.Root)
		}
	}
	c.pairSameKeys()
	for _, d := range decisions {
		b := c.table(d.Table)
		if b == nil {
			continue
		}
		switch d.Kind {
		case Same:
			c.pair(b, d.Here, d.There, how{Decided, ""})
		case Apart:
			c.apart[Pair{b.here.Root, d.Here, d.There}] = true
		case Send:
			c.sent[[2]string{b.here.Root, d.Here}] = true
		}
	}
	for _, p := range known {
		if b := c.rooted(p.Table); b != nil {
			c.pair(b, p.Here, p.There, how{Matched, ""})
		}
	}
	for first := true; c.round(first); first = false {
	}
	return c
}

// Here returns what was compared of this side.
func (c *Comparison) Here() *Side { return c.here }

func newBoth(h, t *Table) *both {
	b := &both{name: h.Name, here: h, there: t, hereByKey: byKey(h), thereByKey: byKey(t), keys: common(h.Keys, t.Keys), unique: common(h.Unique, t.Unique)}
	return b
}

func byKey(t *Table) map[string]*Row {
	out := make(map[string]*Row, len(t.Rows))
	for i := range t.Rows {
		out[t.Rows[i].Key] = &t.Rows[i]
	}
	return out
}

// common returns the keys of both lists, with the rules of the first. What refers to other tables there is another key.
func common(here, there []Key) (out []keyPair) {
	for i := range here {
		for j := range there {
			if here[i].Name == there[j].Name && slices.Equal(here[i].Refs, there[j].Refs) {
				out = append(out, keyPair{&here[i], i, j})
			}
		}
	}
	return out
}

func (c *Comparison) table(name string) *both {
	for _, b := range c.tables {
		if strings.EqualFold(b.name, name) {
			return b
		}
	}
	return nil
}

// rooted returns a table whose rows' keys are those of a root table, or nil.
func (c *Comparison) rooted(root string) *both {
	for _, b := range c.tables {
		if strings.EqualFold(b.here.Root, root) {
			return b
		}
	}
	return nil
}

func (c *Comparison) of(root string) *paired {
	p := c.roots[root]
	if p == nil {
		p = &paired{map[string]string{}, map[string]string{}, map[string]how{}}
		c.roots[root] = p
	}
	return p
}

// label returns what people call a row of a side; "" if it has no name.
func (c *Comparison) label(s *Side, root, key string) string {
	if c.labels[s] == nil {
		c.labels[s] = map[string]map[string]string{}
		for _, t := range s.Tables {
			if c.labels[s][t.Root] == nil {
				c.labels[s][t.Root] = make(map[string]string, len(t.Rows))
			}
			for i := range t.Rows {
				if r := &t.Rows[i]; r.Label != "" {
					c.labels[s][t.Root][r.Key] = r.Label
				}
			}
		}
	}
	return c.labels[s][root][key]
}

// pair notes a pair, unless one of the two rows has another; it reports whether it did.
func (c *Comparison) pair(b *both, here, there string, by how) bool {
	p := c.of(b.here.Root)
	_, takenHere := p.toThere[here]
	_, takenThere := p.toHere[there]
	if takenHere || takenThere {
		return false
	}
	p.toThere[here], p.toHere[there], p.how[here] = there, here, by
	return true
}

// pairSameKeys pairs the rows that have the same key, but for keys that refer to rows.
func (c *Comparison) pairSameKeys() {
	for _, b := range c.tables {
		if b.here.KeyRefs != nil {
			continue
		}
		for key := range b.thereByKey {
			if b.hereByKey[key] != nil {
				c.pair(b, key, key, how{SameKey, ""})
			}
		}
	}
}

// round pairs what the pairs so far make certain, and reports whether there was something. Keys without references change in the first
// round alone.
func (c *Comparison) round(first bool) (found bool) {
	for _, b := range c.tables {
		found = c.pairComposed(b) || found
		for _, k := range b.keys {
			if k.Certain && (first || k.refers()) {
				found = c.pairCertain(b, k) || found
			}
		}
	}
	return found
}

func (k *Key) refers() bool {
	return slices.ContainsFunc(k.Refs, func(r string) bool { return r != "" })
}

// translated returns the key here of a row that has another there. Rows of tables that are not compared are known by their keys.
func (c *Comparison) translated(root, key string) (string, bool) {
	p, ok := c.roots[root]
	if !ok {
		return key, true
	}
	here, ok := p.toHere[key]
	return here, ok
}

func asIs(_, key string) (string, bool) { return key, true }

// whole compares values of keys exactly.
func whole(s string) string { return s }

// pairComposed pairs rows whose keys are made of the keys of rows that are pairs.
func (c *Comparison) pairComposed(b *both) (found bool) {
	if b.here.KeyRefs == nil || !slices.Equal(b.here.KeyRefs, b.there.KeyRefs) {
		return false
	}
	index := map[string]string{}
	for i := range b.here.Rows {
		if k, ok := join(b.here.Rows[i].KeyParts, b.here.KeyRefs, whole, asIs); ok {
			index[k] = b.here.Rows[i].Key
		}
	}
	for i := range b.there.Rows {
		if k, ok := join(b.there.Rows[i].KeyParts, b.there.KeyRefs, whole, c.translated); ok && index[k] != "" {
			found = c.pair(b, index[k], b.there.Rows[i].Key, how{SameKey, ""}) || found
		}
	}
	return found
}

// group is the rows of both sides with one natural key.
type group struct {
	here, there []*Row
	parts       Parts // of a row here, or else there
}

// groups returns the rows by a natural key. A key that refers to what is nobody's pair is left out.
func (c *Comparison) groups(b *both, k keyPair) map[string]*group {
	out := map[string]*group{}
	collect := func(rows []Row, place int, to func(root, key string) (string, bool), add func(*group, *Row)) {
		for i := range rows {
			r := &rows[i]
			seen := map[string]bool{}
			for _, parts := range natural(r, place) {
				id, ok := join(parts, k.Refs, Fold, to)
				if !ok || seen[id] || !k.counts(parts) {
					continue
				}
				seen[id] = true
				g := out[id]
				if g == nil {
					g = &group{parts: parts}
					out[id] = g
				}
				add(g, r)
			}
		}
	}
	collect(b.here.Rows, k.here, asIs, func(g *group, r *Row) { g.here = append(g.here, r) })
	collect(b.there.Rows, k.there, c.translated, func(g *group, r *Row) { g.there = append(g.there, r) })
	return out
}

func natural(r *Row, place int) []Parts {
	if place < len(r.Natural) {
		return r.Natural[place]
	}
	return nil
}

// free reports whether two rows could become a pair.
func (c *Comparison) free(b *both, here, there *Row) bool {
	p := c.of(b.here.Root)
	_, takenHere := p.toThere[here.Key]
	_, takenThere := p.toHere[there.Key]
	return !takenHere && !takenThere && !here.Seen && !c.apart[Pair{b.here.Root, here.Key, there.Key}] && !c.sent[[2]string{b.here.Root, here.Key}]
}

// pairCertain pairs one row here and one row there that have one key, where each leads to the other alone.
func (c *Comparison) pairCertain(b *both, k keyPair) (found bool) {
	toThere, toHere := map[*Row][]*Row{}, map[*Row][]*Row{}
	for _, g := range c.groups(b, k) {
		if len(g.here) == 1 && len(g.there) == 1 && c.free(b, g.here[0], g.there[0]) {
			h, t := g.here[0], g.there[0]
			toThere[h], toHere[t] = append(toThere[h], t), append(toHere[t], h)
		}
	}
	for h, ts := range toThere {
		if len(ts) == 1 && len(toHere[ts[0]]) == 1 {
			found = c.pair(b, h.Key, ts[0].Key, how{Matched, k.Name}) || found
		}
	}
	return found
}
