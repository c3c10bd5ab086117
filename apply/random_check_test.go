package apply_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// cell names a value: unique ones are told by it wherever they are.
func cell(c *schema.Column, v string) string { return c.Table.Name + "." + c.Name + "=" + v }

// tracked reports whether it can be told what became of a value.
func (w *chaos) tracked(n *actor, c *schema.Column, v string) bool {
	if c.Ref != nil || c.Key || c.Local || c.Generated || c.InsertOnly || c.Excluded != "" || n.Profile.Excluded(c.Table.Name, c.Name) != schema.ExcludeNever {
		return false
	}
	return w.unique[cell(c, v)] || tokenForm.MatchString(v)
}

// changed takes down what a transaction did to a table: which values it wrote, and which it overwrote, having seen them.
func (w *chaos) changed(n *actor, t *schema.Table, before, after []record) {
	was, is := map[string]record{}, map[string]record{}
	for _, r := range before {
		was[r.pk(t)] = r
	}
	for _, r := range after {
		is[r.pk(t)] = r
	}
	down := n.direction(t) == access.Down
	if down && !n.root() {
		return
	}
	if n.direction(t) == access.Add && !n.root() {
		for id := range is {
			if was[id] == nil {
				n.own[t.Name+"/"+id] = true
			}
		}
		for id := range was {
			if is[id] == nil {
				delete(n.own, t.Name+"/"+id)
			}
		}
	}
	for id, r := range was {
		for i, c := range t.Columns {
			if is[id] == nil || is[id][i] != r[i] {
				delete(w.written, cell(c, r[i]))
			}
		}
	}
	filter := n.Profile.RowFilter(t.Name)
	for _, r := range after {
		id := r.pk(t)
		if filter != nil && filter.Match(r.of(t.Column(filter.Column))) {
			continue
		}
		if u := n.key(t, r); u != "" && !slices.Equal(was[id], r) {
			w.heat(t.Name, u)
		}
		for i, c := range t.Columns {
			if was[id] != nil && was[id][i] == r[i] {
				continue
			}
			if w.tracked(n, c, r[i]) {
				w.written[cell(c, r[i])] = n.Name
			}
			if down {
				w.cleared[t.Name+"/"+strings.ToLower(n.key(t, r))+"/"+c.Name] = true
			}
		}
	}
}

// heat remembers a row for the other sites to work on too.
func (w *chaos) heat(table, uuid string) {
	w.hot = append(w.hot, [2]string{table, w.things.of(strings.ToLower(uuid))})
	if len(w.hot) > 30 {
		w.hot = w.hot[len(w.hot)-30:]
	}
}

// holds lists the tracked values that a site has, in its tables or in its record of conflicts.
func (w *chaos) holds(n *actor) map[string]bool {
	out := map[string]bool{}
	n.forget()
	for _, t := range n.J.Replicated() {
		for _, r := range n.rows(t) {
			for i, c := range t.Columns {
				if c.Ref == nil && w.tracked(n, c, r[i]) {
					out[cell(c, r[i])] = true
				}
			}
		}
	}
	for _, r := range n.Query("SELECT table_name, column_name, value FROM omsync_conflict") {
		out[r[0]+"."+r[1]+"="+r[2]] = true
	}
	return out
}

// excuse forgets values that a restore took from everybody.
func (w *chaos) excuse() {
	held := map[string]bool{}
	for _, n := range w.actors {
		maps.Copy(held, w.holds(n))
	}
	for c := range w.written {
		if !held[c] {
			delete(w.written, c)
		}
	}
}

// check compares all sites once nothing is left to send.
func (w *chaos) check() {
	w.t.Helper()
	dumps := map[*actor]sites.Dumped{}
	for _, n := range w.actors {
		n.forget()
		n.stamped = nil
		dumps[n] = w.things.named(n.Dump())
	}
	for _, n := range w.actors {
		if n.parent != nil {
			w.compare(n.parent, n, dumps)
		}
		for column, stamp := range w.stamps(n) {
			if there, ok := w.stamps(w.actors[0])[column]; n.parent != nil && ok && there != stamp {
				w.t.Errorf("%s: the version is %s at %s and %s at the hub", column, stamp, n.Name, there)
			}
		}
		w.dangling(n)
		w.orphans(n)
	}
	for _, n := range w.actors {
		held := w.holds(n)
		lost := 0
		for _, c := range slices.Sorted(maps.Keys(w.written)) {
			table, _, _ := strings.Cut(c, ".")
			if down := n.J.Catalogue.Table(table).Direction == access.Down; down && !n.root() {
				continue // it may have an edit of its own
			}
			if !held[c] {
				if w.lacked[table] && w.heldElsewhere(n, c) {
					continue
				}
				if lost++; lost < 8 {
					w.t.Errorf("written at %s, overwritten by nobody who saw it, and neither in the data of %s nor among its conflicts: %.200q", w.written[c], n.Name, c)
				}
			}
		}
		if lost > 0 {
			w.t.Errorf("%d values are lost at %s", lost, n.Name)
		}
	}
}

// compare holds a child against its parent: equal, but for what the directions let a child keep to itself.
func (w *chaos) compare(parent, child *actor, dumps map[*actor]sites.Dumped) {
	w.t.Helper()
	var a, b sites.Dumped = maps.Clone(dumps[parent]), maps.Clone(dumps[child])
	for _, t := range child.J.Replicated() {
		if child.direction(t) != access.Down {
			continue
		}
		up, down := map[string]map[string]string{}, map[string]map[string]string{}
		for key, r := range a[t.Name] {
			up[key] = maps.Clone(r)
		}
		for key, r := range b[t.Name] {
			if _, there := up[key]; !there && child.alone[t.Name][key] != nil {
				continue
			}
			down[key] = maps.Clone(r)
			for _, c := range t.Columns {
				if !child.dirty[t.Name+"/"+key+"/"+c.Name] {
					continue
				}
				if up[key] == nil { // a deletion goes by its stamp
					delete(down, key)
					break
				}
				delete(up[key], c.Name)
				delete(down[key], c.Name)
			}
		}
		a[t.Name], b[t.Name] = up, down
	}
	sites.Differ(w.t, parent.Name, a, child.Name, b)
}

// dangling looks for references to rows that are not there.
func (w *chaos) dangling(n *actor) {
	for _, t := range n.J.Replicated() {
		for _, c := range t.Columns {
			if c.Ref == nil || c.Ref.When != nil {
				continue
			}
			q := fmt.Sprintf("SELECT COUNT(*) FROM %s a LEFT JOIN %s b ON a.%s = b.%s WHERE a.%[3]s IS NOT NULL AND b.%[4]s IS NULL",
				schema.Quote(t.Name), schema.Quote(c.Ref.To.Name), schema.Quote(c.Name), schema.Quote(c.Ref.ToColumn.Name))
			if got := n.One(q); got != "0" {
				w.t.Errorf("at %s, %s rows of %s have a %s that refers to nothing", n.Name, got, t.Name, c.Name)
			}
		}
	}
}

// orphans looks for versions of rows that are not there, and for rows both alive and deleted.
func (w *chaos) orphans(n *actor) {
	for _, t := range n.J.Replicated() {
		if t.Integer == nil {
			continue
		}
		id := n.J.Tables[t.Name].ID
		if got := n.One(fmt.Sprintf("SELECT COUNT(*) FROM omsync_version v LEFT JOIN %s t ON t.%s = v.local_id WHERE v.table_id = %d AND t.%[2]s IS NULL", schema.Quote(t.Name), schema.Quote(t.Integer.Name), id)); got != "0" {
			w.t.Errorf("at %s, %s versions in %s are of rows that are not there", n.Name, got, t.Name)
		}
		if t.Key == schema.KeyUUID {
			u := schema.Quote(t.KeyColumns[0].Name)
			for _, r := range n.Query(fmt.Sprintf("SELECT t.%s, d.time, d.epoch, d.origin, (SELECT GROUP_CONCAT(v.column_mask, ' ', v.time, ' ', v.epoch, ' ', v.origin) FROM omsync_version v WHERE v.table_id = d.table_id AND v.local_id = t.%s) FROM omsync_tombstone d JOIN %s t ON LOWER(t.%[1]s) = CONVERT(d.row_key USING utf8) WHERE d.refused = 0 AND d.table_id = %[4]d",
				u, schema.Quote(t.Integer.Name), schema.Quote(t.Name), id)) {
				w.t.Errorf("at %s, a row of %s is both there and deleted: %q", n.Name, t.Name, r)
			}
		}
	}
}

// stamps are the versions of the columns of rows that flow both ways, by "table/uuid/column". Those from before a node was one
// are left out: each node has its own.
func (w *chaos) stamps(n *actor) map[string]string {
	if n.stamped != nil {
		return n.stamped
	}
	if err := n.J.Reload(context.Background(), n.J.DB); err != nil {
		w.t.Fatal(err)
	}
	n.stamped = map[string]string{}
	for _, t := range n.J.Replicated() {
		if n.direction(t) != access.Both || t.Key != schema.KeyUUID || t.Integer == nil {
			continue
		}
		jt := n.J.Tables[t.Name]
		uuids := map[string]string{}
		for _, r := range n.rows(t) {
			uuids[r.of(t.Integer)] = w.things.of(strings.ToLower(n.key(t, r)))
		}
		seen := map[string]bool{}
		note := func(id string, mask merge.Mask, stamp string) {
			seen[id] = true
			if strings.HasPrefix(stamp, "0 ") {
				return
			}
			for _, c := range n.J.Columns(t) {
				if mask.Has(jt.Bit(c.Name)) && n.Profile.Excluded(t.Name, c.Name) == schema.ExcludeNever {
					n.stamped[t.Name+"/"+uuids[id]+"/"+c.Name] = stamp
				}
			}
		}
		for _, r := range n.Query("SELECT local_id, column_mask, time, author FROM omsync_version WHERE table_id = ?", jt.ID) {
			mask, _ := strconv.ParseUint(r[1], 10, 64)
			author, _ := strconv.ParseUint(r[3], 10, 16)
			note(r[0], merge.FromWord(mask), r[2]+" "+n.J.Authors.Name(uint16(author)))
		}
		if !jt.Default.IsEmpty() {
			for id := range uuids {
				if !seen[id] {
					note(id, jt.Default.Mask, fmt.Sprintf("%d %s", jt.Default.Time, jt.Default.Author))
				}
			}
		}
	}
	return n.stamped
}
