package trigger

import (
	"fmt"

	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// contentBlock returns the statements that write what OLD held into omsync_removed, "" where that is not kept. Whatever comes in its way, a
// column or the table that is gone, max_allowed_packet, a full disk: the statement goes on without.
func contentBlock(t *schema.Table, m *journal.Table, indent string) string {
	columns := schema.Contents(t)
	if !m.Whole || len(columns) == 0 {
		return ""
	}
	old := columnOf("OLD")
	return fmt.Sprintf(`
%[1]sBEGIN
%[1]s  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN END;
%[1]s  IF %[2]s <= %[3]d THEN
%[1]s    %[4]s
%[1]s  END IF;
%[1]sEND;`, indent, schema.SizeSQL(columns, old), schema.MaxContent, insertContent(t, m, localSQL(t, old), schema.ContentSQL(columns, old)))
}

func insertContent(t *schema.Table, m *journal.Table, local, content string) string {
	return fmt.Sprintf("INSERT INTO omsync_removed (table_id, %s, removed_at, content) VALUES (%d, %s, UTC_TIMESTAMP(6), %s);",
		localColumn(t), m.ID, local, content)
}

// contentOfRow returns the statements that do the same in a cascade for the row with the local id o_local_id. It reads the row by itself: a
// cursor with the contents of all rows would be written to a table whole before the first of them is read. Without an integer primary key
// there is no fast way to the row: of such nothing is kept.
func contentOfRow(t *schema.Table, m *journal.Table) []string {
	columns := schema.Contents(t)
	if !m.Whole || len(columns) == 0 || t.Integer == nil {
		return nil
	}
	value := columnOf("c")
	return []string{
		"BEGIN",
		"  DECLARE o_content LONGBLOB;",
		"  DECLARE EXIT HANDLER FOR SQLEXCEPTION, NOT FOUND BEGIN END;",
		fmt.Sprintf("  SELECT IF(%s <= %d, %s, NULL) INTO o_content FROM %s c WHERE c.%s = o_local_id LOCK IN SHARE MODE;",
			schema.SizeSQL(columns, value), schema.MaxContent, schema.ContentSQL(columns, value), schema.Quote(t.Name), schema.Quote(t.Integer.Name)),
		"  IF o_content IS NOT NULL THEN",
		"    " + insertContent(t, m, "o_local_id", "o_content"),
		"  END IF;",
		"END;",
	}
}
