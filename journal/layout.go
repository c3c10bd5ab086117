package journal

import "strings"

// tables returns the names of all omsync tables: those of the format, and before them what an upgrade may have left halfway.
func tables() (names []string) {
	for _, l := range layouts() {
		names = append(names, l.name+copySuffix)
	}
	names = append(names, "omsync_change")
	for _, l := range layouts() {
		names = append(names, l.name)
	}
	return names
}

// layout is one table of the format. doc.go says what the columns hold.
type layout struct {
	name, columns string
}

// create returns the statement that makes the table under a name.
func (l layout) create(name string) string {
	return "CREATE TABLE " + name + " (\n" + l.columns + ") ENGINE=InnoDB"
}

// layoutOf returns the table of the name.
func layoutOf(name string) layout {
	for _, l := range layouts() {
		if l.name == name {
			return l
		}
	}
	panic("journal: no table " + name)
}

// definition is the name of a column and what follows it.
type definition struct{ name, rest string }

// definitions returns the table's columns in order.
func (l layout) definitions() (out []definition) {
	for line := range strings.Lines(l.columns) {
		name, rest, _ := strings.Cut(strings.TrimSuffix(strings.TrimSpace(line), ","), " ")
		if name == strings.ToLower(name) { // not a key
			out = append(out, definition{name, rest})
		}
	}
	return out
}

// layouts returns the tables of the format. An index named tbl_epoch is called as in format 1: to rename it, a server would build
// it anew.
func layouts() []layout {
	return []layout{
		{"omsync_node", `  id SMALLINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name VARBINARY(32) NOT NULL,
  format SMALLINT UNSIGNED NULL,
  history BIGINT UNSIGNED NULL,
  earlier BLOB NULL,
  profile VARBINARY(64) NULL,
  UNIQUE KEY (name)`},
		{"omsync_epoch", `  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  token BIGINT UNSIGNED NOT NULL,
  resend TINYINT UNSIGNED NOT NULL DEFAULT 0,
  created_at BIGINT NOT NULL`},
		{"omsync_table", `  id SMALLINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name VARBINARY(255) NOT NULL,
  columns MEDIUMBLOB NOT NULL,
  flow BLOB NULL,
  unversioned TINYINT UNSIGNED NOT NULL DEFAULT 1,
  default_mask BIGINT UNSIGNED NULL,
  default_time BIGINT NULL,
  default_author SMALLINT UNSIGNED NULL,
  default_epoch BIGINT UNSIGNED NULL,
  default_origin SMALLINT UNSIGNED NULL,
  made BLOB NULL,
  default_added_by SMALLINT UNSIGNED NULL,
  default_more BLOB NULL,
  UNIQUE KEY (name)`},
		{"omsync_capture", `  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  table_id SMALLINT UNSIGNED NOT NULL,
  operation TINYINT UNSIGNED NOT NULL,
  local_id BIGINT NULL,
  local_key VARBINARY(700) NULL,
  deleted_key VARBINARY(255) NULL,
  column_mask BIGINT UNSIGNED NOT NULL DEFAULT 0,
  changed_at DATETIME(6) NOT NULL`},
		{"omsync_removed", `  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  table_id SMALLINT UNSIGNED NOT NULL,
  local_id BIGINT NULL,
  local_key VARBINARY(700) NULL,
  removed_at DATETIME(6) NOT NULL,
  content LONGBLOB NOT NULL`},
		{"omsync_version", `  table_id SMALLINT UNSIGNED NOT NULL,
  local_id BIGINT NOT NULL,
  local_key VARBINARY(700) NOT NULL DEFAULT '',
  column_mask BIGINT UNSIGNED NOT NULL,
  time BIGINT NOT NULL,
  author SMALLINT UNSIGNED NOT NULL,
  epoch BIGINT UNSIGNED NOT NULL,
  origin SMALLINT UNSIGNED NOT NULL,
  added_by SMALLINT UNSIGNED NULL,
  PRIMARY KEY (table_id, local_id, local_key, column_mask),
  KEY tbl_epoch (table_id, epoch)`},
		{"omsync_tombstone", `  table_id SMALLINT UNSIGNED NOT NULL,
  row_key VARBINARY(700) NOT NULL,
  whole_key BLOB NULL,
  refused TINYINT UNSIGNED NOT NULL DEFAULT 0,
  time BIGINT NOT NULL,
  author SMALLINT UNSIGNED NOT NULL,
  epoch BIGINT UNSIGNED NOT NULL,
  origin SMALLINT UNSIGNED NOT NULL,
  PRIMARY KEY (table_id, row_key),
  KEY tbl_epoch (table_id, epoch)`},
		{"omsync_deleted", `  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  table_id SMALLINT UNSIGNED NOT NULL,
  row_key VARBINARY(700) NOT NULL,
  whole_key BLOB NULL,
  content LONGBLOB NOT NULL,
  added_by SMALLINT UNSIGNED NOT NULL,
  time BIGINT NOT NULL,
  author SMALLINT UNSIGNED NOT NULL,
  epoch BIGINT UNSIGNED NOT NULL,
  origin SMALLINT UNSIGNED NOT NULL,
  deleted_at BIGINT NOT NULL,
  KEY (table_id, row_key),
  KEY (origin, epoch),
  KEY (deleted_at)`},
		{"omsync_waiting", `  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  peer_id SMALLINT UNSIGNED NOT NULL,
  table_id SMALLINT UNSIGNED NOT NULL,
  row_key VARBINARY(700) NOT NULL,
  whole_key BLOB NULL,
  lost BIGINT UNSIGNED NOT NULL DEFAULT 0,
  versions MEDIUMBLOB NOT NULL,
  content LONGBLOB NOT NULL,
  size INT UNSIGNED NOT NULL DEFAULT 0,
  deletion TINYINT UNSIGNED NOT NULL DEFAULT 0,
  since_epoch BIGINT UNSIGNED NOT NULL,
  reason VARBINARY(16) NOT NULL,
  column_name VARBINARY(255) NOT NULL,
  awaited_table SMALLINT UNSIGNED NOT NULL DEFAULT 0,
  awaited_key VARBINARY(700) NOT NULL DEFAULT '',
  text BLOB NOT NULL,
  since BIGINT NOT NULL,
  tried_at BIGINT NOT NULL,
  tries INT UNSIGNED NOT NULL,
  dropped_at BIGINT NOT NULL DEFAULT 0,
  dropped_by VARBINARY(64) NOT NULL DEFAULT '',
  dropped_why VARBINARY(500) NOT NULL DEFAULT '',
  UNIQUE KEY peer_row (peer_id, lost, table_id, row_key),
  KEY awaited (awaited_table, awaited_key),
  KEY tried (peer_id, dropped_at, tried_at),
  KEY (dropped_at),
  KEY counted (peer_id, table_id, reason, dropped_at, deletion, lost, since, size)`},
		{"omsync_peer", `  id SMALLINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name VARBINARY(32) NOT NULL,
  role VARBINARY(8) NOT NULL,
  state VARBINARY(10) NOT NULL DEFAULT 'active',
  card BLOB NOT NULL,
  link MEDIUMBLOB NOT NULL,
  requests MEDIUMBLOB NULL,
  heard BLOB NULL,
  used BLOB NULL,
  acked_epoch BIGINT UNSIGNED NOT NULL DEFAULT 0,
  applied_epoch BIGINT UNSIGNED NOT NULL DEFAULT 0,
  sent_at BIGINT NULL,
  acked_at BIGINT NULL,
  applied_at BIGINT NULL,
  KEY (name)`},
		{"omsync_rule", `  peer_id SMALLINT UNSIGNED NOT NULL PRIMARY KEY,
  rules MEDIUMBLOB NOT NULL`},
		{"omsync_report", `  peer_id SMALLINT UNSIGNED NOT NULL PRIMARY KEY,
  clock_ahead BIGINT NOT NULL,
  clock_since BIGINT NOT NULL,
  clock_seen BIGINT NOT NULL,
  waits VARBINARY(500) NOT NULL,
  read_at BIGINT NOT NULL`},
		{"omsync_import", `  peer_id SMALLINT UNSIGNED NOT NULL,
  sender_epoch BIGINT UNSIGNED NOT NULL,
  sender_token BIGINT UNSIGNED NOT NULL,
  own_epoch BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (peer_id, own_epoch, sender_epoch)`},
		{"omsync_unsent", `  peer_id SMALLINT UNSIGNED NOT NULL,
  table_id SMALLINT UNSIGNED NOT NULL,
  local_id BIGINT NOT NULL,
  local_key VARBINARY(700) NOT NULL DEFAULT '',
  PRIMARY KEY (peer_id, table_id, local_id, local_key)`},
		{"omsync_alias", `  peer_id SMALLINT UNSIGNED NOT NULL,
  table_id SMALLINT UNSIGNED NOT NULL,
  their_key VARBINARY(700) NOT NULL,
  own_key VARBINARY(700) NOT NULL,
  source VARBINARY(8) NOT NULL,
  made_at BIGINT NOT NULL,
  PRIMARY KEY (peer_id, table_id, their_key),
  UNIQUE KEY own (peer_id, table_id, own_key)`},
		{"omsync_refused", `  peer_id SMALLINT UNSIGNED NOT NULL,
  table_id SMALLINT UNSIGNED NOT NULL,
  local_id BIGINT NOT NULL,
  local_key VARBINARY(700) NOT NULL DEFAULT '',
  epoch BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (peer_id, table_id, local_id, local_key),
  KEY (peer_id, epoch)`},
		{"omsync_conflict", `  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  digest BINARY(16) NOT NULL,
  table_name VARBINARY(255) NOT NULL,
  row_key BLOB NOT NULL,
  column_name VARBINARY(255) NOT NULL,
  value LONGBLOB NULL,
  deletion TINYINT UNSIGNED NOT NULL DEFAULT 0,
  loser_time BIGINT NOT NULL,
  loser_author VARBINARY(32) NOT NULL,
  winner_time BIGINT NOT NULL,
  winner_author VARBINARY(32) NOT NULL,
  recorded_at BIGINT NOT NULL,
  epoch BIGINT UNSIGNED NOT NULL,
  origin SMALLINT UNSIGNED NOT NULL,
  peer_id SMALLINT UNSIGNED NULL,
  UNIQUE KEY (digest),
  KEY (epoch)`},
		{"omsync_resolution", `  digest BINARY(16) NOT NULL PRIMARY KEY,
  resolution VARBINARY(16) NOT NULL,
  time BIGINT NOT NULL,
  author VARBINARY(32) NOT NULL,
  epoch BIGINT UNSIGNED NOT NULL,
  origin SMALLINT UNSIGNED NOT NULL,
  KEY (epoch)`},
	}
}
