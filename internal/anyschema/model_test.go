package anyschema

import (
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// table is a table of a random schema.
type table struct {
	number  int
	names   [2]string // at each site
	columns []*column
	order   [2][]int // of columns, at each site
	pk      []*column
	pkOrder [2][]int
	uuid    *column
	uniques [][]*column // other unique indexes
	key     []*column   // named by the profile

	indexed   bool // the uuid has an index that is not unique
	partition string
	trigger   string // of the application, body of BEFORE INSERT and BEFORE UPDATE
	audit     bool   // AFTER triggers of the application that write to a table of its own

	// What follows from it, by the rules that docs/design.md states.
	identity []*column // what identifies a row everywhere
	whole    bool      // all columns do: there is no primary key
	why      string    // why it does not travel
}

// column is one of a table.
type column struct {
	t         *table
	name      string
	typ       *typ
	null      bool
	def       string // literal; "" none
	update    bool   // ON UPDATE CURRENT_TIMESTAMP
	auto      bool
	generated string // expression
	stored    bool
	check     bool // values are not "odd" to a check
	ref       *reference

	local, excluded bool
}

// reference is what a column refers to.
type reference struct {
	to       *column
	declared bool
	onDelete string
	onUpdate string
}

func (c *column) unique() bool {
	return slices.ContainsFunc(c.t.uniques, func(u []*column) bool { return slices.Contains(u, c) })
}

func (c *column) inPK() bool  { return slices.Contains(c.t.pk, c) }
func (c *column) inKey() bool { return c.inPK() || c.unique() || slices.Contains(c.t.key, c) }

// model is a random schema.
type model struct {
	tables  []*table
	profile string
	newer   bool // both servers know JSON and generated columns
}

func chance(t *rapid.T, percent int, label string) bool {
	return rapid.IntRange(0, 99).Draw(t, label) >= 100-percent
}

func pick[T any](t *rapid.T, from []T, label string) T {
	return from[rapid.IntRange(0, len(from)-1).Draw(t, label)]
}

// drawModel makes a schema of one to five tables.
func drawModel(t *rapid.T, newer bool) *model {
	m := &model{newer: newer}
	for n := range rapid.IntRange(1, 5).Draw(t, "tables") {
		m.tables = append(m.tables, drawTable(t, m, n))
	}
	for _, x := range m.tables {
		m.drawReferences(t, x)
	}
	for _, x := range m.tables {
		x.drawPlace(t)
	}
	m.decide()
	m.writeProfile()
	return m
}

func (x *table) add(name string, y *typ) *column {
	c := &column{t: x, name: name, typ: y}
	x.columns = append(x.columns, c)
	return c
}

func anyKeyType(t *rapid.T) *typ {
	switch rapid.IntRange(0, 3).Draw(t, "key type") {
	case 0:
		return pick(t, texts, "text")
	case 1:
		return pick(t, integers, "integer")
	case 2:
		return pick(t, others, "other")
	}
	return pick(t, numbers, "number")
}

var uuidTypes = []string{"CHAR(38) CHARACTER SET utf8 COLLATE utf8_general_ci", "CHAR(36) CHARACTER SET latin1 COLLATE latin1_swedish_ci", "VARCHAR(38) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
	"VARCHAR(64) CHARACTER SET utf8 COLLATE utf8_bin", "CHAR(38) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci", "CHAR(36) CHARACTER SET ascii COLLATE ascii_bin", "BINARY(16)"}

func drawTable(t *rapid.T, m *model, n int) *table {
	x := &table{number: n}
	x.names[0] = fmt.Sprintf("t%d", n)
	x.names[1] = x.names[0]
	if chance(t, 25, "capitals") {
		x.names[rapid.IntRange(0, 1).Draw(t, "where")] = fmt.Sprintf("T%d", n)
	}
	switch rapid.IntRange(0, 5).Draw(t, "kind of key") {
	case 0, 1, 2: // an integer
		c := x.add("id", pick(t, integers, "integer"))
		c.auto = chance(t, 80, "auto")
		x.pk = []*column{c}
		if chance(t, 10, "partitions") { // no other unique index, no foreign keys
			x.partition = pick(t, []string{" PARTITION BY HASH (`id`) PARTITIONS 3", " PARTITION BY RANGE (`id`) (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN (60), PARTITION c VALUES LESS THAN MAXVALUE)"}, "how")
		}
	case 3:
		x.pk = []*column{x.add("id", anyKeyType(t))}
	case 4:
		for i := range rapid.IntRange(2, 3).Draw(t, "parts") {
			x.pk = append(x.pk, x.add(fmt.Sprintf("k%d", i), anyKeyType(t)))
		}
		if i := slices.IndexFunc(x.pk, func(c *column) bool { return c.typ.kind == "integer" }); i >= 0 && chance(t, 30, "auto") {
			x.pk[i].auto = true
		}
	case 5: // no primary key
	}
	if chance(t, 65, "uuid") {
		decl := pick(t, uuidTypes, "uuid type")
		y := &typ{decl: decl, kind: "text", text: true, fold: true}
		if decl == "BINARY(16)" {
			y = &typ{decl: decl, kind: "bytes"}
		}
		x.uuid = x.add("uuid", y)
		x.uuid.null = chance(t, 20, "null")
		if x.partition != "" || chance(t, 15, "not unique") {
			x.indexed = chance(t, 60, "index")
		} else {
			x.uniques = append(x.uniques, []*column{x.uuid})
		}
	}
	for i := range rapid.IntRange(0, 6).Draw(t, "columns") {
		x.drawColumn(t, m, i)
	}
	if chance(t, 4, "many columns") {
		for i := range rapid.IntRange(20, maxColumns-len(x.columns)-6).Draw(t, "how many") {
			x.add(fmt.Sprintf("more%d", i), integers[i%4]).null = true
		}
	}
	if len(x.columns) == 0 {
		x.add("c0", texts[0])
	}
	return x
}

// maxColumns is how many columns a table has: with more than 62 some share one version.
const maxColumns = 62

func (x *table) drawColumn(t *rapid.T, m *model, i int) {
	lists := [][]*typ{integers, texts, numbers, others, long}
	c := x.add(fmt.Sprintf("c%d", i), pick(t, pick(t, lists, "types"), "type"))
	switch {
	case m.newer && (len(x.pk) > 0 || x.uuid != nil) && chance(t, 8, "json"): // two kinds of server write it in two ways
		c.typ = jsons
	case m.newer && len(x.columns) > 1 && chance(t, 8, "generated"):
		from := pick(t, x.columns[:len(x.columns)-1], "from")
		if from.generated == "" && !from.auto && from.typ.kind != "json" {
			c.typ = &typ{decl: "INT", kind: "integer", bits: 31}
			// What is stored must not depend on a session's sql_mode: how long a CHAR is may.
			c.generated, c.stored, c.null = "LENGTH("+quote(from.name)+")", chance(t, 50, "stored") && !strings.HasPrefix(from.typ.decl, "CHAR"), true
			return
		}
	}
	c.null = chance(t, 50, "null")
	if strings.HasPrefix(c.typ.decl, "TIMESTAMP") {
		c.def = "'2020-01-01 00:00:00'" // without it, old servers give the first one something of their own
		c.update = chance(t, 30, "on update")
		if c.update && c.typ.decl != "TIMESTAMP" {
			c.update = false
		}
	} else if len(c.typ.key) > 0 && !strings.Contains(c.typ.key[0], "(") && c.typ.kind != "bit" && chance(t, 30, "default") {
		c.def = pick(t, c.typ.key, "default")
	}
	if len(c.typ.key) == 0 && c.typ.kind != "integer" {
		return
	}
	if x.partition == "" && chance(t, 10, "unique") {
		x.uniques = append(x.uniques, []*column{c})
	}
}

// drawReferences makes columns refer to rows.
func (m *model) drawReferences(t *rapid.T, x *table) {
	for i := range rapid.IntRange(0, 3).Draw(t, "references") {
		to := m.tables[rapid.IntRange(0, len(m.tables)-1).Draw(t, "to")]
		var at []*column // what it may point to
		if len(to.pk) == 1 {
			at = append(at, to.pk[0])
		}
		for _, u := range to.uniques {
			if len(u) == 1 && len(to.pk) == 1 {
				at = append(at, u[0])
			}
		}
		if len(at) == 0 {
			continue
		}
		target := pick(t, at, "column")
		if x.partition != "" || to.partition != "" {
			target = at[0]
		}
		c := &column{t: x, name: fmt.Sprintf("r%d", i), typ: target.typ}
		r := &reference{to: target, declared: target != to.pk[0] || !chance(t, 25, "undeclared")}
		if x.partition != "" || to.partition != "" {
			r.declared = false
			if target != to.pk[0] {
				continue
			}
		}
		r.onDelete = pick(t, []string{"", "CASCADE", "SET NULL", "RESTRICT"}, "on delete")
		r.onUpdate = pick(t, []string{"", "CASCADE", ""}, "on update")
		back := to.number >= x.number
		c.null = back || r.onDelete == "SET NULL" || chance(t, 50, "null")
		switch {
		case i == 0 && !back && x.uuid == nil && x.partition == "" && len(x.pk) == 1 && !x.pk[0].auto && !x.referredTo(m) && len(x.uniques) == 0 && chance(t, 60, "a parent's key"):
			x.columns = slices.DeleteFunc(x.columns, func(k *column) bool { return k == x.pk[0] })
			x.dropGenerated()
			c.null, x.pk = false, []*column{c}
			if r.onDelete == "SET NULL" {
				r.onDelete = "CASCADE"
			}
		case !back && len(x.pk) > 1 && chance(t, 50, "in the key"):
			c.null = false
			x.pk = append(x.pk, c)
			if r.onDelete == "SET NULL" {
				r.onDelete = ""
			}
		case x.partition == "" && chance(t, 10, "unique"):
			x.uniques = append(x.uniques, []*column{c})
		}
		if target.unique() && target.null && !c.null { // the row may have none
			c.null = true
		}
		if slices.Contains(x.pk, c) {
			c.null = false
		}
		if target.null && !c.null {
			r.onUpdate = "" // the server takes no NULL that would be handed on
		}
		c.ref = r
		if !r.declared && (c.typ.kind == "integer") != (target.typ.kind == "integer") {
			c.ref = nil
		}
		x.columns = append(x.columns, c)
	}
}

// dropGenerated takes out generated columns: what they are made from may be gone.
func (x *table) dropGenerated() {
	x.columns = slices.DeleteFunc(x.columns, func(c *column) bool { return c.generated != "" })
}

func (x *table) referredTo(m *model) bool {
	for _, other := range m.tables {
		for _, c := range other.columns {
			if c.ref != nil && c.ref.to.t == x {
				return true
			}
		}
	}
	return false
}

// drawPlace draws what differs between the sites, and what keeps others from referring to the table.
func (x *table) drawPlace(t *rapid.T) {
	for site := range x.order {
		x.order[site] = rapid.Permutation(upTo(len(x.columns))).Draw(t, "order of columns")
		x.pkOrder[site] = upTo(len(x.pk))
		if !slices.ContainsFunc(x.pk, func(c *column) bool { return c.auto }) {
			x.pkOrder[site] = rapid.Permutation(upTo(len(x.pk))).Draw(t, "order of the key")
		}
	}
	for _, c := range x.columns {
		if slices.Contains(x.pk, c) {
			c.null, c.update = false, false
		}
	}
	if chance(t, 12, "trigger of the application") {
		for _, c := range x.columns {
			if c.typ.text && c.ref == nil && c != x.uuid && !c.inKey() && strings.Contains(c.typ.decl, "CHAR") {
				x.trigger = "SET NEW." + quote(c.name) + " = REPLACE(NEW." + quote(c.name) + ", 'd', 'D')"
				break
			}
		}
	}
	x.audit = x.trigger == "" && chance(t, 8, "audit")
	if x.uuid == nil && len(x.pk) > 0 && chance(t, 30, "key of the profile") {
		var fit []*column
		for _, c := range x.columns {
			if !c.null && c.generated == "" && !c.update && (c.inPK() || c.unique()) && (len(x.pk) == 1 || !c.inPK()) && c.ref == nil {
				fit = append(fit, c)
			}
		}
		if len(fit) > 0 {
			x.key = []*column{pick(t, fit, "key column")}
		}
	}
}

func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// writeProfile says what the database does not.
func (m *model) writeProfile() {
	b := "never = [\"audit_*\"]\n[direction]\nboth = [\"*\"]\n"
	keys := ""
	for _, x := range m.tables {
		if len(x.key) > 0 {
			keys += fmt.Sprintf("t%d = [%s]\n", x.number, list(x.key, func(c *column) string { return `"` + c.name + `"` }))
		}
		refs := ""
		for _, c := range x.columns {
			if c.ref != nil && !c.ref.declared {
				refs += fmt.Sprintf("%s = \"t%d\"\n", c.name, c.ref.to.t.number)
			}
		}
		if refs != "" {
			b += fmt.Sprintf("[references.t%d]\n%s", x.number, refs)
		}
	}
	if keys != "" {
		b += "[key]\n" + keys
	}
	m.profile = b
}
