package anyschema

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/internal/sqldb"
)

// actor is a site with an application that works at random.
type actor struct {
	*sites.Site
	w      *world
	site   int // 0 the hub, 1 the clinic
	reader *sql.Conn
}

// tolerated are errors that an application meets and goes on: values that only one row may have, rows that others refer to or that are
// not there, values that a column does not take.
var tolerated = []uint16{1048, 1062, 1264, 1265, 1292, 1364, 1366, 1406, 1451, 1452, 1526, 1586, 1690, 1761, 1762, 3819, 4025, 1467, 1093, 3008, 1034, 6575}

// do runs a statement of the application.
func (a *actor) do(statement string) {
	err := a.ExecErr(statement)
	a.w.tell("%s: %s%s", a.Name, cut(statement), because(err))
	if err != nil && !slices.Contains(tolerated, sqldb.ErrorNumber(err)) {
		a.w.fail("the application's statement", "at %s: %v\nin: %.600s", a.Name, err, statement)
	}
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return "   -- " + err.Error()
}

func cut(s string) string {
	if len(s) > 500 {
		return fmt.Sprintf("%s … %d bytes", s[:500], len(s))
	}
	return s
}

// work is a transaction of the application, or a statement without one.
func (a *actor) work(t *rapid.T) {
	n := rapid.IntRange(1, 4).Draw(t, "statements")
	if n > 1 {
		a.do("BEGIN")
	}
	for range n {
		x := pick(t, a.w.m.tables, "table")
		switch k := rapid.IntRange(0, 19).Draw(t, "what"); {
		case k < 8:
			a.insert(t, x)
		case k < 14:
			a.update(t, x)
		case k < 18:
			a.remove(t, x)
		case k < 19:
			a.again(t, x)
		default:
			a.many(t, x)
		}
	}
	if n > 1 {
		if chance(t, 6, "roll back") {
			a.do("ROLLBACK")
		} else {
			a.do("COMMIT")
		}
	}
}

// uuid is one that nobody has, or one that somebody may have.
func (a *actor) uuid(t *rapid.T, c *column) string {
	if c.null && chance(t, 25, "no uuid") {
		return "NULL"
	}
	if a.w.uuids > 0 && chance(t, 20, "used again") {
		n := rapid.IntRange(1, a.w.uuids).Draw(t, "which")
		return uuid(c, n, chance(t, 10, "capitals"))
	}
	return a.w.newUUID(c)
}

// newUUID is a literal that nobody has used yet.
func (w *world) newUUID(c *column) string {
	w.uuids++
	return uuid(c, w.uuids, w.uuids%16 == 15)
}

func uuid(c *column, n int, capitals bool) string {
	s := fmt.Sprintf("%08x-aaaa-4bbb-8ccc-%012x", n*2654435761%(1<<32), n)
	switch {
	case c.typ.kind == "bytes":
		return fmt.Sprintf("x'%08x41e4ff00%016x'", n*2654435761%(1<<32), n)
	case capitals:
		s = strings.ToUpper(s)
	}
	return "'" + s + "'"
}

// value is a literal for a column of a row to be written.
func (a *actor) value(t *rapid.T, c *column) string {
	switch {
	case c == c.t.uuid && c.ref == nil:
		return a.uuid(t, c)
	case c.ref != nil:
		if c.null && chance(t, 25, "refers to nothing") {
			return "NULL"
		}
		to := c.ref.to
		rows := a.Query(fmt.Sprintf("SELECT DISTINCT %s FROM %s WHERE %[3]s IS NOT NULL ORDER BY %[3]s LIMIT 50", to.typ.read(to.name), quote(to.t.names[a.site]), quote(to.name)))
		if len(rows) == 0 {
			if c.null {
				return "NULL"
			}
			return c.typ.value2(t)
		}
		v := pick(t, rows, "row")[0]
		return c.typ.quoted(&v)
	case c.null && chance(t, 20, "NULL"):
		return "NULL"
	}
	alone := len(c.t.pk) == 0 && c.typ.kind == "float" // numbers that a row's local key does not tell to the last digit are a limit
	v := c.typ.value(t, c.inKey() || alone)
	if v == "0" && c == c.t.integer() { // a reference to nothing comes as 0
		v = "41"
	}
	if len(c.t.pk) == 0 && strings.HasPrefix(v, "REPEAT(") { // too long for a row that its values alone tell apart
		return "'long'"
	}
	return v
}

// value2 is any literal of a type that references may have.
func (y *typ) value2(t *rapid.T) string {
	if y.kind != "integer" && len(y.key) == 0 {
		return "'nobody'"
	}
	return y.value(t, true)
}

func (a *actor) line(t *rapid.T, columns []*column, auto bool) string {
	return "(" + list(columns, func(c *column) string {
		if c.auto && auto {
			return "NULL"
		}
		return a.value(t, c)
	}) + ")"
}

func (a *actor) insert(t *rapid.T, x *table) {
	columns := x.written()
	auto := chance(t, 75, "next number")
	if auto {
		columns = slices.DeleteFunc(columns, func(c *column) bool { return c.auto })
	}
	if chance(t, 15, "defaults") {
		columns = slices.DeleteFunc(columns, func(c *column) bool { return c.def != "" && !c.inPK() })
	}
	verb := "INSERT"
	if chance(t, 12, "replace") {
		verb = "REPLACE"
	}
	var lines []string
	for range rapid.IntRange(1, 3).Draw(t, "rows") {
		lines = append(lines, a.line(t, columns, false))
	}
	q := fmt.Sprintf("%s INTO %s (%s) VALUES %s", verb, quote(x.names[a.site]), list(columns, func(c *column) string { return quote(c.name) }), strings.Join(lines, ", "))
	if plain := x.plain(); verb == "INSERT" && len(plain) > 0 && chance(t, 8, "or update") {
		c := pick(t, plain, "column")
		q += " ON DUPLICATE KEY UPDATE " + quote(c.name) + " = " + a.value(t, c)
	}
	a.do(q)
}

// plain are the columns that are neither in a key nor references.
func (x *table) plain() []*column {
	return slices.DeleteFunc(x.written(), func(c *column) bool { return c.inKey() || c.ref != nil || c.auto })
}

// where is a condition that picks one row; ok is false if there is none.
func (a *actor) where(t *rapid.T, x *table) (condition string, ok bool) {
	by := x.pk
	if len(by) == 0 {
		by = slices.DeleteFunc(x.written(), func(c *column) bool { return c.typ.kind == "json" || c.typ.decl == "FLOAT" })
	}
	if len(by) == 0 {
		return "1 LIMIT 1", true
	}
	rows := a.values(x, by)
	if len(rows) == 0 {
		return "", false
	}
	r := pick(t, rows, "row")
	var parts []string
	for i, c := range by {
		parts = append(parts, quote(c.name)+" <=> "+c.typ.quoted(r[i]))
	}
	return strings.Join(parts, " AND ") + " LIMIT 1", true
}

// values reads some columns of a table as the application sees them, in an order that is the same each time.
func (a *actor) values(x *table, columns []*column) (out [][]*string) {
	for _, r := range a.Query("SELECT " + list(columns, func(c *column) string { return c.typ.read(c.name) + ", " + quote(c.name) + " IS NULL" }) + " FROM " + quote(x.names[a.site])) {
		var line []*string
		for i := range columns {
			v := &r[2*i]
			if r[2*i+1] == "1" {
				v = nil
			}
			line = append(line, v)
		}
		out = append(out, line)
	}
	slices.SortFunc(out, func(p, q []*string) int { return strings.Compare(flat(p), flat(q)) })
	return out
}

func flat(values []*string) string {
	return list(values, func(v *string) string {
		if v == nil {
			return "-"
		}
		return fmt.Sprintf("%20q", *v)
	})
}

func (a *actor) update(t *rapid.T, x *table) {
	from := x.plain()
	if len(from) == 0 || chance(t, 30, "any column") {
		from = x.written()
	}
	var set []string
	for range rapid.IntRange(1, 3).Draw(t, "columns") {
		c := pick(t, from, "column")
		set = append(set, quote(c.name)+" = "+a.value(t, c))
	}
	condition, ok := a.where(t, x)
	if !ok {
		return
	}
	if chance(t, 12, "all rows") {
		condition = "1"
	}
	a.do("UPDATE " + quote(x.names[a.site]) + " SET " + strings.Join(set, ", ") + " WHERE " + condition)
}

func (a *actor) remove(t *rapid.T, x *table) {
	condition, ok := a.where(t, x)
	if !ok {
		return
	}
	if chance(t, 8, "all rows") {
		condition = "1"
	}
	a.do("DELETE FROM " + quote(x.names[a.site]) + " WHERE " + condition)
}

// again deletes a row and makes another with its key.
func (a *actor) again(t *rapid.T, x *table) {
	rows := a.values(x, x.written())
	if len(rows) == 0 || len(x.pk) == 0 {
		return
	}
	r := pick(t, rows, "row")
	var parts []string
	for i, c := range x.written() {
		if c.inPK() {
			parts = append(parts, quote(c.name)+" <=> "+c.typ.quoted(r[i]))
		}
	}
	name := quote(x.names[a.site])
	a.do("DELETE FROM " + name + " WHERE " + strings.Join(parts, " AND "))
	keep := chance(t, 50, "the same uuid")
	i := -1
	line := list(x.written(), func(c *column) string {
		if i++; c.inPK() || keep && c.inKey() {
			return c.typ.quoted(r[i])
		}
		return a.value(t, c)
	})
	a.do("INSERT INTO " + name + " (" + list(x.written(), func(c *column) string { return quote(c.name) }) + ") VALUES (" + line + ")")
}

// many makes several hundred rows in one statement.
func (a *actor) many(t *rapid.T, x *table) {
	columns := slices.DeleteFunc(x.written(), func(c *column) bool { return c.auto })
	fit := !slices.ContainsFunc(columns, func(c *column) bool { return c != x.uuid && !c.null && (c.inKey() || c.ref != nil) })
	if !fit || !slices.ContainsFunc(x.pk, func(c *column) bool { return c.auto && c.typ.bits > 16 }) {
		return
	}
	var lines []string
	for range rapid.IntRange(50, 400).Draw(t, "rows") {
		lines = append(lines, "("+list(columns, func(c *column) string {
			switch {
			case c == x.uuid:
				return a.w.newUUID(c)
			case c.null:
				return "NULL"
			case c.typ.kind == "integer":
				return "1"
			}
			return append(c.typ.key[:len(c.typ.key):len(c.typ.key)], c.typ.plain...)[0]
		})+")")
	}
	a.do(fmt.Sprintf("INSERT INTO %s (%s) VALUES %s", quote(x.names[a.site]), list(columns, func(c *column) string { return quote(c.name) }), strings.Join(lines, ", ")))
}
