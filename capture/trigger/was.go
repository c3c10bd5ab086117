package trigger

import (
	"fmt"
	"strings"

	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// wasBlock returns the statements that note what the columns held in OLD that say whose the row is; "" if there are none. unless is the variable
// of an update by which they do it even where none of these columns changed; empty: always. Whatever comes in their way, the statement goes
// on without: then nobody knows whose the row was.
func wasBlock(t *schema.Table, m *journal.Table, indent, unless string) string {
	if len(m.Owners) == 0 {
		return ""
	}
	condition := "TRUE"
	if unless != "" {
		var same []string
		for _, c := range m.Owners {
			same = append(same, unchanged(c))
		}
		condition = fmt.Sprintf("%s OR NOT (%s)", unless, strings.Join(same, " AND "))
	}
	old := columnOf("OLD")
	return fmt.Sprintf(`
%[1]sIF %[2]s THEN
%[1]s  BEGIN
%[1]s    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN END;
%[1]s    %[3]s
%[1]s  END;
%[1]sEND IF;`, indent, condition, insertWas(t, m, localSQL(t, old), old))
}

func insertWas(t *schema.Table, m *journal.Table, local string, value func(*schema.Column) string) string {
	var rows []string
	for _, c := range m.Owners {
		rows = append(rows, fmt.Sprintf("(%d, %d, %s, %s, %s, UTC_TIMESTAMP(6))", m.ID, journal.OpWas, local, nameSQL(c), numberSQL(value(c))))
	}
	return fmt.Sprintf("INSERT INTO omsync_capture (table_id, operation, %s, deleted_key, column_mask, changed_at) VALUES %s;", localColumn(t), strings.Join(rows, ", "))
}

// nameSQL is a column's name as a literal of bytes, so that no character set of a session changes it.
func nameSQL(c *schema.Column) string { return fmt.Sprintf("x'%x'", c.Name) }

// numberSQL is a reference as column_mask holds it: NULL is 0, and a number below 0 wraps.
func numberSQL(value string) string { return "CAST(IFNULL(" + value + ", 0) AS UNSIGNED)" }

// wasOfRow returns the statements that do the same in a cascade for the row with the local id o_local_id. It reads the row by itself, as
// contentOfRow does; without an integer primary key there is no fast way to the row.
func wasOfRow(t *schema.Table, m *journal.Table) []string {
	if len(m.Owners) == 0 || t.Integer == nil {
		return nil
	}
	var names, values, noted []string
	for i, c := range m.Owners {
		v := fmt.Sprintf("o_was%d", i+1)
		names, values = append(names, v), append(values, numberSQL(columnOf("c")(c)))
		noted = append(noted, fmt.Sprintf("(%d, %d, o_local_id, %s, %s, UTC_TIMESTAMP(6))", m.ID, journal.OpWas, nameSQL(c), v))
	}
	list := strings.Join(names, ", ")
	return []string{
		"BEGIN",
		"  DECLARE " + list + " BIGINT UNSIGNED;",
		"  DECLARE EXIT HANDLER FOR SQLEXCEPTION, NOT FOUND BEGIN END;",
		fmt.Sprintf("  SELECT %s INTO %s FROM %s c WHERE c.%s = o_local_id LOCK IN SHARE MODE;", strings.Join(values, ", "), list, schema.Quote(t.Name), schema.Quote(t.Integer.Name)),
		"  INSERT INTO omsync_capture (table_id, operation, local_id, deleted_key, column_mask, changed_at) VALUES " + strings.Join(noted, ", ") + ";",
		"END;",
	}
}
