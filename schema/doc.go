// Package schema reads the catalogue of a MySQL or MariaDB database and says, for every table, what identifies its rows
// everywhere, which columns refer to which rows, which tables and columns may leave the database, and in which order
// tables are applied.
//
// The server's information_schema is the source; a [Profile] corrects it where a data model keeps something to itself:
// references without a foreign key, rows that are matched by name, tables that belong to one site. Without a profile any
// schema works whose tables have a uuid, a key made of references, or no primary key at all.
//
// A catalogue is read once with [Read] and never changes afterwards, so it can be used from several goroutines. The package
// reads information_schema only: it takes no locks, reads no rows and writes nothing.
package schema
