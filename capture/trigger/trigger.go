package trigger

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// A trigger is one of the triggers that a table should have. Its name ends in a hash of its text, so that a list of
// names tells which are up to date.
type trigger struct {
	Name  string
	Event string // "AFTER INSERT" and so on
	SQL   string // CREATE TRIGGER …, for a session with sql_mode ''
	body  string // what follows FOR EACH ROW in it
}

// other returns the trigger under another name, for where its own is taken by one that is to go.
func (t trigger) other() trigger {
	t.SQL = strings.Replace(t.SQL, schema.Quote(t.Name), schema.Quote(t.Name+otherSuffix), 1)
	t.Name += otherSuffix
	return t
}

// otherSuffix is what the name of a trigger ends in that replaced one of the same text.
const otherSuffix = "_b"

// triggerPrefix is what the names of all triggers begin with.
const triggerPrefix = "omsync_"

// allColumns is the mask of an update that touched columns the trigger does not know of. Bit 0 stands for no column.
const allColumns = "18446744073709551614"

// triggers returns the triggers that belong on t. metas are all tables of the journal, by name: those of t and of the
// tables that foreign keys cascade to give the numbers and bits that the triggers write.
//
// What they promise the application: no statement of it fails for them, not even after a column or table that they name
// was dropped; they read no other table, except where a foreign key is about to change rows of it without firing its own
// triggers; LAST_INSERT_ID() and ROW_COUNT() stay what they were. (One thing any trigger changes, even an empty one: the
// number that a statement gave to LAST_INSERT_ID(expr) is still what that function returns, but no longer in the reply
// to the statement.)
func triggers(t *schema.Table, metas map[string]*journal.Table) ([]trigger, error) {
	var out []trigger
	if t.Replicated {
		m := metas[t.Name]
		if m == nil {
			return nil, notInJournal(t)
		}
		out = append(out,
			newTrigger(t, m, "AFTER INSERT", insertBody(t, m)),
			newTrigger(t, m, "AFTER UPDATE", updateBody(t, m)),
			newTrigger(t, m, "AFTER DELETE", deleteBody(t, m)))
	}
	cascades, err := cascadeTriggers(t, metas)
	return append(out, cascades...), err
}

func notInJournal(t *schema.Table) error {
	return fmt.Errorf("table %s has no number in the journal: register it before its triggers are made", t.Name)
}

func newTrigger(t *schema.Table, m *journal.Table, event, body string) trigger {
	var id uint16 // of a table that is not replicated itself
	if m != nil {
		id = m.ID
	}
	rest := fmt.Sprintf(" %s ON %s FOR EACH ROW %s", event, schema.Quote(t.Name), body)
	sum := sha256.Sum256([]byte(rest))
	time, what, _ := strings.Cut(event, " ")
	letters := strings.ToLower(time[:1] + what[:1])
	name := fmt.Sprintf("%s%d_%s_%x", triggerPrefix, id, letters, sum[:4])
	return trigger{name, event, "CREATE TRIGGER " + schema.Quote(name) + rest, body}
}

func insertBody(t *schema.Table, m *journal.Table) string {
	return fmt.Sprintf(`BEGIN
  DECLARE CONTINUE HANDLER FOR SQLSTATE '42S22' BEGIN END;
  IF @omsync_quiet IS NULL THEN
    INSERT INTO omsync_capture (table_id, operation, %s, changed_at) VALUES (%d, %d, %s, UTC_TIMESTAMP(6));
  END IF;
END`, localColumn(t), m.ID, journal.OpInsert, localSQL(t, columnOf("NEW")))
}

func deleteBody(t *schema.Table, m *journal.Table) string {
	local, old := localColumn(t), localSQL(t, columnOf("OLD"))
	key := rowKeySQL(t, columnOf("OLD"))
	if key == "NULL" {
		return fmt.Sprintf(`BEGIN
  DECLARE CONTINUE HANDLER FOR SQLSTATE '42S22' BEGIN END;
  IF @omsync_quiet IS NULL THEN%s
    INSERT INTO omsync_capture (table_id, operation, %s, changed_at) VALUES (%d, %d, %s, UTC_TIMESTAMP(6));%s
  END IF;
END`, wasBlock(t, m, "    ", ""), local, m.ID, journal.OpDelete, old, contentBlock(t, m, "    "))
	}
	return fmt.Sprintf(`BEGIN
  DECLARE o_lost TINYINT DEFAULT 0;
  DECLARE CONTINUE HANDLER FOR SQLSTATE '42S22' SET o_lost = 1;
  IF @omsync_quiet IS NULL THEN%[7]s
    INSERT INTO omsync_capture (table_id, operation, %[1]s, deleted_key, changed_at) VALUES (%[2]d, %[3]d, %[4]s, %[5]s, UTC_TIMESTAMP(6));
    IF o_lost THEN
      INSERT INTO omsync_capture (table_id, operation, %[1]s, changed_at) VALUES (%[2]d, %[3]d, %[4]s, UTC_TIMESTAMP(6));
    END IF;%[6]s
  END IF;
END`, local, m.ID, journal.OpDelete, old, key, contentBlock(t, m, "    "), wasBlock(t, m, "    ", ""))
}

func updateBody(t *schema.Table, m *journal.Table) string {
	var keys []string
	mask := word{variable: "o_mask", op: journal.OpUpdate}
	var more []word // of columns beyond those that one number has room for, in order
	for _, c := range t.Columns {
		switch bit := m.Bit(c.Name); {
		case movesRow(c):
			keys = append(keys, unchanged(c))
		case bit != 0 && !c.Generated:
			u := journal.CaptureUpdate(bit)
			to := &mask
			if u.Op != journal.OpUpdate {
				to = wordOf(&more, u)
			}
			to.bits = append(to.bits, fmt.Sprintf("IF(%s, 0, %d)", unchanged(c), u.Column))
		}
	}
	declared, set, inserts := "", mask.set(), ""
	for _, w := range more {
		declared += ", " + w.variable
		set += "\n    " + w.set()
		inserts += fmt.Sprintf("\n    IF NOT o_moved AND %s THEN\n      %s\n    END IF;", w.variable, w.insertSQL(t, m))
	}
	return fmt.Sprintf(`BEGIN
  DECLARE o_mask%s BIGINT UNSIGNED DEFAULT 0;
  DECLARE o_moved TINYINT DEFAULT 0;
  DECLARE CONTINUE HANDLER FOR SQLSTATE '42S22' SET o_mask = %s;
  IF @omsync_quiet IS NULL THEN
    %s
    SET o_moved = NOT (%s);%[15]s
    IF o_moved THEN
      INSERT INTO omsync_capture (table_id, operation, %[5]s, deleted_key, changed_at) VALUES
        (%d, %d, %s, %s, UTC_TIMESTAMP(6)),
        (%[6]d, %[10]d, %[11]s, NULL, UTC_TIMESTAMP(6));%[12]s
    ELSEIF o_mask THEN
      %[13]s
    END IF;%[14]s
  END IF;
END`, declared, allColumns, set, strings.Join(keys, "\n      AND "), localColumn(t),
		m.ID, journal.OpDelete, localSQL(t, columnOf("OLD")), rowKeySQL(t, columnOf("OLD")),
		journal.OpInsert, localSQL(t, columnOf("NEW")), contentBlock(t, m, "      "), mask.insertSQL(t, m), inserts,
		wasBlock(t, m, "    ", "o_moved"))
}

// A word is one of the numbers by which an update says which columns it changed: see [journal.CaptureUpdate]. The server computes each by
// a statement of its own, for an expression of a thousand columns takes more stack than some servers have.
type word struct {
	variable string
	op       int
	which    uint64
	bits     []string
}

// wordOf returns the word of a column, which it adds if it is the first of it.
func wordOf(words *[]word, column journal.CapturedUpdate) *word {
	i := slices.IndexFunc(*words, func(w word) bool { return w.which == column.Which })
	if i < 0 {
		i = len(*words)
		*words = append(*words, word{variable: fmt.Sprintf("o_mask%d", i+1), op: column.Op, which: column.Which})
	}
	return &(*words)[i]
}

func (w word) set() string {
	bits := "0"
	if len(w.bits) > 0 {
		bits = strings.Join(w.bits, "\n      | ")
	}
	return fmt.Sprintf("SET %s = %s;", w.variable, bits)
}

func (w word) insertSQL(t *schema.Table, m *journal.Table) string {
	mask := w.variable
	if w.which != 0 {
		mask = fmt.Sprintf("%d | %s", w.which, mask)
	}
	return fmt.Sprintf("INSERT INTO omsync_capture (table_id, operation, %s, column_mask, changed_at) VALUES (%d, %d, %s, %s, UTC_TIMESTAMP(6));",
		localColumn(t), m.ID, w.op, localSQL(t, columnOf("NEW")), mask)
}

// columnOf gives the expression of a column of OLD, NEW or a table alias.
func columnOf(row string) func(*schema.Column) string {
	return func(c *schema.Column) string { return row + "." + schema.Quote(c.Name) }
}

// localColumn is the column of omsync_capture that says which row it was.
func localColumn(t *schema.Table) string {
	if t.Integer != nil {
		return "local_id"
	}
	return "local_key"
}

func localSQL(t *schema.Table, value func(*schema.Column) string) string {
	if t.Integer != nil {
		return value(t.Integer)
	}
	return schema.KeySQL(t.LocalColumns, value)
}

// rowKeySQL is the expression of what identified a deleted row, where that is not in its local key: nearly always its
// uuid. A key that a profile made of other columns is the value of the one column, or of several the text that
// [schema.KeySQL] makes of them.
func rowKeySQL(t *schema.Table, value func(*schema.Column) string) string {
	local := t.LocalColumns
	if t.Integer != nil {
		local = []*schema.Column{t.Integer}
	}
	if !slices.ContainsFunc(t.KeyColumns, func(c *schema.Column) bool { return !slices.Contains(local, c) }) {
		return "NULL"
	}
	if len(t.KeyColumns) > 1 {
		return schema.KeySQL(t.KeyColumns, value)
	}
	c := t.KeyColumns[0]
	switch {
	case c.Charset == "utf8mb4" || c.Charset == "utf8mb3" || c.Charset == "ascii" || c.Type == "binary" || c.Type == "varbinary":
		return value(c)
	case c.Charset != "":
		return "CONVERT(" + value(c) + " USING utf8mb4)"
	}
	return "CAST(" + value(c) + " AS CHAR)"
}

// movesRow reports whether a change of the column makes it another row.
func movesRow(c *schema.Column) bool {
	t := c.Table
	return c == t.Integer || slices.Contains(t.KeyColumns, c) || slices.Contains(t.LocalColumns, c) || slices.Contains(t.PrimaryKey, c)
}

// unchanged is the condition that an update left the column's exact value alone. Plain comparison would call 'a' and 'A',
// the years 0000 and 2000 (MariaDB, MySQL 5.6) and 0 and -0 the same.
//
// A TIMESTAMP can be seen in a trigger only as the session's local time, in which an hour of autumn comes twice. There,
// and only there, an equal value counts as changed: better once too often.
func unchanged(c *schema.Column) string {
	format := "CAST(%s AS BINARY) <=> CAST(%s AS BINARY)"
	switch c.Type {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "date", "datetime", "time":
		format = "%s <=> %s"
	case "float", "double":
		format = "(%s <=> %s AND CONCAT(%[1]s) <=> CONCAT(%[2]s))"
	case "year", "bit", "enum":
		format = "%s+0 <=> %s+0"
	case "timestamp":
		format = "(%s <=> %s AND IFNULL(FROM_UNIXTIME(UNIX_TIMESTAMP(%[2]s) + 3600) = %[2]s OR FROM_UNIXTIME(UNIX_TIMESTAMP(%[2]s) - 3600) = %[2]s, 0) = 0)"
	}
	return fmt.Sprintf(format, columnOf("OLD")(c), columnOf("NEW")(c))
}
