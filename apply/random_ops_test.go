package apply_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/schema"
)

// What the random application may do where. A child leaves alone what only flows down (but for an edit now and then, which
// stays its own), and in tables to which it may add it changes only what it added. Rows of tables that
// give rights are deleted only if they were made to be: nothing of a child ever refers to those, since such a row does not
// come back from a child that made something for it.

func (n *actor) direction(t *schema.Table) access.Direction { return t.Direction }

func (n *actor) root() bool { return n.parent == nil }

func (n *actor) mayInsert(t *schema.Table) bool {
	d := n.direction(t)
	return !n.crippled(t) && (n.root() || !rigid(t) && (d == access.Both || d == access.Add))
}

func (n *actor) mayUpdate(t *schema.Table, r record) bool {
	if n.crippled(t) {
		return false
	}
	switch n.direction(t) {
	case access.Both:
		return true
	case access.Add:
		return n.root() || n.own[t.Name+"/"+r.pk(t)]
	}
	return n.root()
}

func (n *actor) mayDelete(t *schema.Table, r record) bool {
	if rigid(t) || n.w.swaps(t) && !n.w.differ || n.crippled(t) {
		return false
	}
	switch n.direction(t) {
	case access.Down:
		return n.root() && (!t.Rights || len(t.Children) == 0 || n.w.disposable[t.Name+"/"+strings.ToLower(n.key(t, r))])
	case access.Add:
		return n.root() || n.own[t.Name+"/"+r.pk(t)]
	}
	return n.direction(t) == access.Both
}

// key is the row's uuid, "" if it is known by something else.
func (n *actor) key(t *schema.Table, r record) string {
	if t.Key != schema.KeyUUID {
		return ""
	}
	return r.of(t.KeyColumns[0])
}

// rigid tables have a unique index that holds no unique text: two sites would soon collide, which no rule can settle.
func rigid(t *schema.Table) bool {
	return slices.ContainsFunc(t.Unique, func(index []*schema.Column) bool { return !slices.ContainsFunc(index, uniqueText) })
}

func uniqueText(c *schema.Column) bool { return c.Charset != "" && c.Ref == nil && c.Length >= 8 }

// swaps reports whether unique values move between rows of the table, which are not deleted then: one that came back would
// find its value taken.
func (w *chaos) swaps(t *schema.Table) bool { return w.restores == 0 && len(swappable(t)) > 0 }

func swappable(t *schema.Table) (out []*schema.Column) {
	for _, index := range t.Unique {
		if len(index) == 1 && uniqueText(index[0]) && !index[0].UUIDColumn && !index[0].Key {
			out = append(out, index[0])
		}
	}
	return out
}

// otherUnique reports whether the table has a unique index beside that of the uuid.
func otherUnique(t *schema.Table) bool {
	return slices.ContainsFunc(t.Unique, func(index []*schema.Column) bool {
		return !slices.ContainsFunc(index, func(c *schema.Column) bool { return c.UUIDColumn })
	})
}

// decides reports whether the column decides what others refer to: it is set once.
func decides(c *schema.Column) bool {
	for _, other := range c.Table.Columns {
		if other.Ref != nil && other.Ref.When != nil && (other.Ref.When.Via == c || other.Ref.When.Via == nil && other.Ref.When.LookupColumn == c) {
			return true
		}
	}
	for _, r := range c.Table.Children { // a type whose format decides
		if r.From.Ref != nil && r.From.Ref.When == nil {
			for _, other := range r.From.Table.Columns {
				if other.Ref != nil && other.Ref.When != nil && other.Ref.When.Lookup == c.Table && other.Ref.When.LookupColumn == c {
					return true
				}
			}
		}
	}
	return false
}

// act is one thing that an application does.
func (n *actor) act() {
	w := n.w
	tables := n.J.Replicated()
	t := tables[w.rng.IntN(len(tables))]
	rows := n.rows(t)
	if w.chance(8) {
		n.changeBack()
		return
	}
	if w.chance(35) || len(rows) == 0 {
		if n.mayInsert(t) {
			count := 1
			if w.chance(20) {
				count = 2 + w.rng.IntN(6)
			}
			n.insert(t, count)
		}
		return
	}
	r := rows[w.rng.IntN(len(rows))]
	if len(w.hot) > 0 && w.chance(40) {
		h := w.hot[w.rng.IntN(len(w.hot))]
		hot := n.J.Catalogue.Table(h[0])
		if hot == nil { // its table is not here
			return
		}
		if i := slices.IndexFunc(n.rows(hot), func(r record) bool { return n.w.things.of(strings.ToLower(n.key(hot, r))) == h[1] }); i >= 0 {
			t, r = hot, n.rows(hot)[i]
		}
	}
	switch k := w.rng.IntN(100); {
	case k < 45:
		n.update(t, r)
	case k < 52:
		n.updateMany(t)
	case k < 75:
		n.remove(t, r)
	case k < 82:
		n.replace(t, r)
	case k < 88:
		n.rename(t, r)
	case k < 92:
		n.move(t, r)
	case k < 96:
		n.swap(t)
	default:
		n.stray(t, r)
	}
}

// pick is a row that a reference may hold, by its value; "" if there is none.
func (n *actor) pick(c *schema.Column, to *schema.Table, disposable bool) string {
	by := to.Integer
	if c.Ref.When == nil {
		by = c.Ref.ToColumn
	}
	var fit []string
	for _, r := range n.rows(to) {
		if !disposable && n.w.disposable[to.Name+"/"+strings.ToLower(n.key(to, r))] {
			continue
		}
		if f := n.Profile.RowFilter(to.Name); f != nil && f.Match(r.of(to.Column(f.Column))) {
			continue
		}
		fit = append(fit, r.of(by))
	}
	if len(fit) == 0 {
		return ""
	}
	// The newest rows are what others know least of.
	if n.w.chance(40) && len(fit) > 5 {
		fit = fit[len(fit)-5:]
	}
	return fit[n.w.rng.IntN(len(fit))]
}

// value is one for a column of a row whose other columns are in r; ok is false if there is none.
func (n *actor) value(c *schema.Column, r record, disposable bool) (string, bool) {
	w := n.w
	switch {
	case c.UUIDColumn:
		return w.uuid(), true
	case c.Ref == nil && c.Excluded != "" && c.Nullable:
		return nullText, true
	case c.Ref == nil && c.Local: // a number of its own that the server does not give
		return fmt.Sprint(n.base + int64(w.count())), true
	case c.Ref == nil:
		return w.plain(c), true
	case c.Nullable && w.chance(35):
		return nullText, true
	}
	to := n.target(c, r)
	if to == nil {
		return w.plain(c), true
	}
	v := n.pick(c, to, disposable)
	if v == "" {
		return nullText, c.Nullable
	}
	return v, true
}

// fresh makes a row.
func (n *actor) fresh(t *schema.Table, disposable bool) (record, bool) {
	r := make(record, len(t.Columns))
	for _, conditional := range []bool{false, true} {
		for i, c := range t.Columns {
			if (c.Ref != nil && c.Ref.When != nil) != conditional {
				continue
			}
			if c.Generated || c.AutoIncrement && c.Local {
				r[i] = ""
				continue
			}
			var ok bool
			if r[i], ok = n.value(c, r, disposable); !ok {
				return nil, false
			}
		}
	}
	return r, true
}

func (n *actor) insert(t *schema.Table, count int) {
	disposable := n.root() && n.direction(t) == access.Down && (len(t.Children) == 0 || t.Key == schema.KeyUUID && n.w.chance(50))
	var columns []string
	for _, c := range t.Columns {
		if !c.Generated && !(c.AutoIncrement && c.Local) {
			columns = append(columns, schema.Quote(c.Name))
		}
	}
	var lines []string
	for range count {
		r, ok := n.fresh(t, disposable)
		if !ok {
			return
		}
		if t.Key == schema.KeyAll && slices.ContainsFunc(n.rows(t), func(x record) bool { return slices.Equal(x, r) }) {
			return
		}
		var parts []string
		for i, c := range t.Columns {
			if !c.Generated && !(c.AutoIncrement && c.Local) {
				parts = append(parts, literalOf(c, r[i]))
			}
		}
		line := "(" + strings.Join(parts, ", ") + ")"
		if slices.Contains(lines, line) {
			continue
		}
		lines = append(lines, line)
		if disposable && t.Key == schema.KeyUUID {
			n.w.disposable[t.Name+"/"+strings.ToLower(n.key(t, r))] = true
		}
	}
	n.do("INSERT INTO "+schema.Quote(t.Name)+" ("+strings.Join(columns, ", ")+") VALUES "+strings.Join(lines, ", "), t)
}
