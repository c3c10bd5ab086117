package sqldb

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// A setting is a variable of the session that changes what statements do, and the value that omsync's statements count on. Servers
// have different ones, and an administrator may have given any of them any value, for all or by init_connect.
type setting struct {
	name, value string
	least       bool // a larger number will do
	try         bool // only administrators may set it: package preflight says what it is good for
}

// settings returns what is seen to on each connection. What only makes statements slow is left as it is.
// Sources: the lists of system variables in the manuals of MySQL 5.6 and 9 and of MariaDB 10.11.
func settings() []setting {
	const most = "18446744073709551615"
	return []setting{
		// What a statement means.
		{name: "sql_mode", value: strings.Trim(sqlMode, "'")},
		{name: "time_zone", value: "+00:00"},
		{name: "character_set_client", value: "utf8mb4"},
		{name: "character_set_connection", value: "utf8mb4"},
		{name: "character_set_results", value: "utf8mb4"},
		{name: "collation_connection", value: "utf8mb4_general_ci"},
		{name: "sql_auto_is_null", value: "OFF"},
		{name: "div_precision_increment", value: "4"},
		{name: "old_mode", value: ""},
		{name: "system_versioning_asof", value: "DEFAULT"},
		{name: "system_versioning_insert_history", value: "OFF"},
		{name: "in_predicate_conversion_threshold", value: "0"}, // MariaDB 10.11 leaves out rows where it converts a list and materialization is off
		// What it may not see or do.
		{name: "sql_select_limit", value: most},
		{name: "sql_big_selects", value: "ON"},
		{name: "max_join_size", value: most},
		{name: "sql_safe_updates", value: "OFF"},
		{name: "group_concat_max_len", value: "1048576", least: true},
		{name: "max_sort_length", value: "1024", least: true},
		{name: "sort_buffer_size", value: "262144", least: true},
		{name: "range_optimizer_max_mem_size", value: "8388608", least: true},
		{name: "tmp_disk_table_size", value: most},
		{name: "max_session_mem_used", value: "9223372036854775807"},
		{name: "alter_algorithm", value: "DEFAULT"},
		// What is checked.
		{name: "foreign_key_checks", value: "ON"},
		{name: "unique_checks", value: "ON"},
		{name: "check_constraint_checks", value: "ON"},
		// Transactions.
		{name: "autocommit", value: "ON"},
		{name: "completion_type", value: "NO_CHAIN"},
		{name: "tx_isolation", value: "REPEATABLE-READ"},
		{name: "transaction_isolation", value: "REPEATABLE-READ"},
		{name: "tx_read_only", value: "OFF"},
		{name: "transaction_read_only", value: "OFF"},
		{name: "innodb_snapshot_isolation", value: "OFF"},
		{name: "binlog_format", value: "MIXED", try: true},
		// How long.
		{name: "max_statement_time", value: "0"},
		{name: "max_execution_time", value: "0"},
		{name: "innodb_lock_wait_timeout", value: "50"},
		{name: "lock_wait_timeout", value: "3600", least: true},
		{name: "idle_transaction_timeout", value: "0"},
		{name: "idle_readonly_transaction_timeout", value: "0"},
		{name: "idle_write_transaction_timeout", value: "0"},
		{name: "wait_timeout", value: "28800", least: true},
		{name: "net_read_timeout", value: "600", least: true},
		{name: "net_write_timeout", value: "600", least: true},
	}
}

// first returns the settings, as statements, without which not even the question for the others is answered right, and those that no server has as
// they should be. The comments are for the server that has the variable: MariaDB runs none of /*!50700 to /*!99999.
func first() []string {
	return []string{
		"SET /*M!100101 max_statement_time = 0, */ /*M!100207 tmp_disk_table_size = 18446744073709551615, max_session_mem_used = 9223372036854775807, */ /*M!100318 in_predicate_conversion_threshold = 0, */ /*!50708 max_execution_time = 0, */ sql_select_limit = 18446744073709551615, sql_big_selects = 1, completion_type = 0, autocommit = 1, timestamp = DEFAULT, net_read_timeout = 600, net_write_timeout = 600",
		"SET NAMES utf8mb4 COLLATE utf8mb4_general_ci",
		"SET SESSION TRANSACTION READ WRITE",
		"ROLLBACK",
	}
}

// holds reports whether a value will do.
func (s setting) holds(value string) bool {
	if strings.EqualFold(value, s.value) {
		return true
	}
	switch s.name {
	case "sql_mode":
		return slices.Equal(words(value), words(s.value))
	case "old_mode":
		return value == "UTF8_IS_UTF8MB3" // what it is without being set; omsync names utf8mb4
	case "binlog_format":
		return !strings.EqualFold(value, "STATEMENT")
	}
	is, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return false
	}
	want, err := strconv.ParseFloat(s.value, 64)
	return err == nil && (is == want || s.least && is > want)
}

func words(list string) []string { return slices.Sorted(strings.SplitSeq(list, ",")) }

// sql is the assignment in a SET statement.
func (s setting) sql() string {
	if _, err := strconv.ParseFloat(s.value, 64); err == nil || s.value == "DEFAULT" || s.value == "ON" || s.value == "OFF" {
		return s.name + " = " + s.value
	}
	return s.name + " = '" + s.value + "'"
}

// withSession prepares the session of each connection.
type withSession struct{ driver.Connector }

// Connect opens a connection whose session is as statements expect it. An error names the variable that could not be set, and what helps.
func (c withSession) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := prepareSession(ctx, conn); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// prepareSession sets what differs, and looks whether it is so then.
func prepareSession(ctx context.Context, conn driver.Conn) error {
	run := func(statement string) error {
		_, err := conn.(driver.ExecerContext).ExecContext(ctx, statement, nil)
		return err
	}
	for _, statement := range first() {
		if err := run(statement); err != nil {
			return fmt.Errorf("prepare the session: %w", err)
		}
	}
	wrong, err := unlike(ctx, conn)
	if err != nil || len(wrong) == 0 {
		return err
	}
	refused := errors.New("the server took it and did not change it")
	for _, s := range wrong {
		if err := run("SET SESSION " + s.sql()); err != nil && !s.try {
			refused = err
		}
	}
	if wrong, err = unlike(ctx, conn); err != nil {
		return err
	}
	for _, s := range wrong {
		if !s.try {
			return fmt.Errorf("the server does not let this account's sessions have %s, and omsync's statements need it: as an administrator: SET GLOBAL %[1]s, and the same in the server's configuration or init_connect (%w)",
				s.sql(), refused)
		}
	}
	return nil
}

// unlike returns the settings that the server has and whose values will not do.
func unlike(ctx context.Context, conn driver.Conn) (wrong []setting, err error) {
	want := settings()
	names := make([]string, len(want))
	for i, s := range want {
		names[i] = "'" + s.name + "'"
	}
	rows, err := conn.(driver.QueryerContext).QueryContext(ctx, "SHOW SESSION VARIABLES WHERE Variable_name IN ("+strings.Join(names, ", ")+")", nil)
	if err != nil {
		return nil, fmt.Errorf("look at the session's variables: %w", err)
	}
	defer rows.Close()
	for row := make([]driver.Value, 2); ; {
		switch err := rows.Next(row); {
		case err == io.EOF:
			return wrong, nil
		case err != nil:
			return nil, fmt.Errorf("look at the session's variables: %w", err)
		}
		name, value := strings.ToLower(fmt.Sprintf("%s", row[0])), fmt.Sprintf("%s", row[1])
		for _, s := range want {
			if s.name == name && !s.holds(value) {
				wrong = append(wrong, s)
			}
		}
	}
}
