package match

import (
	"cmp"
	"slices"
	"strings"
)

// State says what a line of a report is about.
type State string

const (
	SameKey   State = "same key"   // one row, with the same key on both sides
	Matched   State = "matched"    // one row under two keys, certainly
	Decided   State = "decided"    // one row under two keys, as a person said
	Proposed  State = "proposed"   // perhaps one row
	Collision State = "collision"  // two rows, and one has a unique value of the other
	OnlyHere  State = "only here"  // no row there is this one
	OnlyThere State = "only there" // no row here is this one
)

const (
	// MaxEach is how many rows of either side with one natural key are proposed to each other one by one. More are told as a crowd.
	MaxEach = 10
	// MaxProposals is how many rows are proposed for one row here: those for which most speaks.
	MaxProposals = 5
)

// Report is what there is to know and to decide. Its lists are in the order of the tables and of what people read.
type Report struct {
	Here, There string // names of the nodes
	Tables      []Count
	Matched     []Line // certain, and decided
	Proposed    []Line
	Collisions  []Line
	OnlyHere    []Line // in tables of which nothing made here goes there
	OnlyThere   []Line
	Crowds      []Crowd
	Waiting     int64 // rows that would wait at the other side for what is only here, each once
}

// Count is how many rows of a table are in each part of a report.
type Count struct {
	Table                                                    string
	Same, Matched, Proposed, Collisions, OnlyHere, OnlyThere int
	Goes                                                     int   // only here, and will be new there
	Waiting                                                  int64 // rows that would wait there for rows that are only here, collide, or stay two although they are proposed
}

// Line is one row, or a pair of rows. What speaks for a pair and against is in words.
type Line struct {
	Table                 string
	Here, There           string // keys; "": none
	LabelHere, LabelThere string
	State                 State
	For, Against          []string
	Sends                 bool     // rows of the table that are made here go to the other side
	Collides              bool     // the row here is no row there, and one there has a value of it that only one row may have
	Waiting               int64    // rows that would wait at the other side for the row here, by what refers to them too; it is one of them if it goes there
	Decision              Decision // of a person; the zero Decision: none
}

// Crowd is a natural key that too many rows have to propose them to each other.
type Crowd struct {
	Table, Key, Value string
	Here, There       int // rows
}

// Report returns the report of a comparison.
func (c *Comparison) Report() *Report {
	r := &Report{Here: c.here.Node, There: c.there.Node}
	for _, b := range c.tables {
		c.reportTable(r, b)
	}
	c.addDecisions(r)
	return r
}

// reportTable adds a table's lines.
func (c *Comparison) reportTable(r *Report, b *both) {
	count := Count{Table: b.name}
	p := c.of(b.here.Root)
	for _, h := range sorted(b.here.Rows) {
		there, ok := p.toThere[h.Key]
		t := b.thereByKey[there]
		if !ok || t == nil {
			continue
		}
		by := p.how[h.Key]
		if by.state == SameKey {
			count.Same++
			continue
		}
		count.Matched++
		l := Line{Table: b.name, Here: h.Key, There: t.Key, LabelHere: h.Label, LabelThere: t.Label, State: by.state}
		if by.key != "" {
			l.For = []string{"the only one with this " + by.key + " on both sides"}
		}
		r.Matched = append(r.Matched, l)
	}
	proposals, crowds := c.propose(b)
	r.Proposed, r.Crowds = append(r.Proposed, proposals...), append(r.Crowds, crowds...)
	count.Proposed = len(proposals)
	collisions := c.collide(b, proposals)
	r.Collisions = append(r.Collisions, collisions...)
	count.Collisions = len(collisions)
	proposed := map[string]bool{}
	for _, l := range proposals {
		proposed["here "+l.Here], proposed["there "+l.There] = true, true
	}
	for _, h := range sorted(b.here.Rows) {
		if _, ok := p.toThere[h.Key]; ok || proposed["here "+h.Key] {
			continue
		}
		if h.Seen && b.here.Sends { // the other side has it, or has deleted it
			count.Same++
			continue
		}
		if b.here.Sends {
			count.Goes++
			continue
		}
		count.OnlyHere++
		r.OnlyHere = append(r.OnlyHere, Line{Table: b.name, Here: h.Key, LabelHere: h.Label, State: OnlyHere})
	}
	for _, t := range sorted(b.there.Rows) {
		if _, ok := p.toHere[t.Key]; !ok && !proposed["there "+t.Key] {
			count.OnlyThere++
			r.OnlyThere = append(r.OnlyThere, Line{Table: b.name, There: t.Key, LabelThere: t.Label, State: OnlyThere})
		}
	}
	r.Tables = append(r.Tables, count)
}

// sorted returns rows by their labels, and then by their keys.
func sorted(rows []Row) []*Row {
	out := make([]*Row, len(rows))
	for i := range rows {
		out[i] = &rows[i]
	}
	slices.SortFunc(out, func(a, b *Row) int { return cmp.Or(strings.Compare(a.Label, b.Label), strings.Compare(a.Key, b.Key)) })
	return out
}

// addDecisions puts what was decided beside the lines that it is about.
func (c *Comparison) addDecisions(r *Report) {
	root := func(table string) string {
		if b := c.table(table); b != nil {
			return b.here.Root
		}
		return table
	}
	byRow, byPair := map[[2]string]Decision{}, map[Pair]Decision{}
	for _, d := range c.decisions {
		if d.Kind == Apart {
			byPair[Pair{root(d.Table), d.Here, d.There}] = d
		} else {
			byRow[[2]string{root(d.Table), d.Here}] = d
		}
	}
	for _, list := range [][]Line{r.Matched, r.Proposed, r.Collisions, r.OnlyHere} {
		for i := range list {
			l := &list[i]
			if d, ok := byPair[Pair{root(l.Table), l.Here, l.There}]; ok {
				l.Decision = d
			} else if d, ok := byRow[[2]string{root(l.Table), l.Here}]; ok && (d.Kind != Same || d.There == l.There) {
				l.Decision = d
			}
		}
	}
}

// Missing returns, by table, the keys of the rows here for which others would wait at the other side, as it does not take them: rows that no row
// there is, in tables of which nothing made here goes there; and in the others rows of which a row there has a unique value.
func (r *Report) Missing() map[string][]string {
	seen := map[[2]string]bool{}
	out := map[string][]string{}
	for _, list := range [][]Line{r.OnlyHere, r.Proposed, r.Collisions} {
		for _, l := range list {
			if id := [2]string{l.Table, l.Here}; !seen[id] && (l.Sends && l.Collides || !l.Sends && l.State != Collision) {
				seen[id] = true
				out[l.Table] = append(out[l.Table], l.Here)
			}
		}
	}
	return out
}

// SetWaiting notes how many rows would wait at the other side for each row that it does not take. Rows for which none would wait are no
// longer listed as only here: they are counted.
func (r *Report) SetWaiting(waiting func(table, key string) int64) {
	counted := map[[2]string]bool{}
	count := func(l *Line) {
		l.Waiting = waiting(l.Table, l.Here)
		id := [2]string{l.Table, l.Here}
		if counted[id] {
			return
		}
		counted[id] = true
		for i := range r.Tables {
			if r.Tables[i].Table == l.Table {
				r.Tables[i].Waiting += l.Waiting
			}
		}
	}
	for _, list := range [][]Line{r.Proposed, r.Collisions, r.OnlyHere} {
		for i := range list {
			count(&list[i])
		}
	}
	r.OnlyHere = slices.DeleteFunc(r.OnlyHere, func(l Line) bool { return l.Waiting == 0 && l.Decision.Kind == "" })
	slices.SortStableFunc(r.OnlyHere, func(a, b Line) int { return cmp.Compare(b.Waiting, a.Waiting) })
}
