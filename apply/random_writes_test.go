package apply_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/schema"
)

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

// replace writes a row with REPLACE: the same uuid, and mostly another integer. It does not then refer to itself by the integer that it gives up:
// MySQL 9.7 takes that, and the reference leads nowhere.
func (n *actor) replace(t *schema.Table, r record) {
	if !n.mayDelete(t, r) || !n.mayInsert(t) || !n.mayUpdate(t, r) || len(n.children(t, r)) > 0 || t.Key == schema.KeyAll {
		return
	}
	another := t.AutoIncrement != nil && t.AutoIncrement.Local && t.KeyUnique && n.w.chance(70)
	columns := n.changeable(t)
	changed := record(slices.Clone(r))
	if len(columns) > 0 {
		c := columns[n.w.rng.IntN(len(columns))]
		itself := func(v string) bool { return another && c.Ref != nil && c.Ref.To == t && v == r.of(t.AutoIncrement) }
		if v, ok := n.value(c, r, false); ok && !itself(v) {
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
	if t.Key != schema.KeyUUID || !n.mayDelete(t, r) || n.direction(t) != access.Both || len(n.children(t, r)) > 0 || r.of(t.KeyColumns[0]) == nullText || otherUnique(t) && !n.w.differ {
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
	id := t.Name + "/" + n.w.things.of(strings.ToLower(n.key(t, r))) + "/" + c.Name
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
	if len(ids) > 0 && t.Column("comments") != nil {
		n.do(fmt.Sprintf("UPDATE obs SET comments = CONCAT('%s.', obs_id) WHERE obs_id IN (%s)", n.w.token(), strings.Join(ids, ",")), t)
	}
}
