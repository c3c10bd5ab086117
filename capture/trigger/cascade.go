package trigger

import (
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// InnoDB refuses a cascade more than 15 tables deep (MySQL reference manual, FOREIGN KEY Constraints), so that following
// a cycle that far follows it to the end. A trigger with more than maxCursors of them would have thousands: see
// [CascadeGaps].
const (
	maxDepth   = 15
	maxCursors = 64
)

// cascadeTriggers returns BEFORE DELETE and BEFORE UPDATE for a table whose foreign keys change rows of others, which
// fires none of their triggers. They are BEFORE because afterwards nobody can tell which rows those were.
func cascadeTriggers(t *schema.Table, metas map[string]*journal.Table) ([]trigger, error) {
	del := &cascade{metas: metas}
	del.start(cascadeNode{table: t, deleted: true}, 2)
	upd := &cascade{metas: metas}
	for _, c := range referred(t) {
		one := cascade{metas: metas}
		one.start(cascadeNode{table: t, column: c, value: columnOf("NEW")(c)}, 3)
		if one.sql.Len() > 0 {
			fmt.Fprintf(&upd.sql, "    IF NOT (%s) THEN\n%s    END IF;\n", unchanged(c), &one.sql)
		}
		upd.err = firstError(upd.err, one.err)
	}
	if err := firstError(del.err, upd.err); err != nil {
		return nil, err
	}
	var out []trigger
	m := metas[t.Name]
	if !t.Replicated {
		m = nil
	}
	for _, x := range []struct {
		event string
		c     *cascade
	}{{"BEFORE DELETE", del}, {"BEFORE UPDATE", upd}} {
		if x.c.sql.Len() > 0 {
			// Without foreign key checks nothing cascades.
			out = append(out, newTrigger(t, m, x.event, "BEGIN\n"+
				"  DECLARE CONTINUE HANDLER FOR SQLSTATE '42S22' BEGIN END;\n"+
				"  IF @omsync_quiet IS NULL AND @@foreign_key_checks THEN\n"+x.c.sql.String()+"  END IF;\nEND"))
		}
	}
	return out, nil
}

// CascadeGaps names the tables whose foreign keys cascade over so many paths that the triggers do not follow them all:
// changes beyond are not captured. No database should have one; where it does, nothing but breaking the cycle helps.
func CascadeGaps(cat *schema.Catalogue) []string {
	var out []string
	for _, t := range cat.Tables {
		nodes := []cascadeNode{{table: t, deleted: true}}
		for _, c := range referred(t) {
			nodes = append(nodes, cascadeNode{table: t, column: c})
		}
		if slices.ContainsFunc(nodes, func(n cascadeNode) bool { return reach(n) < maxDepth }) {
			out = append(out, t.Name)
		}
	}
	return out
}

// A cascadeNode is what happens to the rows of a table in a cascade: they are deleted, or one column of them changes.
type cascadeNode struct {
	table   *schema.Table
	deleted bool
	column  *schema.Column // that changes, if not deleted
	value   string         // and the expression of what to: NULL, or the statement's own NEW value
	by      *schema.Ref    // how the cascade came here; nil for the statement's own row
}

// edges are the nodes that this one makes happen.
func (n cascadeNode) edges() []cascadeNode {
	var out []cascadeNode
	for _, r := range n.table.Children {
		if !r.Declared || !n.deleted && r.ToColumn != n.column {
			continue
		}
		action := r.OnUpdate
		if n.deleted {
			action = r.OnDelete
		}
		switch {
		case action == "CASCADE" && n.deleted:
			out = append(out, cascadeNode{table: r.From.Table, deleted: true, by: r})
		case action == "CASCADE":
			out = append(out, cascadeNode{r.From.Table, false, r.From, n.value, r})
		case action == "SET NULL":
			out = append(out, cascadeNode{r.From.Table, false, r.From, "NULL", r})
		}
	}
	return out
}

// matters reports whether some replicated table is changed by n or by what n makes happen.
func (n cascadeNode) matters(seen map[cascadeNode]bool) bool {
	n.by = nil
	if seen[n] {
		return false
	}
	seen[n] = true
	if n.table.Replicated {
		return true
	}
	for _, e := range n.edges() {
		if e.matters(seen) {
			return true
		}
	}
	return false
}

// referred returns the columns of t whose changes cascade.
func referred(t *schema.Table) []*schema.Column {
	var out []*schema.Column
	for _, c := range t.Columns {
		if len(cascadeNode{table: t, column: c}.edges()) > 0 {
			out = append(out, c)
		}
	}
	return out
}

// cascade writes the statements that log a cascade.
type cascade struct {
	metas   map[string]*journal.Table
	sql     strings.Builder
	depth   int // how far to follow
	cursors int
	dry     bool // count cursors only
	err     error
}

func (w *cascade) start(n cascadeNode, indent int) {
	w.depth = reach(n)
	w.follow(n, nil, indent)
}

// reach is how deep the cascade below n can be followed.
func reach(n cascadeNode) int {
	for depth := maxDepth; depth > 1; depth-- {
		w := cascade{dry: true, depth: depth}
		if w.follow(n, nil, 0); w.cursors <= maxCursors {
			return depth
		}
	}
	return 1
}

// follow writes a block for each node below n. path leads from the statement's row to n, without that row.
func (w *cascade) follow(n cascadeNode, path []cascadeNode, indent int) {
	if len(path) == w.depth || w.dry && w.cursors > maxCursors {
		return
	}
	for _, e := range n.edges() {
		if !e.matters(map[cascadeNode]bool{}) || !e.deleted && updatedAbove(e.table, n, path) {
			continue
		}
		w.cursors++
		below := append(path[:len(path):len(path)], e)
		if w.dry {
			w.follow(e, below, indent)
		} else if change := w.change(e); change.sql != "" {
			w.block(below, change, indent)
		} else { // it is not replicated: only a step on the way
			w.follow(e, below, indent)
		}
	}
}

// updatedAbove: InnoDB refuses to update a table once more in the cascade that already updated it.
func updatedAbove(t *schema.Table, n cascadeNode, path []cascadeNode) bool {
	for _, p := range path {
		if p.table == t && !p.deleted {
			return true
		}
	}
	return n.by == nil && n.table == t && !n.deleted
}

// cascadeChange is what one cursor reads of each row and writes for it.
type cascadeChange struct {
	fields []string                                         // names of the variables
	values func(value func(*schema.Column) string) []string // and what they get
	sql    string                                           // INSERT; empty: nothing to log
	more   []string                                         // lines that follow it
	first  []string                                         // lines before it
}

func (w *cascade) change(n cascadeNode) cascadeChange {
	t := n.table
	if !t.Replicated {
		return cascadeChange{}
	}
	m := w.metas[t.Name]
	if m == nil {
		w.err = firstError(w.err, notInJournal(t))
		return cascadeChange{}
	}
	local := "o_" + localColumn(t)
	insert := "INSERT INTO omsync_capture (table_id, operation, " + localColumn(t)
	switch {
	case n.deleted:
		return cascadeChange{[]string{local, "o_deleted_key"},
			func(v func(*schema.Column) string) []string { return []string{localSQL(t, v), rowKeySQL(t, v)} },
			fmt.Sprintf("%s, deleted_key, changed_at) VALUES (%d, %d, %s, o_deleted_key, UTC_TIMESTAMP(6));", insert, m.ID, journal.OpDelete, local), contentOfRow(t, m), wasOfRow(t, m)}
	case movesRow(n.column):
		moved := func(v func(*schema.Column) string) func(*schema.Column) string {
			return func(c *schema.Column) string {
				if c != n.column {
					return v(c)
				}
				return n.value
			}
		}
		c := cascadeChange{fields: []string{local, "o_deleted_key", "o_moved_key"}}
		after := "o_moved_key"
		c.values = func(v func(*schema.Column) string) []string {
			return []string{localSQL(t, v), rowKeySQL(t, v), localSQL(t, moved(v))}
		}
		// MySQL 5.6 dies of a cursor that selects NEW.x itself.
		if t.Integer != nil || len(t.LocalColumns) == 1 {
			if after = local; movesLocally(n.column) {
				after = localSQL(t, moved(nil))
			}
			c.fields = c.fields[:2]
			c.values = func(v func(*schema.Column) string) []string { return []string{localSQL(t, v), rowKeySQL(t, v)} }
		}
		c.sql = fmt.Sprintf("%s, deleted_key, changed_at) VALUES (%d, %d, %s, o_deleted_key, UTC_TIMESTAMP(6)), (%[2]d, %[5]d, %[6]s, NULL, UTC_TIMESTAMP(6));",
			insert, m.ID, journal.OpDelete, local, journal.OpInsert, after)
		return c
	}
	bit := m.Bit(n.column.Name)
	if bit == 0 {
		return cascadeChange{}
	}
	u := journal.CaptureUpdate(bit)
	return cascadeChange{[]string{local},
		func(v func(*schema.Column) string) []string { return []string{localSQL(t, v)} },
		fmt.Sprintf("%s, column_mask, changed_at) VALUES (%d, %d, %s, %d, UTC_TIMESTAMP(6));", insert, m.ID, u.Op, local, u.Which|u.Column), nil, nil}
}

// movesLocally reports whether the column is part of the local key.
func movesLocally(c *schema.Column) bool {
	if c.Table.Integer != nil {
		return c == c.Table.Integer
	}
	return slices.Contains(c.Table.LocalColumns, c)
}

// block writes the cursor that logs what happens at the end of path, and within it, for when there were such rows, the
// blocks of what that makes happen. The rows are locked: in share mode, because a trigger may not ask for more on a table
// of its own statement; the cascade will lock them in any case.
func (w *cascade) block(path []cascadeNode, c cascadeChange, indent int) {
	end := path[len(path)-1]
	line := func(depth int, format string, args ...any) {
		fmt.Fprintf(&w.sql, "%s"+format+"\n", append([]any{strings.Repeat("  ", indent+depth)}, args...)...)
	}
	line(0, "BEGIN")
	line(1, "DECLARE o_end, o_any TINYINT DEFAULT 0;")
	line(1, "DECLARE o_local_id BIGINT;")
	line(1, "DECLARE o_local_key, o_moved_key VARBINARY(700);")
	line(1, "DECLARE o_deleted_key VARBINARY(255);")
	line(1, "DECLARE o_rows CURSOR FOR SELECT %s %s LOCK IN SHARE MODE;",
		strings.Join(c.values(columnOf(tableAlias(len(path)))), ", "), joined(path))
	line(1, "DECLARE CONTINUE HANDLER FOR NOT FOUND SET o_end = 1;")
	line(1, "DECLARE EXIT HANDLER FOR SQLSTATE '42S22', SQLSTATE '42S02' BEGIN END;")
	line(1, "OPEN o_rows;")
	line(1, "o_next: LOOP")
	line(2, "FETCH o_rows INTO %s;", strings.Join(c.fields, ", "))
	line(2, "IF o_end THEN LEAVE o_next; END IF;")
	line(2, "SET o_any = 1;")
	for _, l := range slices.Concat(c.first, []string{c.sql}, c.more) {
		line(2, "%s", l)
	}
	line(1, "END LOOP;")
	line(1, "CLOSE o_rows;")
	inner := cascade{metas: w.metas, depth: w.depth}
	inner.follow(end, path, indent+2)
	w.err = firstError(w.err, inner.err)
	if inner.sql.Len() > 0 {
		line(1, "IF o_any THEN")
		w.sql.WriteString(inner.sql.String())
		line(1, "END IF;")
	}
	line(0, "END;")
}

// joined joins the tables of path, beginning at the statement's own row.
func joined(path []cascadeNode) string {
	var b strings.Builder
	where := ""
	for i, n := range path {
		table := schema.Quote(n.table.Name) + " " + tableAlias(i+1)
		child := columnOf(tableAlias(i + 1))(n.by.From)
		if i == 0 {
			b.WriteString("FROM " + table)
			where = " WHERE " + child + " = " + columnOf("OLD")(n.by.ToColumn)
			continue
		}
		b.WriteString(" STRAIGHT_JOIN " + table + " ON " + child + " = " + columnOf(tableAlias(i))(n.by.ToColumn))
	}
	return b.String() + where
}

func tableAlias(i int) string { return fmt.Sprintf("t%d", i) }

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
