package trigger

import (
	"strings"
	"testing"
	"time"
)

func TestSeenHolds(t *testing.T) {
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	is := Server{Run: "8a01-0242ac110002", Started: 1000, Account: "omsync@%", Counts: "drop_table 3\ndrop_trigger 1\n"}
	with := func(change func(*Server)) Server {
		s := is
		change(&s)
		return s
	}
	for _, c := range []struct {
		what  string
		now   Server
		after time.Duration
		holds bool
	}{
		{"the same", is, time.Minute, true},
		{"numbers that were rounded", with(func(s *Server) { s.Started += 2 }), time.Minute, true},
		{"another start", with(func(s *Server) { s.Started += 3 }), time.Minute, false},
		{"an earlier start", with(func(s *Server) { s.Started -= 3 }), time.Minute, false},
		{"another run of the server", with(func(s *Server) { s.Run = "8a02-0242ac110002" }), time.Minute, false},
		{"another account", with(func(s *Server) { s.Account = "root@localhost" }), time.Minute, false},
		{"a trigger was dropped", with(func(s *Server) { s.Counts = strings.Replace(s.Counts, "trigger 1", "trigger 2", 1) }), time.Minute, false},
		{"nobody could ask", Server{}, time.Minute, false},
		{"long ago", is, seenFor + time.Second, false},
		{"before", is, -time.Second, false},
	} {
		seen := &Seen{Server: is, Wanted: "x", At: at}
		if got := seen.Holds(c.now, at.Add(c.after)); got != c.holds {
			t.Errorf("%s: %t", c.what, got)
		}
	}
	var nobody *Seen
	if nobody.Holds(is, at) || (&Seen{At: at}).Holds(Server{}, at) {
		t.Error("what nobody saw holds")
	}
}

// What can change the triggers shows: each statement that does, on a table or an account too, and in whatever way it is run. Other work does not.
func TestAskServer(t *testing.T) {
	w := watch(t, "", simpleTable)
	ask := func() Server {
		t.Helper()
		s, err := AskServer(t.Context(), w.conn())
		if err != nil {
			t.Fatal(err)
		}
		if s.Run == "" || s.Started == 0 || s.Account == "" {
			t.Fatalf("the server says %+v", s)
		}
		return s
	}
	holds := func(was, is Server) bool {
		now := time.Now()
		return (&Seen{Server: was, At: now}).Holds(is, now)
	}
	was := ask()
	name := w.wanted("t")[0].Name
	for _, statement := range []string{"DROP TRIGGER " + name, "CREATE TRIGGER other AFTER INSERT ON t FOR EACH ROW SET @x = 1", "PREPARE p FROM 'DROP TABLE IF EXISTS nothing'; EXECUTE p",
		"ALTER TABLE t ADD COLUMN added INT", "RENAME TABLE t TO u", "DROP TABLE u", "TRUNCATE TABLE omsync_removed", "CREATE USER 'somebody90'@'localhost' IDENTIFIED BY 'Long-enough-1'",
		"DROP USER 'somebody90'@'localhost'", "FLUSH PRIVILEGES"} {
		for s := range strings.SplitSeq(statement, "; ") {
			w.do(s)
		}
		is := ask()
		if holds(was, is) {
			t.Errorf("%s does not show", statement)
		}
		was = is
	}
}
