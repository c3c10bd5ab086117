-- The omsync tables of format 6, as the last omsync that made them did.
CREATE TABLE omsync_node (
  id SMALLINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name VARBINARY(32) NOT NULL,
  format SMALLINT UNSIGNED NULL,
  history BIGINT UNSIGNED NULL,
  earlier BLOB NULL,
  profile VARBINARY(64) NULL,
  UNIQUE KEY (name)) ENGINE=InnoDB;
CREATE TABLE omsync_epoch (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  token BIGINT UNSIGNED NOT NULL,
  resend TINYINT UNSIGNED NOT NULL DEFAULT 0,
  created_at BIGINT NOT NULL) ENGINE=InnoDB;
CREATE TABLE omsync_table (
  id SMALLINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
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
  UNIQUE KEY (name)) ENGINE=InnoDB;
CREATE TABLE omsync_capture (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  table_id SMALLINT UNSIGNED NOT NULL,
  operation TINYINT UNSIGNED NOT NULL,
  local_id BIGINT NULL,
  local_key VARBINARY(700) NULL,
  deleted_key VARBINARY(255) NULL,
  column_mask BIGINT UNSIGNED NOT NULL DEFAULT 0,
  changed_at DATETIME(6) NOT NULL) ENGINE=InnoDB;
CREATE TABLE omsync_removed (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  table_id SMALLINT UNSIGNED NOT NULL,
  local_id BIGINT NULL,
  local_key VARBINARY(700) NULL,
  removed_at DATETIME(6) NOT NULL,
  content LONGBLOB NOT NULL) ENGINE=InnoDB;
CREATE TABLE omsync_version (
  table_id SMALLINT UNSIGNED NOT NULL,
  local_id BIGINT NOT NULL,
  local_key VARBINARY(700) NOT NULL DEFAULT '',
  column_mask BIGINT UNSIGNED NOT NULL,
  time BIGINT NOT NULL,
  author SMALLINT UNSIGNED NOT NULL,
  epoch BIGINT UNSIGNED NOT NULL,
  origin SMALLINT UNSIGNED NOT NULL,
  added_by SMALLINT UNSIGNED NULL,
  PRIMARY KEY (table_id, local_id, local_key, column_mask),
  KEY tbl_epoch (table_id, epoch)) ENGINE=InnoDB;
CREATE TABLE omsync_tombstone (
  table_id SMALLINT UNSIGNED NOT NULL,
  row_key VARBINARY(700) NOT NULL,
  whole_key BLOB NULL,
  refused TINYINT UNSIGNED NOT NULL DEFAULT 0,
  time BIGINT NOT NULL,
  author SMALLINT UNSIGNED NOT NULL,
  epoch BIGINT UNSIGNED NOT NULL,
  origin SMALLINT UNSIGNED NOT NULL,
  PRIMARY KEY (table_id, row_key),
  KEY tbl_epoch (table_id, epoch)) ENGINE=InnoDB;
CREATE TABLE omsync_deleted (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
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
  KEY (deleted_at)) ENGINE=InnoDB;
CREATE TABLE omsync_waiting (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
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
  KEY counted (peer_id, table_id, reason, dropped_at, deletion, lost, since, size)) ENGINE=InnoDB;
CREATE TABLE omsync_peer (
  id SMALLINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
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
  KEY (name)) ENGINE=InnoDB;
CREATE TABLE omsync_rule (
  peer_id SMALLINT UNSIGNED NOT NULL PRIMARY KEY,
  rules MEDIUMBLOB NOT NULL) ENGINE=InnoDB;
CREATE TABLE omsync_report (
  peer_id SMALLINT UNSIGNED NOT NULL PRIMARY KEY,
  clock_ahead BIGINT NOT NULL,
  clock_since BIGINT NOT NULL,
  clock_seen BIGINT NOT NULL,
  waits VARBINARY(500) NOT NULL,
  read_at BIGINT NOT NULL) ENGINE=InnoDB;
CREATE TABLE omsync_import (
  peer_id SMALLINT UNSIGNED NOT NULL,
  sender_epoch BIGINT UNSIGNED NOT NULL,
  sender_token BIGINT UNSIGNED NOT NULL,
  own_epoch BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (peer_id, own_epoch, sender_epoch)) ENGINE=InnoDB;
CREATE TABLE omsync_unsent (
  peer_id SMALLINT UNSIGNED NOT NULL,
  table_id SMALLINT UNSIGNED NOT NULL,
  local_id BIGINT NOT NULL,
  local_key VARBINARY(700) NOT NULL DEFAULT '',
  PRIMARY KEY (peer_id, table_id, local_id, local_key)) ENGINE=InnoDB;
CREATE TABLE omsync_alias (
  peer_id SMALLINT UNSIGNED NOT NULL,
  table_id SMALLINT UNSIGNED NOT NULL,
  their_key VARBINARY(700) NOT NULL,
  own_key VARBINARY(700) NOT NULL,
  source VARBINARY(8) NOT NULL,
  made_at BIGINT NOT NULL,
  PRIMARY KEY (peer_id, table_id, their_key),
  UNIQUE KEY own (peer_id, table_id, own_key)) ENGINE=InnoDB;
CREATE TABLE omsync_refused (
  peer_id SMALLINT UNSIGNED NOT NULL,
  table_id SMALLINT UNSIGNED NOT NULL,
  local_id BIGINT NOT NULL,
  local_key VARBINARY(700) NOT NULL DEFAULT '',
  epoch BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (peer_id, table_id, local_id, local_key),
  KEY (peer_id, epoch)) ENGINE=InnoDB;
CREATE TABLE omsync_conflict (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
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
  owners BLOB NULL,
  UNIQUE KEY (digest),
  KEY (epoch)) ENGINE=InnoDB;
CREATE TABLE omsync_resolution (
  digest BINARY(16) NOT NULL PRIMARY KEY,
  resolution VARBINARY(16) NOT NULL,
  time BIGINT NOT NULL,
  author VARBINARY(32) NOT NULL,
  epoch BIGINT UNSIGNED NOT NULL,
  origin SMALLINT UNSIGNED NOT NULL,
  KEY (epoch)) ENGINE=InnoDB;
CREATE TABLE omsync_scope_peer (
  peer_id SMALLINT UNSIGNED NOT NULL PRIMARY KEY,
  own TINYINT UNSIGNED NOT NULL DEFAULT 0,
  since BIGINT UNSIGNED NOT NULL DEFAULT 0,
  approve TINYINT UNSIGNED NOT NULL DEFAULT 0,
  whole TINYINT UNSIGNED NOT NULL DEFAULT 0,
  rules BLOB NULL) ENGINE=InnoDB;
CREATE TABLE omsync_scope (
  peer_id SMALLINT UNSIGNED NOT NULL,
  owner_key VARBINARY(700) NOT NULL,
  local_id BIGINT NULL,
  since BIGINT UNSIGNED NOT NULL,
  told BIGINT UNSIGNED NOT NULL,
  gone BIGINT UNSIGNED NOT NULL,
  denied BIGINT UNSIGNED NOT NULL,
  changed BIGINT UNSIGNED NOT NULL,
  asked TINYINT UNSIGNED NOT NULL,
  rule TINYINT UNSIGNED NOT NULL,
  purging TINYINT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (peer_id, owner_key),
  KEY owner (owner_key, peer_id),
  KEY local (local_id, peer_id),
  KEY changed (peer_id, changed),
  KEY asked (asked, peer_id)) ENGINE=InnoDB;
CREATE TABLE omsync_scope_row (
  peer_id SMALLINT UNSIGNED NOT NULL,
  table_id SMALLINT UNSIGNED NOT NULL,
  row_key VARBINARY(700) NOT NULL,
  whole_key BLOB NULL,
  since BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (peer_id, table_id, row_key),
  KEY since (peer_id, since)) ENGINE=InnoDB;
CREATE TABLE omsync_scope_log (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  peer_id SMALLINT UNSIGNED NOT NULL,
  owner_key VARBINARY(700) NOT NULL,
  event VARBINARY(16) NOT NULL,
  cause VARBINARY(16) NOT NULL,
  person VARBINARY(64) NOT NULL DEFAULT '',
  text VARBINARY(500) NOT NULL DEFAULT '',
  epoch BIGINT UNSIGNED NOT NULL,
  made_at BIGINT NOT NULL,
  KEY owner (owner_key, peer_id),
  KEY made_at (made_at)) ENGINE=InnoDB;
CREATE TABLE omsync_public (
  table_id SMALLINT UNSIGNED NOT NULL,
  row_key VARBINARY(700) NOT NULL,
  whole_key BLOB NULL,
  since BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (table_id, row_key),
  KEY since (since)) ENGINE=InnoDB;
CREATE TABLE omsync_want (
  owner_key VARBINARY(700) NOT NULL PRIMARY KEY,
  made_at BIGINT NOT NULL) ENGINE=InnoDB;
CREATE TABLE omsync_held (
  owner_key VARBINARY(700) NOT NULL PRIMARY KEY,
  epoch BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB;
CREATE TABLE omsync_purge (
  owner_key VARBINARY(700) NOT NULL PRIMARY KEY,
  told BIGINT UNSIGNED NOT NULL,
  ack BIGINT UNSIGNED NOT NULL,
  done TINYINT UNSIGNED NOT NULL) ENGINE=InnoDB;
CREATE TABLE omsync_buried (
  table_id SMALLINT UNSIGNED NOT NULL,
  row_key VARBINARY(700) NOT NULL,
  n TINYINT UNSIGNED NOT NULL,
  owner_key VARBINARY(700) NOT NULL,
  PRIMARY KEY (table_id, row_key, n),
  KEY owner (owner_key, table_id)) ENGINE=InnoDB;
