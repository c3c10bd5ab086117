package apply_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/omsync/omsync/internal/sites"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/schema"
)

// actor is a site with what the random application knows of it.
type actor struct {
	*sites.Site
	w      *chaos
	parent *actor
	kids   []*actor
	skew   int64 // µs by which its clock is wrong
	base   int64 // where its own integers begin

	cache   map[string][]record // rows by table, as the application sees them
	before  map[string][]record // the same, from before the transaction under way, of the tables that it touches
	own     map[string]bool     // "table/pk" of rows that this site added, in tables to which a child may add
	dirty   map[string]bool     // "table/key/column" of what a child changed though it flows down only
	alone   sites.Dumped        // what it held from the start
	renamed []renaming
	saved   *savedCopy
	stamped map[string]string // versions, while they are compared
	differs []difference      // of its schema from the others'
	copies  int               // of its database that were made
}

// record is a row: a value for each of the table's columns.
type record []string

// renaming is a uuid that was changed and will be changed back.
type renaming struct{ table, uuid, now string }

func placeOf(c *schema.Column) int { return slices.Index(c.Table.Columns, c) }

func (r record) of(c *schema.Column) string { return r[placeOf(c)] }

// pk is the row's local identity.
func (r record) pk(t *schema.Table) string {
	var parts []string
	for _, c := range t.LocalColumns {
		parts = append(parts, r.of(c))
	}
	return strings.Join(parts, "\x00")
}

// rows reads a table as the application's session sees it.
func (n *actor) rows(t *schema.Table) []record {
	if rows, ok := n.cache[t.Name]; ok {
		return rows
	}
	var list, order []string
	for _, c := range t.Columns {
		list = append(list, c.Select(""))
	}
	for _, c := range t.LocalColumns {
		order = append(order, schema.Quote(c.Name))
	}
	var rows []record
	for _, r := range n.Query("SELECT " + strings.Join(list, ", ") + " FROM " + schema.Quote(t.Name) + " ORDER BY " + strings.Join(order, ", ")) {
		rows = append(rows, r)
	}
	n.cache[t.Name] = rows
	return rows
}

func (n *actor) forget() { n.cache = map[string][]record{} }

// tick sets the clock of the application's session.
func (n *actor) tick() {
	if n.w.chance(90) {
		n.w.clock += n.w.rng.Int64N(3_000_000)
	}
	now := n.w.clock + n.skew
	n.Exec(fmt.Sprintf("SET timestamp = %d.%06d", now/1_000_000, now%1_000_000))
}

// tolerated are errors that an application meets and goes on: a value that only one row may have, a row that others refer to,
// one that is not there.
var tolerated = []uint16{1062, 1451, 1452, 1586, 1761}

// do runs a statement of the application. The tables are those whose rows it may change.
func (n *actor) do(statement string, tables ...*schema.Table) bool {
	for _, t := range tables {
		n.touch(t)
	}
	n.tick()
	err := n.ExecErr(statement)
	n.w.tell("%s: %s%s", n.Name, cut(statement), because(err))
	if err != nil && !slices.Contains(tolerated, sqldb.ErrorNumber(err)) && !(n.w.differ && sqldb.IsAboutValues(err)) {
		n.w.t.Fatalf("at %s: %v\nin: %.2000s", n.Name, err, statement)
	}
	for _, t := range tables {
		delete(n.cache, t.Name)
	}
	if err == nil {
		n.w.edits++
	}
	return err == nil
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return " -- " + err.Error()
}

func cut(s string) string {
	if len(s) > 700 {
		return fmt.Sprintf("%s … %d bytes", s[:700], len(s))
	}
	return s
}

// touch keeps what the table holds before the transaction changes it.
func (n *actor) touch(t *schema.Table) {
	if _, ok := n.before[t.Name]; !ok {
		n.before[t.Name] = n.rows(t)
	}
}

// transaction runs f in one, and takes down what it changed.
func (n *actor) transaction(f func()) {
	n.Exec("BEGIN")
	n.before = map[string][]record{}
	edits := n.w.edits
	f()
	if n.w.chance(8) {
		n.Exec("ROLLBACK")
		n.w.tell("%s: ROLLBACK", n.Name)
		n.w.edits = edits
		for name := range n.before {
			delete(n.cache, name)
		}
		return
	}
	n.Exec("COMMIT")
	for _, name := range slices.Sorted(maps.Keys(n.before)) {
		n.w.changed(n, n.J.Catalogue.Table(name), n.before[name], n.rows(n.J.Catalogue.Table(name)))
	}
}

// where is the condition that picks a row.
func (r record) where(t *schema.Table) string {
	var parts []string
	for _, c := range t.LocalColumns {
		parts = append(parts, schema.Quote(c.Name)+" <=> "+literalOf(c, r.of(c)))
	}
	return " WHERE " + strings.Join(parts, " AND ")
}

func literalOf(c *schema.Column, v string) string {
	if v == nullText {
		return nullText
	}
	return string(c.AppendLiteral(nil, []byte(v)))
}

// children lists the rows that refer to one, by way of declared references and others.
func (n *actor) children(t *schema.Table, r record) (out []referrer) {
	for _, ref := range t.Children {
		from := ref.From.Table
		if ref.From.Excluded != "" && !ref.Declared {
			continue
		}
		want := ""
		if ref.When != nil {
			want = r.of(t.Integer)
		} else {
			want = r.of(ref.ToColumn)
		}
		if want == nullText {
			continue
		}
		for _, k := range n.rows(from) {
			if strings.EqualFold(k.of(ref.From), want) && (ref.When == nil || n.target(ref.From, k) == t) {
				out = append(out, referrer{ref, k})
			}
		}
	}
	return out
}

type referrer struct {
	ref *schema.Ref
	row record
}

// target is the table that a row's reference points to; nil if the value is plain.
func (n *actor) target(c *schema.Column, r record) *schema.Table {
	w := c.Ref.When
	if w == nil {
		return c.Ref.To
	}
	if w.Via == nil {
		return w.Target(r.of(w.LookupColumn))
	}
	for _, l := range n.rows(w.Lookup) {
		if l.of(w.Via.Ref.ToColumn) == r.of(w.Via) {
			return w.Target(l.of(w.LookupColumn))
		}
	}
	return nil
}

// savedCopy is a copy of a site's database.
type savedCopy struct{ name string }

// save copies the whole database, omsync's tables included.
func (n *actor) save() {
	if n.saved == nil {
		n.saved = &savedCopy{fmt.Sprintf("%s_saved%d", n.Database, n.copies)}
		n.copies++
		n.Exec("CREATE DATABASE " + schema.Quote(n.saved.name))
		name := n.saved.name
		n.w.t.Cleanup(func() {
			if _, err := n.DB.ExecContext(context.Background(), "DROP DATABASE "+schema.Quote(name)); err != nil {
				n.w.t.Error(err)
			}
		})
		for _, t := range n.allTables() {
			n.Exec(fmt.Sprintf("CREATE TABLE %s.%s LIKE %[2]s", schema.Quote(name), schema.Quote(t)))
		}
	}
	n.copyInto(n.saved.name, n.Database)
	n.w.tell("%s: saved", n.Name)
}

// restore puts the copy back, and opens the node anew as the next run of the command would.
func (n *actor) restore() {
	n.copyInto(n.Database, n.saved.name)
	n.Reopen()
	n.setClock()
	n.forget()
	n.own, n.renamed = map[string]bool{}, nil
	n.w.tell("%s: RESTORED", n.Name)
}

func (n *actor) allTables() (out []string) {
	for _, r := range n.Query("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' ORDER BY table_name") {
		out = append(out, r[0])
	}
	return out
}

func (n *actor) copyInto(to, from string) {
	n.Exec("SET foreign_key_checks = 0, @omsync_quiet = 1")
	for _, name := range n.allTables() {
		q := schema.Quote(name)
		n.Exec(fmt.Sprintf("DELETE FROM %s.%s", schema.Quote(to), q),
			fmt.Sprintf("INSERT INTO %s.%s SELECT * FROM %s.%[2]s", schema.Quote(to), q, schema.Quote(from)))
		if to == n.Database && strings.HasPrefix(name, "omsync_") { // integers are used again
			if name != "omsync_version" && name != "omsync_tombstone" && name != "omsync_import" {
				n.Exec("ALTER TABLE " + q + " AUTO_INCREMENT = 1")
			}
		}
	}
	n.Exec("SET foreign_key_checks = 1, @omsync_quiet = NULL")
}
