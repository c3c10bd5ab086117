package main

import (
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// agent starts an agent.
func (s *scripted) agent(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || s.served[args[0]] != nil {
		ts.Fatalf("usage: agent NAME HOME")
	}
	s.launch(ts, args[0], "--home", args[1], "agent")
}

func (s *scripted) kill(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || s.served[args[0]] == nil {
		ts.Fatalf("usage: killed NAME, of what serve or agent started")
	}
	v := s.served[args[0]]
	delete(s.served, args[0])
	ts.Check(v.cmd.Process.Kill())
	v.ended <- <-v.ended
}

// until asks again and again, until it is so or the time is over.
func until(ts *testscript.TestScript, after string, is func() (bool, string)) {
	most, err := time.ParseDuration(after)
	ts.Check(err)
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		ok, got := is()
		if ok {
			ts.Logf("after %v", time.Since(began).Round(10*time.Millisecond))
			return
		}
		if time.Since(began) > most {
			ts.Fatalf("not within %v: %s", most, got)
		}
	}
}

func (s *scripted) within(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 || s.names[args[1]] == "" {
		ts.Fatalf("usage: within AFTER NAME STATEMENT TEXT")
	}
	db := s.server.Open(s.t, s.names[args[1]])
	until(ts, args[0], func() (bool, string) {
		var got sql.NullString
		if err := db.QueryRow(args[2]).Scan(&got); !errors.Is(err, sql.ErrNoRows) {
			ts.Check(err)
		}
		return got.String == args[3], got.String
	})
}

func (s *scripted) shows(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: shows AFTER FILE PATTERN")
	}
	pattern := regexp.MustCompile("(?m)" + args[2])
	until(ts, args[0], func() (bool, string) {
		b, err := os.ReadFile(ts.MkAbs(args[1]))
		ts.Check(err)
		return pattern.Match(b), strings.TrimSpace(string(b))
	})
}

// idle counts the bytes that go over a network device.
func (s *scripted) idle(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: idle DEVICE")
	}
	took, err := time.ParseDuration(os.Getenv(measured))
	ts.Check(err)
	sent := func() int64 {
		b, err := os.ReadFile("/proc/self/net/dev")
		ts.Check(err)
		m := regexp.MustCompile(`(?m)^ *` + args[0] + `:(?: *\d+){8} *(\d+)`).FindSubmatch(b)
		if m == nil {
			ts.Fatalf("no device %s", args[0])
		}
		n, err := strconv.ParseInt(string(m[1]), 10, 64)
		ts.Check(err)
		return n
	}
	before := sent()
	time.Sleep(took)
	n := sent() - before
	s.t.Logf("%d bytes in %v, %.2f MB in a day", n, took, float64(n)*float64(24*time.Hour)/float64(took)/1e6)
}

// measured names the variable that says for how long idle looks.
const measured = "OMSYNC_AGENT_IDLE"

// condition says whether this machine lets a test mount a file system, and whether something is to be measured.
func (s *scripted) condition(cond string) (bool, error) {
	switch cond {
	case "mounts":
	case "measure":
		return os.Getenv(measured) != "", nil
	default:
		return false, errors.New("no such condition: " + cond)
	}
	dir := s.t.TempDir()
	if exec.Command("mount", "-t", "tmpfs", "none", dir).Run() != nil {
		return false, nil
	}
	return true, exec.Command("umount", dir).Run()
}
