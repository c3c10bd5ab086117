package rules

import (
	"cmp"
	"slices"

	"github.com/omsync/omsync/merge"
)

// Record is a conflict record: one column of a row, or the row or its deletion as a whole.
type Record struct {
	ID            uint64
	Table, Key    string
	Column        string // "": the row's deletion lost, or if not Deletion the row itself to one
	Deletion      bool
	Loser, Winner merge.Stamp
	Came          int64 // when it came to be here, µs since 1970 UTC
	Resolution    merge.Resolution
	Bookkeeping   bool // the column only says who changed the row, and when
}

// Conflict is what people see as one: the records of one row that lost with one stamp.
type Conflict struct {
	Table, Key string
	Loser      merge.Stamp
	Records    []Record // what matters first, then by column
}

// ID is the number by which people name the conflict: the lowest of its records'. Each of these names it too.
func (c *Conflict) ID() uint64 {
	id := c.Records[0].ID
	for _, r := range c.Records {
		id = min(id, r.ID)
	}
	return id
}

// Group puts records together into conflicts, in the order of the first record of each. Two values that one column lost with one stamp,
// which a restored node can make, are two conflicts.
func Group(records []Record) []*Conflict {
	type name struct {
		table, key string
		loser      merge.Stamp
		nth        int
	}
	type column struct {
		name
		column   string
		deletion bool
	}
	at, seen := map[name]*Conflict{}, map[column]int{}
	var out []*Conflict
	for _, r := range records {
		n := name{r.Table, r.Key, r.Loser, 0}
		col := column{n, r.Column, r.Deletion}
		n.nth = seen[col]
		seen[col]++
		c := at[n]
		if c == nil {
			c = &Conflict{Table: r.Table, Key: r.Key, Loser: r.Loser}
			at[n] = c
			out = append(out, c)
		}
		c.Records = append(c.Records, r)
	}
	for _, c := range out {
		slices.SortStableFunc(c.Records, func(a, b Record) int {
			return cmp.Or(order(a.Bookkeeping)-order(b.Bookkeeping), cmp.Compare(a.Column, b.Column))
		})
	}
	return out
}

func order(later bool) int {
	if later {
		return 1
	}
	return 0
}

// Kind is what a conflict is to people.
type Kind uint8

const (
	Matters         Kind = iota // somebody's change was lost
	Earlier                     // what lost is from before its node was one: copies that differed when they first met
	OnlyBookkeeping             // the two sites differ only in who changed the row, and when
	Replacement                 // a value that a decision replaced
)

// Kind returns what the conflict is.
func (c *Conflict) Kind() Kind {
	switch {
	case all(c.Records, func(r Record) bool { return r.Resolution.How == merge.Replaced }):
		return Replacement
	case c.Loser.Time == 0:
		return Earlier
	case all(c.Records, func(r Record) bool { return r.Bookkeeping }):
		return OnlyBookkeeping
	}
	return Matters
}

func all(rs []Record, is func(Record) bool) bool {
	return !slices.ContainsFunc(rs, func(r Record) bool { return !is(r) })
}

// Settled reports whether somebody has decided about all of the conflict that matters.
func (c *Conflict) Settled() bool {
	matters := c.matters()
	return all(matters, func(r Record) bool { return r.Resolution.Settles() })
}

// matters returns the records that are not folded under others; all of them if they are all bookkeeping.
func (c *Conflict) matters() []Record {
	n := slices.IndexFunc(c.Records, func(r Record) bool { return r.Bookkeeping })
	if n <= 0 {
		return c.Records
	}
	return c.Records[:n]
}

// Folded returns the records that are folded under those that matter.
func (c *Conflict) Folded() []Record { return c.Records[len(c.matters()):] }

// Open reports whether somebody should look at the conflict: it matters, nobody has decided about all of it, and it came here since a
// time, in µs since 1970 UTC.
func (c *Conflict) Open(since int64) bool {
	return c.Kind() == Matters && !c.Settled() && slices.ContainsFunc(c.Records, func(r Record) bool { return r.Came >= since })
}

// State is what a conflict is to people now: open, settled, or why it is neither, for what came before a time: bookkeeping, earlier, old.
func (c *Conflict) State(since int64) string {
	switch kind := c.Kind(); {
	case c.Open(since):
		return "open"
	case c.Settled():
		return "settled"
	case kind == OnlyBookkeeping:
		return "bookkeeping"
	case kind == Earlier:
		return "earlier"
	}
	return "old"
}

// Choose returns the records that a decision is about: those of one column, or if it is "" all of which nobody has decided yet; with
// those that are folded under them once nothing else that matters is left. decided: those that somebody has decided about instead, for a
// decision to be taken back.
func (c *Conflict) Choose(column string, decided bool) []Record {
	fits := func(r Record) bool { return (column == "" || r.Column == column) && r.Resolution.Settles() == decided }
	var out []Record
	left := false
	for _, r := range c.matters() {
		if fits(r) {
			out = append(out, r)
		} else if r.Resolution.Settles() == decided {
			left = true
		}
	}
	for _, r := range c.Folded() {
		if r.Resolution.Settles() == decided && (r.Column == column || len(out) > 0 && !left) {
			out = append(out, r)
		}
	}
	return out
}

// Action is what a decision does to a record's row or column.
type Action uint8

const (
	Nothing   Action = iota
	Confirm          // the value stays, with a new stamp: so a decision elsewhere that differs meets it
	Set              // the value that lost is put in its place
	BringBack        // the row was deleted and is inserted again
	Delete           // the row is deleted, unless another refers to it
	Refuse           // it cannot be decided like this: see the reason
)

// Reason is why a decision is refused.
type Reason uint8

const (
	NoReason Reason = iota
	Gone            // there is no such row, and nobody knows how it was
	Changed         // the value is no longer the one that had been kept: somebody has changed it since
	NotThere        // the column is not there any more
)

// State is what is known of a record's row and column here and now.
type State struct {
	Alive    bool        // the row is here
	Kept     bool        // or it is not, and can be brought back
	Column   bool        // the column is here
	Stamp    merge.Stamp // of the column's value
	Equal    bool        // the value is the one that lost
	AnyValue bool        // whoever decides knows that it was changed since
}

// IsKept reports whether a value with this stamp is the one that was kept: it has the winner's stamp, or if that is no later, the
// stamp just above the loser's that the node which settled the conflict gave it.
func (r Record) IsKept(now merge.Stamp) bool {
	return now == r.Winner || r.Winner.Time <= r.Loser.Time && now.Time == r.Loser.Time+1
}

// Decide returns what a decision does about a record. how is merge.TookLost or merge.TookKept.
func Decide(r Record, how merge.How, s State) (Action, Reason) {
	switch {
	case how != merge.TookLost:
		if s.Alive && r.Column != "" && s.Column {
			return Confirm, NoReason
		}
		return Nothing, NoReason
	case r.Deletion && s.Alive:
		return Delete, NoReason
	case r.Deletion:
		return Nothing, NoReason
	case !s.Alive && !s.Kept:
		return Refuse, Gone
	case !s.Alive:
		return BringBack, NoReason
	case r.Column == "":
		return Nothing, NoReason // it is back
	case !s.Column:
		return Refuse, NotThere
	case s.Equal:
		return Confirm, NoReason
	case !r.IsKept(s.Stamp) && !s.AnyValue:
		return Refuse, Changed
	}
	return Set, NoReason
}

// Reverse returns what taking back a decision does about a record whose row it had not brought back. known: the value that the decision
// replaced is kept.
func Reverse(r Record, s State, known bool) (Action, Reason) {
	switch {
	case r.Resolution.How != merge.TookLost || !s.Alive || r.Column == "":
		return Nothing, NoReason
	case !s.Column:
		return Refuse, NotThere
	case !known: // the two values were equal
		return Nothing, NoReason
	case !s.Equal:
		return Refuse, Changed
	}
	return Set, NoReason
}

// Untouched reports whether a row is as the decision with this stamp brought it back: made at once, at the node that decided.
func Untouched(row merge.Row, by merge.Stamp) bool {
	return row.Alive && len(row.Groups) == 1 && row.Groups[0].Author == by.Author
}
