package anyschema

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// row is one of a table, as it is read whole.
type row struct {
	t      *table
	values map[*column]string // NULLs are left out
	key    string
	named  bool // others know it by its key
	stays  bool // it has no name, or refers to a row that stays
}

// held is what a site holds.
type held struct {
	rows  map[*table][]*row
	twice map[string]bool             // keys, with their tables, that several rows have
	at    map[*column]map[string]*row // by what a reference may hold
}

// read reads all tables of a site that travel.
func (a *actor) read() *held {
	h := &held{twice: map[string]bool{}, rows: map[*table][]*row{}, at: map[*column]map[string]*row{}}
	for _, x := range a.w.m.tables {
		for _, v := range a.everything(x) {
			r := &row{t: x, values: map[*column]string{}}
			for i, c := range x.columns {
				if v[i] != nil {
					r.values[c] = c.typ.same(*v[i])
				}
			}
			h.rows[x] = append(h.rows[x], r)
		}
	}
	for _, x := range a.w.m.tables {
		for _, c := range x.columns {
			if to := c.target(); to != nil && h.at[to] == nil {
				h.at[to] = map[string]*row{}
				for _, r := range h.rows[to.t] {
					if v, ok := r.values[to]; ok && h.at[to][to.typ.folded(v)] == nil {
						h.at[to][to.typ.folded(v)] = r
					}
				}
			}
		}
	}
	for _, x := range a.w.m.tables {
		if !x.noKey() {
			h.name(x)
		}
	}
	h.stay(a.w.m)
	return h
}

// everything reads a table whole, by its integer where it has one.
func (a *actor) everything(x *table) (out [][]*string) {
	order := ""
	if p := x.primary(); len(p) > 0 {
		order = " ORDER BY " + list(p, func(c *column) string { return quote(c.name) })
	}
	rows, err := a.reader.QueryContext(context.Background(), "SELECT "+list(x.columns, func(c *column) string { return c.typ.read(c.name) })+" FROM "+quote(x.names[a.site])+order)
	if err != nil {
		a.w.fail("read", "read %s at %s: %v", x.names[a.site], a.Name, err)
	}
	defer rows.Close()
	for rows.Next() {
		line, into := make([]*string, len(x.columns)), make([]any, len(x.columns))
		for i := range line {
			into[i] = &line[i]
		}
		if err := rows.Scan(into...); err != nil {
			a.w.fail("read", "read %s at %s: %v", x.names[a.site], a.Name, err)
		}
		out = append(out, line)
	}
	if err := rows.Err(); err != nil {
		a.w.fail("read", "read %s at %s: %v", x.names[a.site], a.Name, err)
	}
	return out
}

// to is the row that a reference points to; nil: to none.
func (h *held) to(r *row, c *column) *row {
	to := c.target()
	v, ok := r.values[c]
	if to == nil || !ok {
		return nil
	}
	return h.at[to][to.typ.folded(v)]
}

// name gives the rows of a table their keys. Of rows with one key the first has it.
func (h *held) name(x *table) {
	seen := map[string]bool{}
	for _, r := range h.rows[x] {
		if r.key, r.named = h.keyOf(r, x.identity, true); !r.named {
			continue
		}
		if seen[r.key] && !x.whole {
			r.named = false
			h.twice[x.names[0]+"/"+r.key] = true
		}
		seen[r.key] = true
	}
}

// keyOf is what identifies a row everywhere, its parts in the order of the columns; ok is false if nothing does. compared is as the
// columns' collations compare it: two sites may spell one name in two ways.
func (h *held) keyOf(r *row, columns []*column, compared bool) (key string, ok bool) {
	var parts []string
	for _, c := range columns {
		v, here := r.values[c]
		switch {
		case !here && r.t.whole:
			v = "\x1eN"
		case !here:
			return "", false
		case c.target() != nil:
			to := h.to(r, c)
			if to == nil {
				return "", false
			}
			if v, ok = h.keyOf(to, to.t.identity, compared); !ok {
				return "", false
			}
		case c == r.t.uuid && c.typ.text:
			v = strings.ToLower(v)
		case compared && !r.t.whole:
			v = c.typ.folded(v)
		}
		if here && len(r.t.identity) > 1 {
			v = strings.NewReplacer("\x1e", "\x1e\x1e", "\x1f", "\x1e\x1f").Replace(v)
		}
		parts = append(parts, v)
	}
	key = strings.Join(parts, "\x1f")
	return key, key != "" // a row that is one empty text stays where it is
}

// stay finds the rows that stay where they are: without a name, or referring to one that stays.
func (h *held) stay(m *model) {
	for more := true; more; {
		more = false
		for _, x := range m.tables {
			for _, r := range h.rows[x] {
				if !r.stays && (!r.named || slices.ContainsFunc(x.columns, func(c *column) bool { return h.holds(r, c) })) {
					r.stays, more = true, true
				}
			}
		}
	}
}

// holds reports whether a reference keeps its row from travelling: by its number it names a row that stays.
func (h *held) holds(r *row, c *column) bool {
	to := h.to(r, c)
	switch {
	case to == nil || c.excluded || to.t.noKey() || c.target() != to.t.integer():
		return false
	case to.t.why != "": // what it refers to itself is not looked at
		return !to.named
	}
	return to.stays
}

// shown is a row for comparison: what it holds by column, without what means something here alone.
func (h *held) shown(r *row) map[string]string {
	out := map[string]string{}
	for _, c := range r.t.columns {
		v, ok := r.values[c]
		switch {
		case !ok || c.local || c.excluded || c.generated != "":
			continue
		case c.typ.text && !r.t.whole && c.target() == nil && slices.Contains(r.t.identity, c):
			continue
		case c.target() != nil:
			v = nothing
			if to := h.to(r, c); to != nil {
				key, _ := h.keyOf(to, to.t.identity, true)
				v = "→ " + key
			}
		}
		out[c.name] = v
	}
	return out
}

// byKey is the rows of a table that should be everywhere.
func (h *held) byKey(x *table) map[string]*row {
	out := map[string]*row{}
	for _, r := range h.rows[x] {
		if !r.stays {
			out[r.key] = r
		}
	}
	return out
}

// stays reports whether the row of that key is there and does not travel, since it refers to one that does not.
func (h *held) stays(x *table, key string) bool {
	return slices.ContainsFunc(h.rows[x], func(r *row) bool { return r.named && r.stays && r.key == key })
}

// ids is a row as each site names it: the parts of its key are in the order of the site's own columns.
func (h *held) ids(r *row) (out [2]string) {
	for site := range out {
		key, _ := h.keyOf(r, r.t.identityAt(site), false)
		out[site] = strings.ToLower(r.t.names[0]) + "/" + key
	}
	return out
}

// identityAt is the columns that identify a row, in the order that they have at a site.
func (x *table) identityAt(site int) []*column {
	var out []*column
	switch {
	case x.whole:
		for _, i := range x.order[site] {
			if slices.Contains(x.identity, x.columns[i]) {
				out = append(out, x.columns[i])
			}
		}
	case len(x.pk) > 1 && slices.Equal(x.identity, x.pk):
		for _, i := range x.pkOrder[site] {
			out = append(out, x.pk[i])
		}
	default:
		return x.identity
	}
	return out
}

// difference is one between the two sites.
type difference struct {
	id   [2]string // of the row, as each site names it
	text string
}

// findTwice takes down which keys several rows have at a site: who is the first of them may change, and what a peer holds is one of them.
func (w *world) findTwice() {
	for _, a := range w.actors {
		maps.Copy(w.twice, a.read().twice)
	}
}

// compare lists how the two sites differ.
func (w *world) compare() (out []difference) {
	w.findTwice()
	hub, clinic := w.actors[0].read(), w.actors[1].read()
	back := w.cameBack()
	for _, x := range w.m.tables {
		if x.why != "" {
			continue
		}
		a, b := hub.byKey(x), clinic.byKey(x)
		w.compared += len(a)
		for _, key := range union(a, b) {
			p, q := a[key], b[key]
			switch id := x.names[0] + "/" + key; {
			case w.twice[id] || q == nil && clinic.stays(x, key) || p == nil && hub.stays(x, key):
				continue
			case q == nil:
				out = append(out, difference{hub.ids(p), fmt.Sprintf("%s %q is at the hub alone: %.300q", x.names[0], key, hub.shown(p))})
				continue
			case p == nil:
				out = append(out, difference{clinic.ids(q), fmt.Sprintf("%s %q is at the clinic alone: %.300q", x.names[0], key, clinic.shown(q))})
				continue
			}
			here, there := hub.shown(p), clinic.shown(q)
			for _, c := range union(here, there) {
				v, ok := here[c]
				u, too := there[c]
				if (v != u || ok != too) && !(v == nothing && x.leavesBehind(c, u, back) || u == nothing && x.leavesBehind(c, v, back)) {
					out = append(out, difference{hub.ids(p), fmt.Sprintf("%s %q, %s: %.60q (%v) at the hub, %.60q (%v) at the clinic", x.names[0], key, c, v, ok, u, too)})
				}
			}
		}
	}
	return out
}

// nothing is shown for a reference that holds the number of no row.
const nothing = "→ nothing"

// cameBack is the rows that a site deleted and that came back, since somebody else's row refers to them: by table and key.
func (w *world) cameBack() map[string]bool {
	out := map[string]bool{}
	for _, a := range w.actors {
		for _, r := range a.Query("SELECT table_name, row_key FROM omsync_conflict WHERE deletion") {
			out[strings.ToLower(r[0])+"/"+r[1]] = true
		}
	}
	return out
}

// leavesBehind reports whether a reference that no foreign key declares, and that is shown so at one site, may be one to nothing at the
// other: the application deleted the row there and left the reference, and the row came back under another number.
func (x *table) leavesBehind(name, shown string, back map[string]bool) bool {
	i := slices.IndexFunc(x.columns, func(c *column) bool { return c.name == name })
	c := x.columns[i]
	key, refers := strings.CutPrefix(shown, "→ ")
	return refers && c.ref != nil && !c.ref.declared && back[strings.ToLower(c.target().t.names[0])+"/"+key]
}

func union[V any](a, b map[string]V) []string {
	all := map[string]bool{}
	for k := range a {
		all[k] = true
	}
	for k := range b {
		all[k] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// waits is what waits at each site, by table and key.
func (w *world) waits() (out [2]map[string]string) {
	for site, a := range w.actors {
		out[site] = map[string]string{}
		for _, r := range a.Query("SELECT t.name, IFNULL(w.whole_key, w.row_key), w.reason, w.column_name, w.text FROM omsync_waiting w JOIN omsync_table t ON t.id = w.table_id") {
			out[site][strings.ToLower(r[0])+"/"+r[1]] = a.Name + ": " + r[2] + " " + r[3] + ": " + r[4]
		}
	}
	return out
}

// unexplained is the differences that no rule explains.
func (w *world) unexplained() (out []string) {
	waits := w.waits()
	for _, d := range w.compare() {
		if waits[0][d.id[0]] == "" && waits[1][d.id[1]] == "" {
			out = append(out, d.text)
		}
	}
	for _, at := range waits {
		w.waiting += len(at)
		for id, why := range at {
			w.tell("waits: %q: %s", id, why)
		}
	}
	return out
}
