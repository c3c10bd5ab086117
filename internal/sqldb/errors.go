package sqldb

import (
	"errors"

	"github.com/go-sql-driver/mysql"
)

// Numbers of errors (MySQL Server Error Message Reference; MariaDB has the same).
const (
	ErrNone               = 0 // not the server's error
	ErrDiskFull           = 1021
	ErrOutOfMemory        = 1037
	ErrOutOfSortMemory    = 1038
	ErrOutOfResources     = 1041
	ErrDBAccessDenied     = 1044 // the account has no rights to the database
	ErrAccessDenied       = 1045 // user or password
	ErrNotPrepared        = 1047 // a member of a Galera cluster without a majority
	ErrBadDB              = 1049 // no such database
	ErrDuplicateEntry     = 1062
	ErrTableFull          = 1114
	ErrNoSuchGrant        = 1141 // also: no such account
	ErrTooBigRow          = 1118 // more than half a page; MySQL 5.6: also long values of more than a tenth of its redo log
	ErrBadField           = 1054
	ErrTableAccessDenied  = 1142
	ErrColumnAccessDenied = 1143
	ErrNoSuchTable        = 1146
	ErrPacketTooLarge     = 1153
	ErrLockWaitTimeout    = 1205
	ErrDeadlock           = 1213
	ErrNeedsPrivilege     = 1227
	ErrReadOnly           = 1290 // the server runs with an option that does not allow it, as read_only
	ErrNoSuchTrigger      = 1360
	ErrNoSuchUser         = 1449 // the account under which a trigger runs
	ErrBinlogNeedsSuper   = 1419 // the server keeps a binary log: only administrators may make triggers
	ErrBinlogStatement    = 1665 // READ COMMITTED beside a binary log of statements
	ErrAuthPluginMismatch = 1698

	// Of values that a table does not take.
	ErrBadNull      = 1048
	ErrOutOfRange   = 1264
	ErrTruncated    = 1265
	ErrWrongValue   = 1292
	ErrNoDefault    = 1364
	ErrWrongString  = 1366
	ErrDataTooLong  = 1406
	ErrNoPartition  = 1526
	ErrSignal       = 1644 // of a trigger
	ErrNoJSON       = 3140
	ErrCheckMySQL   = 3819
	ErrCheckMariaDB = 4025
	ErrServerGone   = 2006
	ErrServerLost   = 2013
)

// ErrorNumber returns the server's number for an error, [ErrNone] if it is not the server's.
func ErrorNumber(err error) uint16 {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		return e.Number
	}
	return ErrNone
}

// IsLockConflict reports whether the server gave a statement up for the locks of others: the transaction may be tried again.
func IsLockConflict(err error) bool {
	n := ErrorNumber(err)
	return n == ErrDeadlock || n == ErrLockWaitTimeout
}

// IsLack reports whether the server could not do a statement for want of room, memory or locks, or because nobody may write now:
// the statement may be right.
func IsLack(err error) bool {
	switch ErrorNumber(err) {
	case ErrDiskFull, ErrOutOfMemory, ErrOutOfSortMemory, ErrOutOfResources, ErrTableFull, ErrReadOnly:
		return true
	}
	return IsLockConflict(err)
}

// IsAboutValues reports whether an error of a statement that writes rows is about their values: the same statement with others could
// pass. By the SQL standard these are the classes 22 (data), 23 (constraints) and 45 (raised by a trigger); some errors have none.
func IsAboutValues(err error) bool {
	var e *mysql.MySQLError
	if !errors.As(err, &e) || IsLockConflict(err) {
		return false
	}
	switch e.Number {
	case ErrTruncated, ErrNoDefault, ErrWrongString, ErrNoPartition, ErrSignal, ErrCheckMySQL, ErrCheckMariaDB, ErrPacketTooLarge, ErrTooBigRow:
		return true
	}
	switch string(e.SQLState[:2]) {
	case "22", "23", "45":
		return true
	}
	return false
}
