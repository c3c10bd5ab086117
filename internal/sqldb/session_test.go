package sqldb

import (
	"context"
	"database/sql/driver"
	"io"
	"os"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/omsync/omsync/internal/dbtest"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// hostile are values that an administrator or an init_connect may have given. A server that lacks the variable refuses the statement.
func hostile() []string {
	return []string{"sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH,NO_ZERO_DATE'", "sql_mode = 'ORACLE'", "time_zone = '-11:00'", "NAMES latin1",
		"character_set_results = NULL", "sql_auto_is_null = 1", "div_precision_increment = 0", "old_mode = 'ZERO_DATE_TIME_CAST'", "system_versioning_asof = '2001-01-01'",
		"sql_big_selects = 0, max_join_size = 1", "sql_select_limit = 0", "sql_safe_updates = 1", "group_concat_max_len = 4", "in_predicate_conversion_threshold = 1", "max_sort_length = 8", "max_sort_length = 64", "sort_buffer_size = 32768",
		"range_optimizer_max_mem_size = 1", "tmp_disk_table_size = 1024", "alter_algorithm = 'INSTANT'", "foreign_key_checks = 0",
		"unique_checks = 0", "check_constraint_checks = 0", "autocommit = 0", "completion_type = RELEASE", "completion_type = CHAIN", "tx_isolation = 'SERIALIZABLE'", "transaction_isolation = 'READ-UNCOMMITTED'",
		"tx_read_only = 1", "transaction_read_only = 1", "innodb_snapshot_isolation = 1", "binlog_format = 'STATEMENT'", "max_statement_time = 0.0001", "max_execution_time = 1",
		"innodb_lock_wait_timeout = 1073741824", "lock_wait_timeout = 1", "idle_transaction_timeout = 1", "idle_readonly_transaction_timeout = 1", "idle_write_transaction_timeout = 1",
		"wait_timeout = 1", "net_read_timeout = 1", "net_write_timeout = 1", "timestamp = 1000000", "system_versioning_insert_history = 1"}
}

// Whatever the session begins with, omsync's statements find it as they need it; and each variable that is seen to is tried.
func TestSessionWhateverTheDefaults(t *testing.T) {
	cfg, err := mysql.ParseDSN(dbtest.Server(t).DSN)
	if err != nil {
		t.Fatal(err)
	}
	c, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	tried, changed := 0, map[string]bool{}
	for _, h := range append(hostile(), "") {
		conn, err := c.Connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if h != "" {
			if _, err := conn.(driver.ExecerContext).ExecContext(t.Context(), "SET "+h, nil); err == nil {
				tried++
			}
		}
		if h != "max_statement_time = 0.0001" && h != "max_execution_time = 1" && h != "sql_big_selects = 0, max_join_size = 1" { // they may end this question
			before, err := unlike(t.Context(), conn)
			if err != nil && h != "sql_select_limit = 0" {
				t.Errorf("%s: %v", h, err)
			}
			for _, s := range before {
				changed[s.name] = true
			}
		}
		if err := prepareSession(t.Context(), conn); err != nil {
			t.Errorf("%s: %v", h, err)
		} else if after, err := unlike(t.Context(), conn); err != nil || len(after) > 0 {
			t.Errorf("%s: still %v, %v", h, after, err)
		}
		if got := one(t, conn, "SELECT @@timestamp > 1700000000 AND UTC_TIMESTAMP() > '2023-01-01'"); got != "1" {
			t.Errorf("%s: the time stands still", h)
		}
		conn.Close()
	}
	t.Logf("%d of %d were taken by %s; %d variables were seen to be wrong", tried, len(hostile()), dbtest.Server(t).Version, len(changed))
	if tried < 25 || len(changed) < 18 {
		t.Errorf("too few: %d, %v", tried, changed)
	}
}

func one(t *testing.T, conn driver.Conn, query string) string {
	t.Helper()
	rows, err := conn.(driver.QueryerContext).QueryContext(context.Background(), query, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	row := make([]driver.Value, 1)
	if err := rows.Next(row); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	switch v := row[0].(type) {
	case []byte:
		return string(v)
	case int64:
		return string(rune('0' + v))
	}
	return ""
}

func TestSettingHolds(t *testing.T) {
	for _, c := range []struct {
		s     setting
		value string
		want  bool
	}{
		{setting{name: "a", value: "ON"}, "on", true},
		{setting{name: "a", value: "ON"}, "OFF", false},
		{setting{name: "a", value: "0"}, "0.000000", true},
		{setting{name: "a", value: "0"}, "0.5", false},
		{setting{name: "a", value: "10", least: true}, "11", true},
		{setting{name: "a", value: "10", least: true}, "9", false},
		{setting{name: "a", value: "10"}, "11", false},
		{setting{name: "sql_mode", value: "B,A"}, "A,B", true},
		{setting{name: "sql_mode", value: "B,A"}, "A,B,C", false},
		{setting{name: "old_mode"}, "UTF8_IS_UTF8MB3", true},
		{setting{name: "old_mode"}, "UTF8_IS_UTF8MB3,ZERO_DATE_TIME_CAST", false},
		{setting{name: "binlog_format", value: "MIXED"}, "ROW", true},
		{setting{name: "binlog_format", value: "MIXED"}, "STATEMENT", false},
	} {
		if got := c.s.holds(c.value); got != c.want {
			t.Errorf("%s = %s for %s: %t", c.s.name, c.value, c.s.value, got)
		}
	}
}
