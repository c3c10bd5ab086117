// Package journal keeps what omsync remembers, in tables named omsync_* beside the application's own, so that it
// commits, rolls back and is backed up together with the data it speaks of.
//
// It promises: a number (an epoch) for each seal and import that wrote something, in an order that a snapshot opened
// behind the gate agrees with; the versions of every row that changed; what each peer sent and acknowledged; and that
// Drop leaves nothing behind. It decides nothing: package merge does.
package journal

// Tables, at most eleven of them:
//
//	omsync_node       this node (row 1, the gate) and the names of all authors of versions
//	omsync_epoch      one row an epoch: its number and random token
//	omsync_table      numbers and column bits of the application's tables, and their default versions
//	omsync_change     what the triggers wrote since the last seal
//	omsync_version    versions of live rows, by local key
//	omsync_tombstone  versions of deletions, by the key that means the same everywhere; also of those that were refused here
//	omsync_peer       neighbours, their cards and the state of the link
//	omsync_import     ends of the batches applied, and the own epoch that each became
//	omsync_conflict   values that lost against one whose author had not seen them
var tables = []string{"omsync_node", "omsync_epoch", "omsync_table", "omsync_change", "omsync_version", "omsync_tombstone",
	"omsync_peer", "omsync_import", "omsync_conflict"}

var ddl = []string{
	`CREATE TABLE omsync_node (
  id SMALLINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name VARBINARY(32) NOT NULL,
  format SMALLINT UNSIGNED NULL,
  history BIGINT UNSIGNED NULL,
  earlier BLOB NULL,
  profile VARBINARY(64) NULL,
  UNIQUE KEY (name)) ENGINE=InnoDB`,
	`CREATE TABLE omsync_epoch (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  token BIGINT UNSIGNED NOT NULL,
  again TINYINT UNSIGNED NOT NULL DEFAULT 0,
  at BIGINT NOT NULL) ENGINE=InnoDB`,
	`CREATE TABLE omsync_table (
  id SMALLINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name VARBINARY(255) NOT NULL,
  cols MEDIUMBLOB NOT NULL,
  flow BLOB NULL,
  fresh TINYINT UNSIGNED NOT NULL DEFAULT 1,
  def_mask BIGINT UNSIGNED NULL,
  def_time BIGINT NULL,
  def_author SMALLINT UNSIGNED NULL,
  def_epoch BIGINT UNSIGNED NULL,
  def_frm SMALLINT UNSIGNED NULL,
  UNIQUE KEY (name)) ENGINE=InnoDB`,
	`CREATE TABLE omsync_change (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  tbl SMALLINT UNSIGNED NOT NULL,
  op TINYINT UNSIGNED NOT NULL,
  pk BIGINT NULL,
  k VARBINARY(700) NULL,
  u VARBINARY(255) NULL,
  mask BIGINT UNSIGNED NOT NULL DEFAULT 0,
  at DATETIME(6) NOT NULL) ENGINE=InnoDB`,
	`CREATE TABLE omsync_version (
  tbl SMALLINT UNSIGNED NOT NULL,
  pk BIGINT NOT NULL,
  k VARBINARY(700) NOT NULL DEFAULT '',
  mask BIGINT UNSIGNED NOT NULL,
  time BIGINT NOT NULL,
  author SMALLINT UNSIGNED NOT NULL,
  epoch BIGINT UNSIGNED NOT NULL,
  frm SMALLINT UNSIGNED NOT NULL,
  PRIMARY KEY (tbl, pk, k, mask),
  KEY tbl_epoch (tbl, epoch)) ENGINE=InnoDB`,
	`CREATE TABLE omsync_tombstone (
  tbl SMALLINT UNSIGNED NOT NULL,
  k VARBINARY(700) NOT NULL,
  whole BLOB NULL,
  refused TINYINT UNSIGNED NOT NULL DEFAULT 0,
  time BIGINT NOT NULL,
  author SMALLINT UNSIGNED NOT NULL,
  epoch BIGINT UNSIGNED NOT NULL,
  frm SMALLINT UNSIGNED NOT NULL,
  PRIMARY KEY (tbl, k),
  KEY tbl_epoch (tbl, epoch)) ENGINE=InnoDB`,
	`CREATE TABLE omsync_peer (
  id SMALLINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name VARBINARY(32) NOT NULL,
  role VARBINARY(8) NOT NULL,
  state VARBINARY(10) NOT NULL DEFAULT 'active',
  card BLOB NOT NULL,
  link MEDIUMBLOB NOT NULL,
  asks MEDIUMBLOB NULL,
  acked BIGINT UNSIGNED NOT NULL DEFAULT 0,
  applied BIGINT UNSIGNED NOT NULL DEFAULT 0,
  sent_at BIGINT NULL,
  acked_at BIGINT NULL,
  applied_at BIGINT NULL,
  KEY (name)) ENGINE=InnoDB`,
	`CREATE TABLE omsync_import (
  peer SMALLINT UNSIGNED NOT NULL,
  epoch BIGINT UNSIGNED NOT NULL,
  token BIGINT UNSIGNED NOT NULL,
  own BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (peer, own, epoch)) ENGINE=InnoDB`,
	`CREATE TABLE omsync_conflict (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  digest BINARY(16) NOT NULL,
  tbl VARBINARY(255) NOT NULL,
  k BLOB NOT NULL,
  col VARBINARY(255) NOT NULL,
  value LONGBLOB NULL,
  deletion TINYINT UNSIGNED NOT NULL DEFAULT 0,
  loser_time BIGINT NOT NULL,
  loser_author VARBINARY(32) NOT NULL,
  winner_time BIGINT NOT NULL,
  winner_author VARBINARY(32) NOT NULL,
  at BIGINT NOT NULL,
  epoch BIGINT UNSIGNED NOT NULL,
  frm SMALLINT UNSIGNED NOT NULL,
  UNIQUE KEY (digest),
  KEY (epoch)) ENGINE=InnoDB`,
}
