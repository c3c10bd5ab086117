package match

import (
	"fmt"
	"strings"
)

// Kind is what a person decided.
type Kind string

const (
	Same  Kind = "same"  // one thing: the row here is that row there
	Send  Kind = "send"  // the row here is a new one for the other side
	Apart Kind = "apart" // two things: the row here is not that row there
	Open  Kind = "open"  // a decision is taken back
)

// Decision is what a person said of a row here.
type Decision struct {
	Table       string
	Here, There string // keys; There is "" for Send
	Kind        Kind
	// Line is where it stands in the file that it came from, and the labels are those that stand beside it: they must be what the rows
	// are called now.
	Line                  int
	LabelHere, LabelThere string
}

// Problem is why a decision cannot be taken, and what to do.
type Problem struct {
	Line     int
	What, Do string
}

// Error returns it as a message.
func (p *Problem) Error() string { return fmt.Sprintf("line %d: %s: %s", p.Line, p.What, p.Do) }

const (
	again   = "run omsync match again, and decide in the file that it writes"
	renamed = "it was renamed since, or the label in the file was changed: " + again
	anyKey  = "copy the key from the column key_there of a line of the same table"
	another = "is the file from a match with another node, or from before the row was deleted there? " + again
)

// checking is the check of decisions, which may be about one row in several lines.
type checking struct {
	c        *Comparison
	problems []*Problem
	byHere   map[[2]string]Decision // same and send, by root and key here
	byThere  map[[2]string]Decision // same, by root and key there
	apart    map[Pair]Decision
}

// Check returns what is wrong with decisions, in their order; nil: they can be taken. c is the comparison without any of them. Keys in
// decisions are as [Shown] shows them; Check puts the rows' keys, and what they are called, in their place.
func (c *Comparison) Check(decisions []Decision) []*Problem {
	k := &checking{c: c, byHere: map[[2]string]Decision{}, byThere: map[[2]string]Decision{}, apart: map[Pair]Decision{}}
	for i := range decisions {
		if p := k.check(&decisions[i]); p != nil {
			p.Line = decisions[i].Line
			k.problems = append(k.problems, p)
		}
	}
	return k.problems
}

func problem(do, format string, args ...any) *Problem {
	return &Problem{What: fmt.Sprintf(format, args...), Do: do}
}

// check returns what is wrong with one decision.
func (k *checking) check(d *Decision) *Problem {
	b := k.c.table(d.Table)
	if b == nil {
		return problem("correct the name of the table, or "+again, "no table %q is compared with %s", d.Table, k.c.there.Node)
	}
	d.Table = b.name
	here := find(b.hereByKey, d.Here)
	switch {
	case d.Here == "":
		return problem("decide in the line of a row that is here: key_here names it", "a decision is about a row here, and key_here is empty")
	case here == nil && k.elsewhere(b, d.Here, k.c.here) != "":
		return problem("correct the column table or key_here", "%s is a row of %s here, and not of %s", d.Here, k.elsewhere(b, d.Here, k.c.here), b.name)
	case b.here.KeyRefs != nil:
		return problem("decide about the rows that it refers to", "a row of %s is the same where what it refers to is", b.name)
	case here == nil:
		return problem("was it deleted since? "+again, "no row of %s here has the key %s", b.name, d.Here)
	}
	d.Here = here.Key
	if d.LabelHere != here.Label {
		return problem(renamed, "the row %s of %s has another label than in the file", Shown(here.Key), b.name)
	}
	switch d.Kind {
	case Same, Apart:
		return k.checkPair(b, d, here)
	case Send:
		return k.checkSend(b, d, here)
	}
	return nil
}

func find(rows map[string]*Row, shown string) *Row {
	if r := rows[shown]; r != nil {
		return r
	}
	if lower := strings.ToLower(shown); rows[lower] != nil {
		return rows[lower]
	}
	if !strings.Contains(shown, "%") {
		return nil
	}
	for key, r := range rows {
		if Shown(key) == shown {
			return r
		}
	}
	return nil
}

// elsewhere returns the name of another table that has a row of that key on a side; "" if there is none.
func (k *checking) elsewhere(b *both, shown string, s *Side) string {
	for _, other := range k.c.tables {
		rows := other.thereByKey
		if s == k.c.here {
			rows = other.hereByKey
		}
		if other.here.Root != b.here.Root && find(rows, shown) != nil {
			return other.name
		}
	}
	return ""
}

// checkPair checks a decision about a row here and a row there.
func (k *checking) checkPair(b *both, d *Decision, here *Row) *Problem {
	there := find(b.thereByKey, d.There)
	switch {
	case d.There == "":
		return problem(anyKey, "the decision names no row of %s", k.c.there.Node)
	case there == nil && k.elsewhere(b, d.There, k.c.there) != "":
		return problem(anyKey, "%s is a row of %s, and %s is one of %s: these cannot be one thing", d.There, k.elsewhere(b, d.There, k.c.there), Shown(here.Key), b.name)
	case there == nil:
		return problem(another, "%s has no row of %s with the key %s", k.c.there.Node, b.name, d.There)
	}
	d.There = there.Key
	if d.LabelThere != "" && d.LabelThere != there.Label {
		return problem(renamed, "the row %s of %s has another label at %s than in the file", Shown(there.Key), b.name, k.c.there.Node)
	}
	d.LabelThere = there.Label
	if d.Kind == Apart {
		return k.checkApart(b, d, here, there)
	}
	return k.checkSame(b, d, here, there)
}

func (k *checking) checkApart(b *both, d *Decision, here, there *Row) *Problem {
	p := k.c.of(b.here.Root)
	if p.toThere[here.Key] == there.Key && p.how[here.Key].state == SameKey {
		return problem("leave the decision empty", "%s is one row with one key on both sides", Shown(here.Key))
	}
	if before, ok := k.byHere[[2]string{b.here.Root, here.Key}]; ok && before.Kind == Same && before.There == there.Key {
		return problem("take out one of the two lines", "line %d says that the two are one", before.Line)
	}
	k.apart[Pair{b.here.Root, here.Key, there.Key}] = *d
	return nil
}

func (k *checking) checkSame(b *both, d *Decision, here, there *Row) *Problem {
	p, root, node := k.c.of(b.here.Root), b.here.Root, k.c.there.Node
	before, twice := k.byHere[[2]string{root, here.Key}]
	taken, takenTwice := k.byThere[[2]string{root, there.Key}]
	apart, parted := k.apart[Pair{root, here.Key, there.Key}]
	paired, ok := p.toHere[there.Key]
	switch {
	case ok && paired == here.Key && p.how[paired].state == SameKey:
		return problem("leave the decision empty", "the two are one row already, with one key on both sides")
	case p.toThere[here.Key] != "" && p.how[here.Key].state == SameKey:
		return problem("leave the decision empty", "%s has the row %s under its own key", node, Shown(here.Key))
	case ok && p.how[paired].state == SameKey:
		return problem("choose another row of "+node, "the row %s of %s is here too, under its own key", Shown(there.Key), b.name)
	case here.Seen:
		return problem("leave the decision empty", "%s has had the row %s from here: it is no row that was made apart", node, Shown(here.Key))
	case twice && !(before.Kind == Same && before.There == there.Key):
		return problem("a row here is one row there: take out one of the two lines", "line %d says something else of the row %s", before.Line, Shown(here.Key))
	case takenTwice && taken.Here != here.Key:
		return problem("a row there is one row here: take out one of the two lines", "line %d maps another row to %s too", taken.Line, Shown(there.Key))
	case parted:
		return problem("take out one of the two lines", "line %d says that the two are kept apart", apart.Line)
	case ok && paired != here.Key && k.apart[Pair{root, paired, there.Key}].Kind != Apart:
		return problem("if they are not one, write keep apart in the line of that pair, above this one", "the row %s of %s is matched with %s", Shown(there.Key), node, Shown(paired))
	}
	if other, index := k.holder(b, here, there); other != nil {
		return problem("map it to that row, or change the value at one of the two sites, and match again",
			"the two cannot become one: %s has the %s of %s, which only one row may have", Shown(other.Key), index, Shown(there.Key))
	}
	k.byHere[[2]string{root, here.Key}], k.byThere[[2]string{root, there.Key}] = *d, *d
	return nil
}

// holder returns the row here, other than here itself, that has a unique value of a row there, and what value: the values there come into
// the row here.
func (k *checking) holder(b *both, here, there *Row) (*Row, string) {
	for _, u := range b.unique {
		want, ok := join(uniqueOf(there, u.there), u.Refs, foldUnique, k.c.translated)
		if !ok {
			continue
		}
		for i := range b.here.Rows {
			r := &b.here.Rows[i]
			if id, ok := join(uniqueOf(r, u.here), u.Refs, foldUnique, asIs); ok && id == want && r.Key != here.Key {
				return r, u.Name
			}
		}
	}
	return nil, ""
}

func (k *checking) checkSend(b *both, d *Decision, here *Row) *Problem {
	p, id := k.c.of(b.here.Root), [2]string{b.here.Root, here.Key}
	before, twice := k.byHere[id]
	switch {
	case !b.here.Sends:
		return problem(fmt.Sprintf("write same as KEY if %s has such a row; if not, let %[1]s add one, and match again", k.c.there.Node),
			"%s goes down only: %s takes no row of it from here", b.name, k.c.there.Node)
	case p.toThere[here.Key] == here.Key:
		return problem("leave the decision empty", "%s has the row %s", k.c.there.Node, Shown(here.Key))
	case twice && before.Kind != Send:
		return problem("take out one of the two lines", "line %d says something else of the row %s", before.Line, Shown(here.Key))
	}
	d.There = ""
	k.byHere[id] = *d
	return nil
}

// Merge returns what is decided once more decisions count: a decision about a row replaces an earlier one about it; that two are kept apart is about the
// pair. Open takes back all that was decided about a row.
func Merge(kept, more []Decision) []Decision {
	type row struct{ table, here string }
	replaced, opened, apart := map[row]bool{}, map[row]bool{}, map[Pair]bool{}
	for _, d := range more {
		switch id := (row{d.Table, d.Here}); d.Kind {
		case Open:
			opened[id] = true
		case Apart:
			apart[Pair{d.Table, d.Here, d.There}] = true
		default:
			replaced[id] = true
		}
	}
	var out []Decision
	for _, d := range kept {
		id := row{d.Table, d.Here}
		switch {
		case opened[id], d.Kind != Apart && replaced[id], apart[Pair{d.Table, d.Here, d.There}]:
			continue
		}
		out = append(out, d)
	}
	for _, d := range more {
		if d.Kind != Open {
			out = append(out, d)
		}
	}
	return out
}
