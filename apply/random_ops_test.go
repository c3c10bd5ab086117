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

func (n *actor) direction(t *schema.Table) access.Direction { return n.Profile.Direction(t.Name) }

func (n *actor) root() bool { return n.parent == nil }

func (n *actor) mayInsert(t *schema.Table) bool {
	d := n.direction(t)
	return n.root() || !rigid(t) && (d == access.Both || d == access.Add)
}

func (n *actor) mayUpdate(t *schema.Table, r record) bool {
	switch n.direction(t) {
	case access.Both:
		return true
	case access.Add:
		return n.root() || n.own[t.Name+"/"+r.pk(t)]
	}
	return n.root()
}

func (n *actor) mayDelete(t *schema.Table, r record) bool {
	if rigid(t) || n.w.swaps(t) {
		return false
	}
	switch n.direction(t) {
	case access.Down:
		return n.root() && (!n.Profile.Rights(t.Name) || len(t.Children) == 0 || n.w.disposable[t.Name+"/"+strings.ToLower(n.key(t, r))])
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

// swaps says whether unique values move between rows of the table, which are not deleted then: one that came back would
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

// otherUnique says whether the table has a unique index beside that of the uuid.
func otherUnique(t *schema.Table) bool {
	return slices.ContainsFunc(t.Unique, func(index []*schema.Column) bool {
		return !slices.ContainsFunc(index, func(c *schema.Column) bool { return c.UUIDColumn })
	})
}

// decides says whether the column decides what others refer to: it is set once.
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
		if i := slices.IndexFunc(n.rows(hot), func(r record) bool { return strings.EqualFold(n.key(hot, r), h[1]) }); i >= 0 {
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

// changeable lists the columns that an update may set.
func (n *actor) changeable(t *schema.Table) (out []*schema.Column) {
	for _, c := range t.Columns {
		switch {
		case c.Generated, c.Local, c.Key, c.UUIDColumn, decides(c), slices.Contains(t.LocalColumns, c) && t.Key != schema.KeyAll:
		case (rigid(t) || c.Ref != nil) && indexedUnique(c):
		default:
			out = append(out, c)
		}
	}
	return out
}

func (n *actor) update(t *schema.Table, r record) {
	columns := n.changeable(t)
	if !n.mayUpdate(t, r) || len(columns) == 0 {
		return
	}
	disposable := n.w.disposable[t.Name+"/"+strings.ToLower(n.key(t, r))]
	var sets []string
	for range 1 + n.w.rng.IntN(3) {
		c := columns[n.w.rng.IntN(len(columns))]
		if v, ok := n.value(c, r, disposable); ok {
			sets = append(sets, schema.Quote(c.Name)+" = "+literalOf(c, v))
		}
	}
	if len(sets) > 0 {
		n.do("UPDATE "+schema.Quote(t.Name)+" SET "+strings.Join(sets, ", ")+r.where(t), t)
	}
}

// updateMany changes a column of many rows in one statement, each to a value of its own.
func (n *actor) updateMany(t *schema.Table) {
	columns := slices.DeleteFunc(n.changeable(t), func(c *schema.Column) bool { return !uniqueText(c) || c.Length < 30 })
	if len(columns) == 0 || t.Integer == nil {
		return
	}
	var ids []string
	for _, r := range n.rows(t) {
		if n.mayUpdate(t, r) && n.w.chance(30) {
			ids = append(ids, r.of(t.Integer))
		}
	}
	if len(ids) == 0 {
		return
	}
	c := columns[n.w.rng.IntN(len(columns))]
	pk := schema.Quote(t.Integer.Name)
	n.do(fmt.Sprintf("UPDATE %s SET %s = CONCAT('%s.', %s) WHERE %[4]s IN (%[5]s)", schema.Quote(t.Name), schema.Quote(c.Name), n.w.token(), pk, strings.Join(ids, ",")), t)
}

// cascaded lists the tables whose rows change with those of t.
func cascaded(t *schema.Table) []*schema.Table {
	out := []*schema.Table{t}
	for i := 0; i < len(out); i++ {
		for _, r := range out[i].Children {
			if (r.OnDelete == "CASCADE" || r.OnDelete == "SET NULL" || r.OnUpdate == "CASCADE" || r.OnUpdate == "SET NULL") && !slices.Contains(out, r.From.Table) {
				out = append(out, r.From.Table)
			}
		}
	}
	return out
}

// remove deletes a row, and before it what refers to it, if that is not much.
func (n *actor) remove(t *schema.Table, r record) {
	if !n.mayDelete(t, r) {
		return
	}
	left := 25
	type step struct {
		t   *schema.Table
		r   record
		set *schema.Column // to NULL; nil: delete
	}
	var steps []step
	seen := map[string]bool{}
	var plan func(*schema.Table, record) bool
	plan = func(t *schema.Table, r record) bool {
		id := t.Name + "/" + r.pk(t)
		if seen[id] {
			return true
		}
		seen[id] = true
		if left--; left < 0 || !n.mayDelete(t, r) {
			return false
		}
		for _, c := range n.children(t, r) {
			from := c.ref.From
			if c.ref.OnDelete == "CASCADE" && n.w.chance(50) && n.mayDelete(from.Table, c.row) && len(n.children(from.Table, c.row)) == 0 {
				continue
			}
			if from.Nullable && !from.Key && n.mayUpdate(from.Table, c.row) && (n.w.chance(50) || seen[from.Table.Name+"/"+c.row.pk(from.Table)]) {
				if left--; left < 0 {
					return false
				}
				steps = append(steps, step{from.Table, c.row, from})
				continue
			}
			if !plan(from.Table, c.row) {
				return false
			}
		}
		steps = append(steps, step{t, r, nil})
		return true
	}
	if !plan(t, r) {
		return
	}
	for _, s := range steps {
		if s.set != nil {
			n.do("UPDATE "+schema.Quote(s.t.Name)+" SET "+schema.Quote(s.set.Name)+" = NULL"+s.r.where(s.t), s.t)
			continue
		}
		if !n.do("DELETE FROM "+schema.Quote(s.t.Name)+s.r.where(s.t), cascaded(s.t)...) {
			return
		}
	}
}

// replace writes a row with REPLACE: the same uuid, and mostly another integer.
func (n *actor) replace(t *schema.Table, r record) {
	if !n.mayDelete(t, r) || !n.mayInsert(t) || !n.mayUpdate(t, r) || len(n.children(t, r)) > 0 || t.Key == schema.KeyAll {
		return
	}
	another := t.AutoIncrement != nil && t.AutoIncrement.Local && t.KeyUnique && n.w.chance(70)
	columns := n.changeable(t)
	changed := record(slices.Clone(r))
	if len(columns) > 0 {
		c := columns[n.w.rng.IntN(len(columns))]
		if v, ok := n.value(c, r, false); ok {
			changed[placeOf(c)] = v
		}
	}
	var names, parts []string
	for i, c := range t.Columns {
		if !c.Generated && !(another && c == t.AutoIncrement) {
			names, parts = append(names, schema.Quote(c.Name)), append(parts, literalOf(c, changed[i]))
		}
	}
	mine := n.own[t.Name+"/"+r.pk(t)]
	n.do("REPLACE INTO "+schema.Quote(t.Name)+" ("+strings.Join(names, ", ")+") VALUES ("+strings.Join(parts, ", ")+")", cascaded(t)...)
	if mine && !another {
		n.own[t.Name+"/"+r.pk(t)] = true
	}
}

// rename gives a row another uuid, to be changed back later.
func (n *actor) rename(t *schema.Table, r record) {
	if t.Key != schema.KeyUUID || !n.mayDelete(t, r) || n.direction(t) != access.Both || len(n.children(t, r)) > 0 || r.of(t.KeyColumns[0]) == nullText || otherUnique(t) {
		return // (where unique values would have to move to the new row, one that stays for others keeps them)
	}
	c := t.KeyColumns[0]
	now := n.w.uuid()
	n.do("UPDATE "+schema.Quote(t.Name)+" SET "+schema.Quote(c.Name)+" = "+literalOf(c, now)+r.where(t), t)
	n.renamed = append(n.renamed, renaming{t.Name, r.of(c), now})
}

func (n *actor) changeBack() {
	if len(n.renamed) == 0 {
		return
	}
	i := n.w.rng.IntN(len(n.renamed))
	x := n.renamed[i]
	n.renamed = slices.Delete(n.renamed, i, i+1)
	t := n.J.Catalogue.Table(x.table)
	var found record
	for _, r := range n.rows(t) {
		switch r.of(t.KeyColumns[0]) {
		case x.uuid: // it came back from elsewhere
			return
		case x.now:
			found = r
		}
	}
	if found == nil || len(n.children(t, found)) > 0 {
		return
	}
	c := t.KeyColumns[0]
	n.do("UPDATE "+schema.Quote(t.Name)+" SET "+schema.Quote(c.Name)+" = "+literalOf(c, x.uuid)+found.where(t), t)
}

// move gives a row another integer.
func (n *actor) move(t *schema.Table, r record) {
	if t.Integer == nil || !t.Integer.Local || !n.mayDelete(t, r) || len(n.children(t, r)) > 0 {
		return
	}
	mine := n.own[t.Name+"/"+r.pk(t)]
	to := n.base + 500_000 + int64(n.w.count())
	if n.do(fmt.Sprintf("UPDATE %s SET %s = %d%s", schema.Quote(t.Name), schema.Quote(t.Integer.Name), to, r.where(t)), cascaded(t)...) && mine {
		n.own[t.Name+"/"+fmt.Sprint(to)] = true
	}
}

// swap moves unique values between rows: two change places, or a new one takes what an old one gave up.
func (n *actor) swap(t *schema.Table) {
	rows := n.rows(t)
	if !n.root() || !n.w.swaps(t) || len(rows) < 2 {
		return
	}
	c := swappable(t)[0]
	i := n.w.rng.IntN(len(rows))
	a, b := rows[i], rows[(i+1)%len(rows)]
	if a.of(c) == nullText || b.of(c) == nullText {
		return
	}
	set := func(r record, v string) {
		n.do("UPDATE "+schema.Quote(t.Name)+" SET "+schema.Quote(c.Name)+" = "+literalOf(c, v)+r.where(t), t)
	}
	set(a, n.w.token())
	if n.w.chance(60) {
		set(b, a.of(c))
		set(a, b.of(c))
		return
	}
	if r, ok := n.fresh(t, false); ok && n.mayInsert(t) {
		r[placeOf(c)] = a.of(c)
		var names, parts []string
		for i, c := range t.Columns {
			if !c.Generated && !(c.AutoIncrement && c.Local) {
				names, parts = append(names, schema.Quote(c.Name)), append(parts, literalOf(c, r[i]))
			}
		}
		n.do("INSERT INTO "+schema.Quote(t.Name)+" ("+strings.Join(names, ", ")+") VALUES ("+strings.Join(parts, ", ")+")", t)
	}
}

// stray edits at a child what only flows down: it stays there, until the parent's next change.
func (n *actor) stray(t *schema.Table, r record) {
	if n.root() || n.direction(t) != access.Down || t.Key != schema.KeyUUID {
		return
	}
	columns := slices.DeleteFunc(n.changeable(t), func(c *schema.Column) bool { return c.Ref != nil || indexedUnique(c) })
	if len(columns) == 0 {
		return
	}
	c := columns[n.w.rng.IntN(len(columns))]
	n.do("UPDATE "+schema.Quote(t.Name)+" SET "+schema.Quote(c.Name)+" = "+literalOf(c, n.w.plain(c))+r.where(t), t)
	id := t.Name + "/" + strings.ToLower(n.key(t, r)) + "/" + c.Name
	n.dirty[id] = true
	delete(n.w.cleared, id) // what the parent did before may win or not
}

// flood is a large transaction.
func (n *actor) flood() {
	t := n.J.Catalogue.Table("obs")
	for range 4 {
		n.insert(t, 150)
	}
	var ids []string
	for i, r := range n.rows(t) {
		if i%3 == 0 {
			ids = append(ids, r.of(t.Integer))
		}
	}
	if len(ids) > 0 {
		n.do(fmt.Sprintf("UPDATE obs SET comments = CONCAT('%s.', obs_id) WHERE obs_id IN (%s)", n.w.token(), strings.Join(ids, ",")), t)
	}
}
