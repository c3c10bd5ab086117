package main

import (
	"database/sql"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/omsync/omsync/internal/dbtest"
)

// copyDB makes a database as a dump of another one does, with its triggers, in a later second than that was made in; without them, or without
// omsync's tables, if it is asked to.
func (s *scripted) copyDB(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || s.names[args[1]] == "" {
		ts.Fatalf("usage: copy NEW OLD [bare|apart], of a database made by db")
	}
	from := s.names[args[1]]
	bare, apart := len(args) > 2 && args[2] == "bare", len(args) > 2 && args[2] == "apart"
	old := s.server.Open(s.t, from)
	for later := false; !later; time.Sleep(50 * time.Millisecond) {
		ts.Check(old.QueryRow("SELECT IFNULL(MAX(create_time), '2000-01-01') < NOW() FROM information_schema.tables WHERE table_schema = DATABASE()").Scan(&later))
	}
	name, dsn := s.server.Database(s.t)
	s.names[args[0]] = name
	ts.Setenv(args[0], dsn)
	ts.Setenv(args[0]+"_db", name)
	c, err := s.server.Open(s.t, name).Conn(s.t.Context())
	ts.Check(err)
	defer c.Close()
	dbtest.Exec(s.t, c, "SET foreign_key_checks = 0, unique_checks = 0, sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
	for _, table := range column(ts, old, "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()") {
		if apart && strings.HasPrefix(table, "omsync_") {
			continue
		}
		var ddl string
		ts.Check(old.QueryRow("SHOW CREATE TABLE `"+table+"`").Scan(&table, &ddl))
		dbtest.Exec(s.t, c, ddl, "INSERT INTO `"+table+"` SELECT * FROM `"+from+"`.`"+table+"`")
	}
	if bare || apart {
		return
	}
	for _, trigger := range column(ts, old, "SELECT trigger_name FROM information_schema.triggers WHERE event_object_schema = DATABASE()") {
		rows, err := old.Query("SHOW CREATE TRIGGER `" + trigger + "`")
		ts.Check(err)
		columns, err := rows.Columns()
		ts.Check(err)
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		rows.Next()
		ts.Check(rows.Scan(into...))
		ts.Check(rows.Close())
		dbtest.Exec(s.t, c, "SET sql_mode = '"+values[1].String+"'", values[2].String)
	}
}

// column returns the only column of a query.
func column(ts *testscript.TestScript, db *sql.DB, query string) (out []string) {
	rows, err := db.Query(query)
	ts.Check(err)
	defer rows.Close()
	for rows.Next() {
		var v string
		ts.Check(rows.Scan(&v))
		out = append(out, v)
	}
	ts.Check(rows.Err())
	return out
}
