package doctor

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/exchange"
	"github.com/omsync/omsync/internal/mutation"
)

// judged is what a rule finds, in one line.
func judged(judge func(*found)) string {
	var f found
	judge(&f)
	x := f.finding("fine")
	return strings.TrimSpace(string(x.Level) + " " + x.What + " -> " + x.Do)
}

func TestJudgeSettings(t *testing.T) {
	good := map[string]string{"version": "10.11.6-MariaDB", "read_only": "OFF", "super_read_only": "OFF", "innodb_read_only": "OFF", "max_allowed_packet": "67108864", "innodb_flush_log_at_trx_commit": "1",
		"transaction_isolation": "REPEATABLE-READ", "wsrep_on": "OFF", "wsrep_cluster_size": "0", "init_connect": ""}
	if got := judged(func(f *found) { judgeSettings(f, good, "") }); got != "fine ->" {
		t.Error(got)
	}
	for _, c := range []struct {
		name, value string
		want        string // what it finds, and how it is mended
	}{
		{"version", "5.5.62", "fail the server is of version 5.5.62, and omsync needs MySQL 5.6 or MariaDB 10 -> update the server"},
		{"version", "8.0.36", ""},
		{"version", "5.6.24", ""},
		{"read_only", "ON", "fail read_only is ON"},
		{"read_only", "NO_LOCK_NO_ADMIN", ""}, // not a value of its own: MariaDB 12's kinds are not known here
		{"super_read_only", "1", "fail read_only is ON"},
		{"innodb_read_only", "ON", "fail innodb_read_only is ON"},
		{"max_allowed_packet", "4194304", "warn max_allowed_packet is 4194304 bytes: longer rows cannot be written -> SET GLOBAL max_allowed_packet = 67108864"},
		{"innodb_flush_log_at_trx_commit", "2", "warn innodb_flush_log_at_trx_commit is 2"},
		{"transaction_isolation", "SERIALIZABLE", "warn the application's transactions are SERIALIZABLE"},
		{"tx_isolation", "SERIALIZABLE", "warn the application's transactions are SERIALIZABLE"},
		{"innodb_native_foreign_keys", "OFF", "warn innodb_native_foreign_keys is OFF"},
		{"innodb_native_foreign_keys", "ON", ""},
		{"init_connect", "SET @OMSYNC_QUIET = 1", "fail init_connect sets @omsync_quiet"},
		{"wsrep_on", "ON", "fail this member of the Galera cluster takes no statements"},
	} {
		v := maps.Clone(good)
		v[c.name] = c.value
		if got := judged(func(f *found) { judgeSettings(f, v, "") }); !strings.HasPrefix(got, c.want) || c.want == "" && got != "fine ->" {
			t.Errorf("%s = %s: %s", c.name, c.value, got)
		}
	}
	v := maps.Clone(good)
	v["wsrep_on"], v["wsrep_ready"], v["wsrep_cluster_size"] = "ON", "ON", "3"
	if got := judged(func(f *found) { judgeSettings(f, v, "") }); !strings.HasPrefix(got, "warn a Galera cluster of 3 members") {
		t.Error(got)
	}
	v["wsrep_cluster_size"] = "1"
	if got := judged(func(f *found) { judgeSettings(f, v, "") }); got != "fine ->" {
		t.Error(got)
	}
	if got := judged(func(f *found) { judgeSettings(f, good, "db1") }); !strings.HasPrefix(got, "warn this server is a replica of db1") {
		t.Error(got)
	}
}

// A fail stays one beside a warning, in either order.
func TestWorstCounts(t *testing.T) {
	for _, levels := range [][]Level{{Fail, Warn}, {Warn, Fail}} {
		var f found
		for _, l := range levels {
			f.add(l, "x", "y")
		}
		if x := f.finding(""); x.Level != Fail || x.What != "x; x" || x.Do != "y; y" {
			t.Errorf("%+v", x)
		}
	}
}

func TestJudge(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	const day = 24 * time.Hour
	for _, c := range []struct {
		what  string
		judge func(*found)
		want  string
	}{
		{"room", func(f *found) { judgeDisk(f, "home folder", "/h", littleRoom) }, "fine ->"},
		{"little room", func(f *found) { judgeDisk(f, "home folder", "/h", littleRoom-1) }, "warn home folder: only 2047 MiB are free in /h -> make room"},
		{"no room", func(f *found) { judgeDisk(f, "database", "/d", noRoom-1) }, "fail database: only 199 MiB are free in /d"},
		{"the server's clock is right", func(f *found) { judgeServerClock(f, -maxClockGap) }, "fine ->"},
		{"it is ahead", func(f *found) { judgeServerClock(f, 2*time.Hour) }, "warn the clock of the database's server is 2h0m0s ahead of this"},
		{"it is behind", func(f *found) { judgeServerClock(f, -2*time.Hour) }, "warn the clock of the database's server is 2h0m0s behind this"},
		{"a link that is up", func(f *found) { judgeLink(f, "usb:/x", &exchange.LinkState{Up: now}, now) }, "fine ->"},
		{"a link that is down since today", func(f *found) { judgeLink(f, "usb:/x", &exchange.LinkState{Down: ago(day)}, now) }, "fine ->"},
		{"a link that is down", func(f *found) {
			judgeLink(f, "https://me:secret@hub", &exchange.LinkState{Down: ago(4 * day), Error: "refused"}, now)
		}, "warn https://me:xxxxx@hub is down since "},
		{"a file that was refused", func(f *found) { judgeLink(f, "https://hub", &exchange.LinkState{Up: now, Refused: "gap"}, now) }, "warn https://hub did not apply the last file: gap"},
		{"a certificate", func(f *found) { judgeCertificate(f, "c", now.Add(31*day), now) }, "fine ->"},
		{"it ends soon", func(f *found) { judgeCertificate(f, "c", now.Add(29*day), now) }, "warn the certificate c ends on "},
		{"it has ended", func(f *found) { judgeCertificate(f, "c", ago(day), now) }, "fail the certificate c ended on "},
		{"a peer that was heard of", func(f *found) { judgeSilence(f, "kisumu", access.Active, ago(13*day), now) }, "fine ->"},
		{"one that fell silent", func(f *found) { judgeSilence(f, "kisumu", access.Active, ago(15*day), now) }, "warn nothing was heard of kisumu since "},
		{"one that never spoke", func(f *found) { judgeSilence(f, "kisumu", access.Active, time.Time{}, now) }, "warn nothing was heard of kisumu yet"},
		{"one that is suspended", func(f *found) { judgeSilence(f, "kisumu", access.Suspended, time.Time{}, now) }, "fine ->"},
		{"a peer that holds the same", func(f *found) { judgeComparison(f, "kisumu", &exchange.Comparison{At: ago(day), Rows: 7}, now) }, "fine ->"},
		{"a peer that differs", func(f *found) {
			judgeComparison(f, "kisumu", &exchange.Comparison{At: ago(day), Rows: 7, Differ: 2}, now)
		}, "warn kisumu: 2 of 7 rows differ, as of "},
		{"a peer that was not compared", func(f *found) {
			judgeComparison(f, "kisumu", &exchange.Comparison{At: ago(day), Why: "it was restored"}, now)
		}, "warn kisumu: not compared: it was restored"},
		{"a peer that was compared long ago", func(f *found) { judgeComparison(f, "kisumu", &exchange.Comparison{At: ago(61 * day), Rows: 7}, now) }, "warn kisumu was last compared with on "},
		{"changes of today", func(f *found) { judgeBacklog(f, 10, ago(time.Hour), now) }, "fine ->"},
		{"no changes", func(f *found) { judgeBacklog(f, 0, time.UnixMicro(0), now) }, "fine ->"},
		{"old changes", func(f *found) { judgeBacklog(f, 10, ago(4*day), now) }, "warn 10 changes wait for a run of omsync, since "},
		{"many changes", func(f *found) { judgeBacklog(f, manyChanges+1, now, now) }, "warn more than 200000 changes wait"},
	} {
		if got := judged(c.judge); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s", c.what, got)
		}
	}
}

func TestJudgeMutants(t *testing.T) {
	mutation.Check(t, "^(TestJudge|TestJudgeSettings|TestWorstCounts)$",
		mutation.Mutant{Rule: "a fail is not made a warning", File: "found.go", Old: "	if f.level != Fail {\n\t\tf.level = level\n\t}", New: "	f.level = level"},
		mutation.Mutant{Rule: "a server that is read only", File: "settings.go", Old: `on("super_read_only") || on("read_only")`, New: `on("read_only")`},
		mutation.Mutant{Rule: "a cluster of one is none", File: "settings.go", Old: "size > 1", New: "size > 0"},
		mutation.Mutant{Rule: "a clock that is behind", File: "settings.go", Old: "ahead.Abs() > maxClockGap", New: "ahead > maxClockGap"},
		mutation.Mutant{Rule: "who is suspended is silent", File: "exchanged.go", Old: "!state.Exchanges() || ", New: ""},
		mutation.Mutant{Rule: "an end that is past", File: "machine.go", Old: "case now.After(end):", New: "case false:"},
		mutation.Mutant{Rule: "rows that differ", File: "exchanged.go", Old: "case c.Differ > 0:", New: "case false:"},
		mutation.Mutant{Rule: "what was compared long ago", File: "exchanged.go", Old: "case now.Sub(c.At) > longAgo:", New: "case false:"},
		mutation.Mutant{Rule: "old changes", File: "exchanged.go", Old: "n > 0 && now.Sub(oldest) > oldChange", New: "false"},
	)
}
