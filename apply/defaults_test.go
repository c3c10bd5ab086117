package apply_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/omsync/omsync/internal/dbtest"
	"github.com/omsync/omsync/internal/sites"
)

// wardTables are two tables with a reference, a long text and a table without an integer.
func wardTables() []string {
	return []string{
		"CREATE TABLE ward (ward_id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(100) CHARACTER SET utf8mb4, opened DATETIME NULL, share DECIMAL(12,6), uuid CHAR(38) NOT NULL UNIQUE) ENGINE=InnoDB",
		"CREATE TABLE bed (bed_id INT PRIMARY KEY AUTO_INCREMENT, ward_id INT NOT NULL, label VARCHAR(20), note LONGTEXT, uuid CHAR(38) NOT NULL UNIQUE, FOREIGN KEY (ward_id) REFERENCES ward (ward_id) ON DELETE CASCADE) ENGINE=InnoDB",
		"CREATE TABLE tag (tag VARCHAR(50) PRIMARY KEY, uuid CHAR(38) NOT NULL UNIQUE, weight DOUBLE) ENGINE=InnoDB",
	}
}

// defaults are values that an init_connect may give the session of omsync's account.
func defaults() []string {
	return []string{"sql_mode = 'ORACLE,NO_BACKSLASH_ESCAPES'", "time_zone = '-11:00'", "NAMES latin1", "character_set_results = NULL", "sql_auto_is_null = 1",
		"div_precision_increment = 0", "old_mode = 'ZERO_DATE_TIME_CAST'", "system_versioning_asof = '2001-01-01'", "sql_select_limit = 2", "sql_safe_updates = 1",
		"group_concat_max_len = 4", "max_sort_length = 64", "sort_buffer_size = 32768", "tmp_disk_table_size = 1024", "alter_algorithm = 'INSTANT'", "foreign_key_checks = 0",
		"unique_checks = 0", "check_constraint_checks = 0", "completion_type = CHAIN", "tx_isolation = 'SERIALIZABLE'", "tx_read_only = 1", "innodb_snapshot_isolation = 1",
		"innodb_lock_wait_timeout = 1", "lock_wait_timeout = 1", "idle_transaction_timeout = 1", "wait_timeout = 1", "net_read_timeout = 1", "timestamp = 1000000", "profiling = 1",
		"big_tables = 1", "sql_buffer_result = 1", "sql_quote_show_create = 0", "sql_notes = 0", "max_error_count = 0", "default_storage_engine = 'MyISAM'",
		"character_set_server = 'ucs2'", "innodb_strict_mode = 0", "optimizer_switch = 'derived_merge=off,semijoin=off,materialization=off,index_condition_pushdown=off'",
		"in_predicate_conversion_threshold = 1", "join_cache_level = 8", "optimizer_search_depth = 0", "lc_time_names = 'de_DE'", "lc_messages = 'de_DE'", "max_length_for_sort_data = 4",
		"default_week_format = 5", "eq_range_index_dive_limit = 1", "max_heap_table_size = 16384", "tmp_memory_table_size = 1024", "sql_big_selects = 0, max_join_size = 1",
		"max_statement_time = 0.01", "auto_increment_increment = 3, auto_increment_offset = 2", "autocommit = 0"}
}

// An administrator may have given variables any value for the sessions of omsync's account: the exchange is the same. Some values alone, and all
// of them; package sqldb has a test that takes each.
func TestExchangeWhateverTheAccountsDefaults(t *testing.T) {
	server := dbtest.Own(t)
	admin := server.Open(t, "mysql")
	dbtest.Exec(t, admin, "CREATE USER 'plain'@'localhost' IDENTIFIED BY 'x'", "SET GLOBAL log_bin_trust_function_creators = 1")
	all := "SET " + strings.Join(defaults(), "; SET ")
	for _, d := range []string{all, "sql_select_limit = 2", "autocommit = 0", "system_versioning_asof = '2001-01-01'", "sql_big_selects = 0, max_join_size = 1", "NAMES latin1"} {
		dbtest.Exec(t, admin, fmt.Sprintf("SET GLOBAL init_connect = \"SET %s\"", strings.TrimPrefix(d, "SET ")))
		t.Run(d[:min(len(d), 40)], func(t *testing.T) { exchangeAsPlain(t, server) })
	}
}

// exchangeAsPlain exchanges inserts, updates and deletions between two sites whose omsync has an account without further rights.
func exchangeAsPlain(t *testing.T, server *dbtest.ServerInfo) {
	var two [2]*sites.Site
	for i, name := range []string{"hub", "clinic"} {
		s := sites.NewOn(t, server, name, "none", wardTables()...)
		s.Exec("GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, TRIGGER, LOCK TABLES ON `" + s.Database + "`.* TO 'plain'@'localhost'")
		s.DSN = strings.Replace(s.DSN, "root@", "plain:x@", 1)
		if i == 0 {
			s.Exec("INSERT INTO ward (ward_id, name, opened, share, uuid) VALUES (1, 'Maternité 👶', '2026-01-31 23:59:59', 1.123456, 'w-1'), (2, 'a\\\\b\\'c', NULL, NULL, 'w-2'), (3, '', NULL, 0, 'w-3')",
				"INSERT INTO bed (ward_id, label, note, uuid) SELECT ward_id, name, REPEAT('é', 3000), CONCAT('b-', ward_id) FROM ward", "INSERT INTO tag VALUES ('x', 't-1', 0.1), ('y', 't-2', 1e300)")
		}
		s.Init()
		two[i] = s
	}
	hub, clinic := two[0], two[1]
	hub.Connect(clinic)
	sites.Exchange(hub, clinic)
	clinic.Exec("UPDATE ward SET name = 'Ward 👶', opened = '2026-02-01' WHERE uuid = 'w-1'", "DELETE FROM bed WHERE uuid = 'b-3'", "UPDATE tag SET tag = 'z', weight = 0.3 WHERE uuid = 't-1'",
		"INSERT INTO bed (ward_id, label, uuid) SELECT ward_id, 'new', CONCAT('n-', ward_id) FROM ward")
	hub.Exec("DELETE FROM ward WHERE uuid = 'w-2'")
	sites.Exchange(hub, clinic)
	sites.Same(t, hub, clinic)
	sites.Quiet(t, hub, clinic)
	if got := hub.One("SELECT CONCAT((SELECT COUNT(*) FROM ward), (SELECT COUNT(*) FROM bed), (SELECT COUNT(*) FROM tag), (SELECT HEX(name) FROM ward WHERE uuid = 'w-1'))"); got != "3525761726420F09F91B6" {
		t.Errorf("the hub has %s", got)
	}
}
